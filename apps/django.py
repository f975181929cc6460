"""Django in one file: the reference app's routes as asynchronous views, without middleware.

It has no WebSocket and no lifespan, and under ASGI it reads a whole file before it sends it. Under WSGI, Django runs
each view on a separate event loop, and collects a stream before it sends it.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views import View
from django.views.decorators.http import require_POST, require_safe

from apps import _work as work
from apps._common import Items, chunk, process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

REQUIRES = ("django>=5.2",)
# fmt: off
SCENARIOS = (
    "plaintext", "json", "echo", "stream", "items", "churn", "wait", "database", "upload", "download", "tokens",
    "gzip", "cookies", "hold",
)
# fmt: on
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
async def delay(_request: HttpRequest, ms: int) -> HttpResponse:
    await asyncio.sleep(ms / 1000)
    return JsonResponse({"ms": ms})


@require_safe
async def queries(_request: HttpRequest, seed: int) -> HttpResponse:
    return JsonResponse(await work.query(seed))


@require_POST
async def digest(request: HttpRequest) -> HttpResponse:
    found = work.Digest()
    while part := request.read(work.BLOCK_BYTES):
        found.add(part)
    return JsonResponse(found.describe())


@require_safe
async def pattern(_request: HttpRequest, size: int) -> HttpResponse:
    return HttpResponse(work.make_pattern(size), content_type="application/octet-stream")


@require_safe
async def blocks(_request: HttpRequest, count: int) -> HttpResponseBase:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(count):
            yield work.BLOCK

    return StreamingHttpResponse(chunks(), content_type="application/octet-stream")


@require_safe
async def tokens(_request: HttpRequest, number: int) -> HttpResponseBase:
    return StreamingHttpResponse(work.streams.send(number), content_type="text/event-stream")


@require_safe
async def sent(_request: HttpRequest, number: int) -> HttpResponse:
    return JsonResponse(work.streams.describe(number))


@require_safe
async def page(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(work.compress_page(), content_type="application/json", headers={"content-encoding": "gzip"})


@require_safe
async def session(request: HttpRequest) -> HttpResponse:
    visits, cookie = work.visit(request.COOKIES.get("session"))
    response = JsonResponse(visits, headers={"x-request-id": work.new_request_id()})
    response.set_cookie("session", cookie, httponly=True)
    return response


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
    path("delay/<int:ms>", delay),
    path("queries/<int:seed>", queries),
    path("digest", digest),
    path("bytes/<int:size>", pattern),
    path("blocks/<int:count>", blocks),
    path("tokens/<int:number>", tokens),
    path("sent/<int:number>", sent),
    path("page", page),
    path("session", session),
    path("scope", scope),
    path("items", ItemList.as_view()),
    path("items/<int:item_id>", OneItem.as_view()),
]

app = get_asgi_application()
wsgi_app = get_wsgi_application()
