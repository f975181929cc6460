"""The routes of the project."""

from django.contrib import admin
from django.urls import path

from notes import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("health/", views.health),
    path("notes/", views.page, name="page"),
    path("api/notes/", views.api),
    path("api/notes/<int:number>/", views.api_note),
]
