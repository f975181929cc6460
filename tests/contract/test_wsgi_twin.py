"""The reference app as a WSGI callable: byte for byte the answers of the ASGI app, and valid by PEP 3333."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from apps import _answers as answers
from apps import _work as work
from apps import _wsgi as wsgi
from apps import asgi
from harness.catalog import listing
from harness.host import guard, process
from harness.host.cpus import available
from harness.model.targets import Launch, Server
from tests.asgi_driver import Driver

ROOT = Path(__file__).parents[2]
OBJECT = b'{"name": "one"}'


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes


def call(
    method: str,
    path: str,
    body: bytes = b"",
    content_type: str | None = None,
    *,
    mount: str = "",
    chunked: bool = False,
    announced: int | None = None,
) -> Answer:
    """The WSGI callable's answer, validated; `announced` is a content-length other than the body's."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": mount,
        "PATH_INFO": path.encode().decode("latin-1"),
        "QUERY_STRING": "",
        "wsgi.input": io.BytesIO(body),
    }
    setup_testing_defaults(environ)
    if chunked:
        environ["wsgi.input_terminated"] = True
    elif body or announced is not None:
        environ["CONTENT_LENGTH"] = str(len(body) if announced is None else announced)
    if content_type is not None:
        environ["CONTENT_TYPE"] = content_type
    seen: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], _: object = None) -> Any:
        seen.append((status, list(headers)))
        headers.append(("Server", "what Tornado does to it"))
        return lambda _data: None

    result = validator(wsgi.app)(environ, start_response)
    try:
        parts = b"".join(result)
    finally:
        result.close()  # type: ignore[attr-defined]  # the validator wants it called
    ((status, headers),) = seen
    return Answer(int(status[:3]), headers, parts)


@pytest.fixture(autouse=True)
def empty_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty the WSGI callable's store, which lasts as long as the process."""
    monkeypatch.setattr(wsgi, "shared", answers.Shared.from_environment())


@pytest.fixture(autouse=True)
def fast_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "TOKEN_GAP_S", 0.0)


@pytest.fixture
def client() -> Iterator[Driver]:
    """The ASGI app."""
    with Driver(asgi.app) as driver:
        yield driver


def test_both_have_the_same_routes_with_the_same_limits() -> None:
    assert {path: list(methods) for path, methods in wsgi.PAGES.items()} == {
        path: list(methods) for path, methods in asgi.PAGES.items()
    }
    assert {path: (limit, list(methods)) for path, (limit, methods) in wsgi.NUMBERED.items()} == {
        path: (limit, list(methods)) for path, (limit, methods) in asgi.NUMBERED.items()
    }


PAGES = [
    (method, path)
    for path, methods in asgi.PAGES.items()
    for method in [*methods, *(["HEAD"] if "GET" in methods else [])]
    if path not in {"/scope", "/page", "/session"}  # the last two are others each time
]
NUMBERED = [
    (method, f"{path}{number}")
    for path, (limit, methods) in asgi.NUMBERED.items()
    for method in [*methods, *(["HEAD"] if "GET" in methods else [])]
    for number in ("0", "3", "253", "03", "x", "²", str(limit + 1))
]
NOT_FOUND_OR_NOT_ALLOWED = [
    ("GET", "/nothing"),
    ("GET", "/ws/echo"),
    ("GET", "/käse"),
    ("DELETE", "/plaintext"),
    ("PUT", "/bytes/3"),
]


def call_both(client: Driver, method: str, path: str, body: bytes = b"", content_type: str | None = None) -> Answer:
    """The answer of the WSGI callable, after a check that the ASGI app gives the same."""
    headers = [(b"content-type", content_type.encode())] if content_type else []
    expected = client.request(method, path, body=[body], headers=headers)
    answer = call(method, path, body, content_type, mount=client.root_path)
    assert (answer.status, answer.headers) == (expected.status, list(expected.headers.items()))
    assert answer.body == expected.body
    return answer


@pytest.mark.parametrize(("method", "path"), [*PAGES, *NUMBERED, *NOT_FOUND_OR_NOT_ALLOWED])
def test_the_wsgi_callable_answers_byte_for_byte_like_the_asgi_app(client: Driver, method: str, path: str) -> None:
    call_both(client, method, path, *((OBJECT, "application/json") if method in {"POST", "PUT"} else ()))


@pytest.mark.parametrize("body", [b"", b"\x00", bytes(range(256)) * 100, b"x" * answers.MAX_BODY_BYTES])
@pytest.mark.parametrize("content_type", [None, "image/x", "text/plain; charset=utf-8"])
def test_both_echo_any_body(client: Driver, body: bytes, content_type: str | None) -> None:
    assert call_both(client, "POST", "/echo", body, content_type).body == body


@pytest.mark.parametrize(
    ("path", "limit_bytes"), [("/echo", answers.MAX_BODY_BYTES), ("/merge", answers.MAX_BODY_BYTES), ("/items", 4096)]
)
def test_both_refuse_a_body_that_is_too_long(client: Driver, path: str, limit_bytes: int) -> None:
    assert call_both(client, "POST", path, b" " * (limit_bytes + 1)).status == 413
    assert call("POST", path, b" " * (limit_bytes + 1), chunked=True).status == 413


@pytest.mark.parametrize("mount", ["", "/mount"])
def test_both_answer_the_same_sequence_of_requests_for_items_alike(mount: str) -> None:
    with Driver(asgi.app, root_path=mount) as client:
        created = call_both(client, "POST", "/items", OBJECT)
        assert (created.status, dict(created.headers)["location"]) == (201, f"{mount}/items/1")
        for method, path, body, status in (
            ("PUT", "/items/2", OBJECT, 201),
            ("PUT", "/items/2", b'{"name": "two"}', 200),
            ("POST", "/items", OBJECT, 201),
            ("POST", "/items", b'{"nan": NaN}', 400),
            ("POST", "/items", b"[]", 400),
            ("GET", "/items", b"", 200),
            ("GET", "/items/2", b"", 200),
            ("DELETE", "/items/2", b"", 204),
            ("DELETE", "/items/2", b"", 404),
            ("POST", "/merge", b"", 202),
            ("POST", "/merge", b"", 401),
        ):
            assert call_both(client, method, path, body).status == status


def test_a_body_without_a_length_is_read_to_the_end_of_the_stream() -> None:
    assert call("POST", "/echo", b"all of it", chunked=True).body == b"all of it"


def test_both_compress_pages_and_count_visits_alike(client: Driver) -> None:
    for path, changing in (("/page", {"content-length"}), ("/session", {"set-cookie", "x-request-id"})):
        expected, answer = client.get(path), call("GET", path)
        assert (answer.status, [name for name, _ in answer.headers]) == (200, list(expected.headers))
        same = {name: value for name, value in answer.headers if name not in changing}
        assert same == {name: value for name, value in expected.headers.items() if name not in changing}


def test_an_incomplete_body_gets_no_answer() -> None:
    with pytest.raises(ConnectionResetError):
        call("POST", "/echo", b"half", announced=8)


def test_scope_reports_the_environ_and_the_process_that_answers() -> None:
    reported = json.loads(call("GET", "/scope").body)
    assert reported["modules"] == sorted(reported["modules"])
    assert (reported["REQUEST_METHOD"], reported["pid"], reported["loop"]) == ("GET", os.getpid(), None)


@pytest.fixture
def fast_thread_switches() -> Iterator[None]:
    """Switch threads so often that unlocked access to shared data fails."""
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before_s)


@pytest.mark.usefixtures("fast_thread_switches")
def test_items_created_by_several_threads_at_once_have_different_ids() -> None:
    with ThreadPoolExecutor(8) as pool:
        ids = [
            json.loads(answer.body)["id"] for answer in pool.map(lambda _: call("POST", "/items", OBJECT), range(200))
        ]
    assert sorted(ids) == list(range(1, 201))


def test_the_wsgi_callable_does_not_import_asyncio() -> None:
    program = "import sys, apps._wsgi; sys.exit('asyncio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_an_error_at_start_up_makes_the_import_fail() -> None:
    program = [sys.executable, "-c", "import apps._wsgi"]
    ended = subprocess.run(
        program, cwd=ROOT, env={"ASGI_APP_FAIL_STARTUP": "no database today"}, capture_output=True, check=False
    )
    assert ended.returncode == 1
    assert b"no database today" in ended.stderr


@pytest.mark.parametrize(
    "entry", [each for each in listing.servers() if each.interface == "wsgi"], ids=lambda x: x.name
)
def test_each_wsgi_server_sends_the_answers_of_the_wsgi_callable(entry: Server, tmp_path: Path) -> None:
    if missing := listing.not_installed([entry]):
        pytest.skip(missing[entry.name])
    (app,) = listing.choose("apps", listing.apps(), ["asgi"])
    target = entry.target(app)
    assert target is not None
    launch = Launch("127.0.0.1", process.free_port("127.0.0.1"), target, python=sys.executable)
    exchanges: list[tuple[str, str, bytes]] = [
        ("GET", "/plaintext", b""),
        ("POST", "/echo", bytes(range(256)) * 400),
        ("POST", "/echo", b""),
        ("GET", "/stream/50", b""),
        ("GET", "/sse/2", b""),
        ("GET", "/delay/5", b""),
        ("GET", "/blocks/3", b""),
        ("GET", "/file", b""),
        ("GET", "/queries/3", b""),
        ("POST", "/digest", bytes(range(256)) * 4096),
        ("HEAD", "/bytes/1", b""),
        ("GET", "/bytes/100000", b""),
        ("POST", "/items", OBJECT),
        ("PUT", "/items/1", b'{"name": "two"}'),
        ("DELETE", "/items/1", b""),
        ("GET", "/items/1", b""),
        ("DELETE", "/plaintext", b""),
        ("GET", "/k%C3%A4se", b""),
    ]
    with (
        guard.guard() as token,
        process.start(entry, app, launch, cpus=available(), log=tmp_path / "log", token=token),
        contextlib.closing(http.client.HTTPConnection(launch.host, launch.port, timeout=20)) as connection,
    ):
        for method, path, body in exchanges:
            expected = call(method, urllib.parse.unquote(path), body)
            headers = {"content-type": "application/octet-stream"}
            response = exchange(connection, method, path, body, headers)
            headers_found = {name.lower(): value for name, value in response.getheaders()}
            assert response.status == expected.status
            assert response.read() == expected.body
            assert {name: headers_found[name] for name, _ in expected.headers} == dict(expected.headers)


def exchange(
    connection: http.client.HTTPConnection, method: str, path: str, body: bytes, headers: dict[str, str]
) -> http.client.HTTPResponse:
    """The answer; on a new connection if the server has closed the old one, as some do without `Connection: close`."""
    try:
        connection.request(method, path, body or None, headers)
        return connection.getresponse()
    except ConnectionError:
        connection.close()
        connection.request(method, path, body or None, headers)
        return connection.getresponse()
