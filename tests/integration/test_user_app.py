"""A user app is asked: where its document is found, which requests are kept, and what is checked of their answers."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from harness.catalog import listing
from harness.catalog.user_app import find_user_app
from harness.host import cpus, process
from harness.hosts.server_host import LocalHost
from harness.model.errors import UsageError
from harness.model.targets import HOST, Launch
from harness.plan.options import read_settings
from harness.plan.user_app.discovery import Discovered, fetch_document
from harness.plan.user_app.scenario import write_scenario
from tests.apps.feed import CHAT_EVENTS, EVENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.model.targets import Scenario

APP = """
import json
import time
from pathlib import Path

BEGAN = time.monotonic()
ASKED = []
REPLIES = json.loads(Path(__file__).with_suffix(".json").read_text())


async def app(scope, receive, send):
    assert scope["type"] == "http"
    path = scope["path"]
    ASKED.append(path)
    accept = dict(scope["headers"]).get(b"accept", b"").decode()
    status, kind, body, *location = REPLIES.get(path, [404, "text/plain", "no"])
    if scope["scheme"] == "http" and "https" in REPLIES:
        host = dict(scope["headers"])[b"host"].decode()
        status, location = 307, [f"https://{host}{path}"]
    if "{seconds}" in body:
        body = body.replace("{seconds}", str(int(time.monotonic() - BEGAN)))
    kind = kind.replace("{times}", str(ASKED.count(path)))
    if "{times}" in body:
        body = body.replace("{times}", str(ASKED.count(path)))
    headers = [(b"content-type", kind.encode()), *((b"location", each.encode()) for each in location)]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})
"""
DOCUMENT = {"openapi": "3.1.0", "paths": {"/a": {"get": {}}}}
JSON_TEXT = json.dumps(DOCUMENT)
YAML_TEXT = "openapi: 3.1.0\npaths:\n  /a:\n    get: {}\n"
PLAIN = "text/plain"
APPS = Path(__file__).parents[1] / "apps"
LET_IN = "--header 'Authorization: …' or --login may let it in"
RIGHT = [200, PLAIN, "right"]


class Asked:
    """What became of an app: its scenario, and what was said."""

    def __init__(
        self, folder: Path, replies: dict[str, list[Any]], source: str = APP, **options: str | list[str]
    ) -> None:
        (folder / "shop.py").write_text(source)
        (folder / "shop.json").write_text(json.dumps(replies))
        settings = read_settings(
            {"app": "shop:app", "servers": "uvicorn", "out": str(folder / "results"), **options}, None
        )
        app = find_user_app("shop:app", folder, settings.ready_path)
        (server,) = listing.choose("servers", listing.servers(), settings.servers)
        self.said: list[str] = []
        self.scenario: Scenario = write_scenario(
            settings, app, [server], sys.executable, self.said.append, LocalHost(cpus.available()), ask=True
        )
        self.text = self.scenario.path.read_text()

    @property
    def requests(self) -> list[str]:
        """The lines of the requests."""
        return [line.strip() for line in self.text.splitlines() if line.startswith("    get(")]


@contextmanager
def serve(replies: dict[str, list[Any]]) -> Iterator[Launch]:
    """Serve these replies without an app."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body, *location = replies.get(self.path, [404, PLAIN, "no"])
            self.send_response(status)
            for name, value in [("content-type", kind), *(("location", each) for each in location)]:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield Launch(HOST, server.server_port, "")
        server.shutdown()


@pytest.mark.parametrize(
    ("replies", "openapi", "path"),
    [
        ({"/openapi.json": [200, "application/json", JSON_TEXT]}, None, "/openapi.json"),
        ({"/schema/openapi.json": [200, "application/vnd.oai.openapi+json", JSON_TEXT]}, None, "/schema/openapi.json"),
        ({"/api": [200, "application/vnd.oai.openapi+json;version=3.0", JSON_TEXT]}, None, "/api"),
        ({"/api/schema/": [200, "application/vnd.oai.openapi", YAML_TEXT]}, None, "/api/schema/"),
        ({"/docs": [200, "text/html", "<script>SwaggerUIBundle({url: '/v7/spec.json'})</script>"],
          "/v7/spec.json": [200, "application/json", JSON_TEXT]}, None, "/v7/spec.json"),
        ({"/": [200, "text/html", '<a href="/help/openapi">help</a><a href="/my/openapi.yaml">api</a>'],
          "/my/openapi.yaml": [200, PLAIN, YAML_TEXT]}, None, "/my/openapi.yaml"),
        ({"/a/schema": [200, "application/vnd.oai.openapi", YAML_TEXT]}, "/a/schema", "/a/schema"),
        ({"/spec": [307, PLAIN, "", "/spec/"], "/spec/": [200, "application/json", JSON_TEXT]}, "/spec", "/spec"),
        ({"/docs": [200, "text/html", '<redoc spec-url="spec.json">'], "/spec.json": [200, "text/json", JSON_TEXT]},
         "/docs", "/spec.json"),
    ],
)  # fmt: skip
def test_the_document_is_found_where_frameworks_serve_it(
    replies: dict[str, list[Any]], openapi: str | None, path: str
) -> None:
    with serve(replies) as launch:
        assert fetch_document(openapi, launch, ()) == Discovered(DOCUMENT, path)


@pytest.mark.parametrize(
    ("replies", "found"),
    [
        ({}, "answered 404"),
        ({"/": RIGHT}, "answered 404"),
        ({"/openapi.json": [403, PLAIN, ""]}, f"answered 403; {LET_IN}"),
        ({"/api/schema/": [401, PLAIN, ""]}, f"answered 401 at /api/schema/; {LET_IN}"),
        ({"/openapi.json": [302, PLAIN, "", "https://sso.example/in"]},
         "answered 302, which points at https://sso.example/in"),
        ({"/openapi.json": [302, PLAIN, "", "/openapi.json"]}, "answered 302, which points at /openapi.json"),
        ({"/docs": [200, "text/html", '<a href="/docs/openapi.json">'], "/docs/openapi.json": [500, PLAIN, ""]},
         "answered 404"),
    ],
)  # fmt: skip
def test_an_app_without_a_document_says_what_it_did_instead(replies: dict[str, list[Any]], found: str) -> None:
    with serve(replies) as launch:
        assert fetch_document(None, launch, ()) == found


def test_a_document_at_a_path_that_is_named_must_be_there() -> None:
    with serve({"/a": RIGHT}) as launch:
        for path, found in (("/a", "text/plain"), ("/b", "404")):
            with pytest.raises(
                UsageError, match=rf"--openapi: expected .* at {path}, found that the app answered {found}"
            ):
                fetch_document(path, launch, ())
        nowhere = replace(launch, port=process.free_port(HOST))
        assert str(fetch_document(None, nowhere, ())).startswith("gave no answer")


def test_a_body_that_depends_on_the_age_of_the_process_or_on_earlier_requests_is_not_compared(tmp_path: Path) -> None:
    paths = {path: {"get": {}} for path in ("/fixed", "/age", "/visits")}
    replies = {
        "/openapi.json": [200, "application/json", json.dumps({"paths": paths})],
        "/fixed": RIGHT,
        "/age": [200, PLAIN, "{seconds} s"],
        "/visits": [200, PLAIN, "{times} times"],
    }
    asked = Asked(tmp_path, replies)
    assert [("seen_body" in line) for line in asked.requests] == [True, False, False]
    assert "  bodies that change, so that only status, type and length are checked: GET /age, GET /visits" in asked.said


def test_the_ready_path_is_requested_whatever_the_document_has(tmp_path: Path) -> None:
    document = json.dumps({"paths": {"/closed": {"get": {}}}})
    replies = {"/openapi.json": [200, "application/json", document], "/closed": [401, PLAIN, ""], "/health": RIGHT}
    asked = Asked(tmp_path, replies, ready_path="/health")
    assert asked.requests == ["get('/health', expected_type='text/plain', seen_body=b'right'): 1,"]


def test_the_document_is_not_measured_where_it_means_ready(tmp_path: Path) -> None:
    replies = {"/openapi.json": [200, "application/json", JSON_TEXT], "/a": RIGHT}
    asked = Asked(tmp_path, replies, ready_path="/openapi.json")
    assert asked.requests == ["get('/a', expected_type='text/plain', seen_body=b'right'): 1,"]


@pytest.mark.parametrize(
    ("document", "ready_path", "found"),
    [
        (True, "/", ["/b?x=1%202", "/a"]),  # `/` is requested if nothing else is
        (True, "/health", ["/health", "/b?x=1%202", "/a"]),
        (False, "/", ["/b?x=1%202"]),
        (False, "/health", ["/health", "/b?x=1%202"]),
    ],
)
def test_named_paths_are_requested_beside_those_of_the_document(
    tmp_path: Path, document: bool, ready_path: str, found: list[str]
) -> None:
    replies = dict.fromkeys(("/", "/a", "/b", "/health"), RIGHT)
    replies |= {"/openapi.json": [200, "application/json", JSON_TEXT]} if document else {}
    asked = Asked(tmp_path, replies, ready_path=ready_path, path=["/b?x=1 2", "/b?x=1 2"])
    assert [line.split("'")[1] for line in asked.requests] == found
    if not document:
        requested = f"only {found[0]} is requested" if len(found) == 1 else "only 2 named paths are requested"
        assert any(requested in each for each in asked.said)


def test_many_routes_that_are_left_out_for_one_reason_are_one_line(tmp_path: Path) -> None:
    paths: dict[str, Any] = {f"/items/{number}": {"delete": {}} for number in range(5)}
    document = json.dumps({"paths": {**paths, "/a": {"get": {}}, "/b": {"get": {}}}})
    asked = Asked(tmp_path, {"/openapi.json": [200, "application/json", document], "/a": RIGHT})
    many = "DELETE /items/0, DELETE /items/1, DELETE /items/2 and 2 more: it may write; use --methods get,delete"
    assert [line for line in asked.said if line.startswith("  left out: ")] == [
        f"  left out: {many} to include it",
        "  left out: GET /b: answered 404",
    ]
    assert asked.text.count("#   DELETE /items/") == 5  # the file has all of them


def test_a_route_without_an_example_is_left_out_until_a_path_of_it_is_named(tmp_path: Path) -> None:
    parameters = [{"name": "id", "in": "path", "required": True}]
    document = {"paths": {"/items/{id}": {"get": {"parameters": parameters}, "delete": {}}, "/a": {"get": {}}}}
    replies = {"/openapi.json": [200, "application/json", json.dumps(document)], "/a": RIGHT, "/items/7": RIGHT}
    hint = "  --path requests a route without an example, such as --path '/items/7?page=2'"
    missing = "  left out: GET /items/{id}: no example for path parameter id"
    asked = Asked(tmp_path, replies)
    assert {hint, missing} <= set(asked.said)
    named = Asked(tmp_path, replies, path=["/items/7"])
    assert [line.split("'")[1] for line in named.requests] == ["/items/7", "/a"]
    assert not {hint, missing} & set(named.said)
    assert any(line.startswith("  left out: DELETE /items/{id}") for line in named.said)


def test_an_app_that_lets_nobody_in_is_told_how_to_log_in(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\(GET /: answered 401.*\); log in by --login 'POST /login "):
        Asked(tmp_path, {"/": [401, PLAIN, "who?"]}, openapi="none")


def test_an_app_whose_answers_differ_is_told_how(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"\(GET /: answered 200 text/\d, and 200 text/\d when asked again, under uvicorn"
    ):
        Asked(tmp_path, {"/": [200, "text/{times}", "right"]}, openapi="none")


WSGI_FUNCTION = "def app(environ, start_response): ..."
WSGI_OBJECT = "class Site:\n    def __call__(self, environ, start_response): ...\napp = Site()"
WSGI_SHORT = "def app(environ, start): ..."
NAME_WSGI = "if shop:app is a WSGI callable, name it by --wsgi, and the ASGI callable, if there is one, by --app"


@pytest.mark.parametrize(
    ("server", "source", "advice"),
    [
        ("uvicorn", WSGI_FUNCTION, NAME_WSGI),
        ("uvicorn", WSGI_OBJECT, NAME_WSGI),
        ("uvicorn", WSGI_SHORT, NAME_WSGI),
        ("granian", WSGI_FUNCTION, NAME_WSGI),
        ("granian", WSGI_OBJECT, NAME_WSGI),
        ("granian", "def app(): ...", "use --factory if shop:app returns the app"),  # uvicorn calls it by itself
    ],
)
def test_a_callable_that_is_no_asgi_app_is_told_by_its_arguments(
    tmp_path: Path, server: str, source: str, advice: str
) -> None:
    with pytest.raises(UsageError, match=advice):
        Asked(tmp_path, {}, source=source, servers=server, openapi="none")


def test_with_openapi_none_no_document_is_read(tmp_path: Path) -> None:
    replies = {"/": RIGHT, "/a": RIGHT, "/openapi.json": [200, "application/json", JSON_TEXT]}
    asked = Asked(tmp_path, replies, openapi="none")
    assert asked.requests == ["get('/', expected_type='text/plain', seen_body=b'right'): 1,"]


@pytest.mark.parametrize(
    ("server", "path"),
    [
        ("https://shop.example/api/v1", "/api/v1/a"),
        ("https://shop.example/behind/a/proxy", "/a"),
    ],
)
def test_the_path_of_the_documents_server_is_used_if_the_app_knows_it(tmp_path: Path, server: str, path: str) -> None:
    document = {**DOCUMENT, "servers": [{"url": server}]}
    replies = {path: RIGHT, "/openapi.json": [200, "application/json", json.dumps(document)]}
    (request,) = Asked(tmp_path, replies).requests
    assert request.startswith(f"get('{path}', ")


@pytest.mark.parametrize(
    ("protocols", "kept"),
    [("h1-tls,h2", None), pytest.param("h1,h2", {"h1-tls", "h2", "h3"}, marks=pytest.mark.long)],
)
def test_an_app_that_sends_clients_to_https_is_asked_over_tls(
    tmp_path: Path, protocols: str, kept: set[str] | None
) -> None:
    replies = {"https": [], "/a": RIGHT, "/openapi.json": [200, "application/json", JSON_TEXT]}
    asked = Asked(tmp_path, replies, protocols=protocols)
    assert asked.requests == ["get('/a', expected_type='text/plain', seen_body=b'right'): 1,"]
    assert ("h1 left out, since the app sends clients to https://" in asked.said) is (kept is not None)
    assert asked.scenario.protocols == (kept or {"h1", "h1-tls", "h2", "h2c", "h3"})


def test_an_app_that_wants_https_is_not_asked_over_other_protocols(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--protocols: expected h1-tls or h2 for an app that .* found h1,h2c"):
        Asked(tmp_path, {"https": []}, protocols="h1,h2c,ws")


def test_streams_are_recognised_and_those_that_go_on_are_ended(tmp_path: Path) -> None:
    settings = read_settings({"app": "feed:app", "out": str(tmp_path / "results"), "ready_path": "/ping"}, None)
    app = find_user_app("feed:app", APPS, settings.ready_path)
    (server,) = listing.choose("servers", listing.servers(), ("uvicorn",))
    said: list[str] = []
    text = write_scenario(
        settings, app, [server], sys.executable, said.append, LocalHost(cpus.available()), ask=True
    ).path.read_text()
    lines = {line.split("'")[1]: line.strip() for line in text.splitlines() if line.startswith("    get(")}
    assert lines.keys() == {"/events", "/chat", "/ping"}
    assert "stream=Stream(events=20, seconds=1)): 1,  # it goes on, so the client ends it" in lines["/events"]
    assert f"stream=Stream(), seen_body={EVENT * CHAT_EVENTS!r}): 1," in lines["/chat"]
    assert "stream" not in lines["/ping"]
    limit = "the 20th event or 1 s after the first"
    assert f"  answers that go on, so that clients end them at {limit}: GET /events" in said
    assert not any("bodies that change" in line for line in said)
