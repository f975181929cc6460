"""A page with a form, and the same in JSON; both need a login."""

from django.contrib.auth.decorators import login_required
from django.http import JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from notes.models import Note


@require_GET
def health(request):
    return JsonResponse({"status": "ok"})


@login_required
@require_http_methods(["GET", "POST"])
def page(request):
    """The page sends browsers back to itself after a note was written, so that a reload does not write it again."""
    if request.method == "POST":
        Note.objects.create(author=request.user, text=request.POST["text"])
        return redirect("page")
    return render(request, "notes/page.html", {"notes": Note.objects.order_by("-id")[:10]})


@login_required
@require_http_methods(["GET", "POST"])
def api(request):
    if request.method == "POST":
        note = Note.objects.create(author=request.user, text=request.POST["text"])
        return JsonResponse({"id": note.id}, status=201)
    return JsonResponse({"notes": list(Note.objects.order_by("id").values("id", "text")[:3])})


@login_required
@require_GET
def api_note(request, number):
    return JsonResponse({"text": get_object_or_404(Note, id=number).text})
