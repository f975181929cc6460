"""The reference app over real HTTP/1.1 under each server: the same answers everywhere."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from harness.catalog import listing
from harness.host import guard
from harness.host import process as servers
from harness.host.cpus import available
from harness.model.targets import Launch

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Running:
    """A server that is ready, with its port and its process group."""

    name: str
    port: int
    process_group: int


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def ask(port: int, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())


@pytest.fixture(scope="module", params=["uvicorn", "hypercorn", "daphne", "granian"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    (entry,) = listing.choose("servers", listing.servers(), [request.param])
    (app,) = listing.choose("apps", listing.apps(), ["asgi"])
    launch = Launch(HOST, servers.free_port(HOST), app.target, python=sys.executable)
    log = tmp_path_factory.mktemp("logs") / "server.log"
    with (
        guard.guard() as token,
        servers.start(entry, app, launch, cpus=available(), log=log, token=token) as running,
    ):
        yield Running(entry.name, launch.port, running.pid)


def test_the_process_that_answers_is_the_one_that_was_started(server: Running) -> None:
    scope = ask(server.port, "GET", "/scope").json()
    assert os.getpgid(scope["pid"]) == server.process_group


def test_scope_has_the_protocol_and_the_headers_of_the_request(server: Running) -> None:
    scope = ask(server.port, "GET", "/scope", x_test="here").json()
    assert (scope["type"], scope["http_version"], scope["scheme"]) == ("http", "1.1", "http")
    assert ["x-test", "here"] in scope["headers"]
    assert int(scope["server"][1]) == server.port


def test_lifespan_state_arrives_if_the_server_has_a_lifespan(server: Running) -> None:
    scope = ask(server.port, "GET", "/scope").json()
    assert scope["state"] == ([] if server.name == "daphne" else ["shared"])


def test_plaintext_and_json_are_right(server: Running) -> None:
    plaintext, message = ask(server.port, "GET", "/plaintext"), ask(server.port, "GET", "/json")
    assert (plaintext.status, plaintext.body) == (200, b"Hello, World!")
    assert plaintext.headers["content-type"] == "text/plain; charset=utf-8"
    assert (message.status, message.json()) == (200, {"message": "Hello, World!"})
    assert message.headers["content-type"] == "application/json"


def test_echo_answers_100_kib(server: Running) -> None:
    body = os.urandom(100 * 1024)
    answer = ask(server.port, "POST", "/echo", body, content_type="image/x")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/x")
    assert answer.body == body


def test_a_stream_arrives_completely_without_a_length(server: Running) -> None:
    answer = ask(server.port, "GET", "/stream/50")
    assert "content-length" not in answer.headers
    assert [line.rstrip(b".") for line in answer.body.splitlines()] == [str(number).encode() for number in range(50)]
    assert len(answer.body) == 50 * 1024


def test_events_delay_and_work_are_answered(server: Running) -> None:
    assert ask(server.port, "GET", "/sse/2").body == b"id: 0\ndata: event 0\n\nid: 1\ndata: event 1\n\n"
    assert ask(server.port, "GET", "/delay/5").json() == {"ms": 5}
    assert ask(server.port, "GET", "/cpu/1").json() == {"n": 1, "result": 1_664_525 + 1_013_904_223}


def test_an_item_exists_from_post_to_delete(server: Running) -> None:
    created = ask(server.port, "POST", "/items", b'{"name": "one"}')
    path = created.headers["location"]
    assert (created.status, ask(server.port, "GET", path).json()) == (201, created.json())
    assert ask(server.port, "PUT", path, b'{"name": "two"}').status == 200
    assert ask(server.port, "GET", path).json()["name"] == "two"
    deleted = ask(server.port, "DELETE", path)
    assert (deleted.status, deleted.body) == (204, b"")
    assert [ask(server.port, method, path).status for method in ("DELETE", "GET")] == [404, 404]


def test_a_merge_is_refused_while_another_is_running(server: Running) -> None:
    assert [ask(server.port, "POST", "/merge", b"{}").status for _ in range(2)] == [202, 401]


def test_head_has_the_length_of_get_and_no_body(server: Running) -> None:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)) as connection:
        # On one connection, because a body after HEAD would break the next answer.
        for method, body in (("HEAD", b""), ("GET", b"\x00")):
            connection.request(method, "/bytes/1")
            response = connection.getresponse()
            assert (response.status, response.headers["content-length"]) == (200, "1")
            assert response.read() == body


def test_wrong_paths_methods_and_numbers_are_refused(server: Running) -> None:
    assert ask(server.port, "GET", "/nothing").status == 404
    assert ask(server.port, "GET", "/bytes/16777217").status == 400
    refused = ask(server.port, "DELETE", "/plaintext")
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")
