"""Django in one file: the reference app's routes as asynchronous views, without middleware.

It has no WebSocket and no lifespan. Under WSGI, Django runs each view on a separate event loop, and collects a stream
before it sends it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views import View
from django.views.decorators.http import require_POST, require_safe

from apps._common import Items, chunk, process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

REQUIRES = ("django>=5.2",)
SCENARIOS = ("plaintext", "json", "echo", "stream", "items")
WSGI_TWIN = "apps.django:wsgi_app"

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__)

items: Items[dict[str, Any]] = Items()


@require_safe
async def plaintext(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("Hello, World!", content_type="text/plain")


@require_safe
async def message(_request: HttpRequest) -> HttpResponse:
    return JsonResponse({"message": "Hello, World!"})


@require_POST
async def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.body, content_type=request.headers.get("content-type"))


@require_safe
async def stream(_request: HttpRequest, count: int) -> HttpResponseBase:
    async def chunks() -> AsyncIterator[bytes]:
        for number in range(count):
            yield chunk(number)

    return StreamingHttpResponse(chunks(), content_type="text/plain")


@require_safe
async def scope(_request: HttpRequest) -> HttpResponse:
    return JsonResponse(process())


class ItemList(View):
    async def get(self, _request: HttpRequest) -> HttpResponse:
        return JsonResponse(items.newest(), safe=False)

    async def post(self, request: HttpRequest) -> HttpResponse:
        fields = json.loads(request.body)
        item_id = items.new_id()
        items[item_id] = {**fields, "id": item_id}
        return JsonResponse(items[item_id], status=201, headers={"location": f"/items/{item_id}"})


class OneItem(View):
    async def get(self, _request: HttpRequest, item_id: int) -> HttpResponse:
        item = items.get(item_id)
        if item is None:
            return JsonResponse({"detail": "Not Found"}, status=404)
        return JsonResponse(item)

    async def put(self, request: HttpRequest, item_id: int) -> HttpResponse:
        item = {**json.loads(request.body), "id": item_id}
        status = 200 if item_id in items else 201
        items[item_id] = item
        return JsonResponse(item, status=status)

    async def delete(self, _request: HttpRequest, item_id: int) -> HttpResponse:
        if items.pop(item_id, None) is None:
            return JsonResponse({"detail": "Not Found"}, status=404)
        return HttpResponse(status=204)


urlpatterns = [
    path("plaintext", plaintext),
    path("json", message),
    path("echo", echo),
    path("stream/<int:count>", stream),
    path("scope", scope),
    path("items", ItemList.as_view()),
    path("items/<int:item_id>", OneItem.as_view()),
]

app = get_asgi_application()
wsgi_app = get_wsgi_application()
