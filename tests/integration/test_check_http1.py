"""Each HTTP/1.1 check passes on a conformant server, and notices each fault of the index that it looks for."""

from __future__ import annotations

import socket
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness.check.clients import http1
from harness.check.runner import Runner, run_check
from harness.model.targets import Launch, Server
from tests.faulty_servers import (
    CHECKS,
    FaultyServer,
    checks_with_faults,
    make_fixtures,
    names_in_index,
    names_in_script,
    noticed,
)

if TYPE_CHECKING:
    from harness.check.model import Check
    from harness.check.target import StartedServer
    from tests.faults import Fault

BY_NAME = {name: check for name, check in CHECKS.items() if "h1" in check.protocols and "process-" not in name}


server, shared = make_fixtures("http1", frozenset({"h1"}), "h1", 0.5)


def test_every_check_passes_on_a_conformant_server(server: FaultyServer) -> None:
    server.assert_all_pass("h1", BY_NAME.values())


@pytest.mark.parametrize(("check", "fault"), noticed("http1", failing=True))
def test_a_check_fails_on_a_server_with_the_fault_that_it_looks_for(
    check: Check, fault: Fault, server: FaultyServer, shared: StartedServer
) -> None:
    server.assert_noticed(check, fault, shared)


@pytest.mark.parametrize(("check", "fault"), noticed("http1", failing=False))
def test_what_breaks_no_rule_is_no_failure(
    check: Check, fault: Fault, server: FaultyServer, shared: StartedServer
) -> None:
    server.assert_noticed(check, fault, shared)


def test_versions_and_extensions_are_values_for_the_table(shared: StartedServer) -> None:
    assert run_check("h1", BY_NAME["scope-asgi"], shared).value == "2.5"
    entry = run_check("h1", BY_NAME["scope-extensions"], shared)
    assert entry.value == "early_hint, made_up, pathsend, trailers"
    assert "http.response.made_up (no check for it)" in entry.evidence


def test_the_transcript_of_a_shutdown_has_the_signal(shared: StartedServer) -> None:
    assert "! SIGTERM to the server\n" in run_check("h1", BY_NAME["shutdown-in-flight"], shared).evidence


def test_the_example_of_the_page_about_checks_is_a_check(shared: StartedServer) -> None:
    page = (Path(__file__).parents[2] / "docs" / "checks.md").read_text()
    example: dict[str, Any] = {}
    exec(page.partition("```python\n")[2].partition("```")[0], example)
    (check,) = example["CHECKS"]
    entry = run_check("h1", check, shared)
    assert (entry.outcome, entry.summary) == ("pass", "answered with 404")


def test_each_piece_of_a_large_request_is_read_before_the_next_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that reads late would otherwise get several pieces at once, and accept more than in the next run."""
    monkeypatch.setattr(http1, "READ_S", 60.0)
    found: list[int] = []

    def read(connection: socket.socket) -> None:
        with connection:
            while sum(found) < 4 * http1.PIECE_BYTES:
                time.sleep(0.02)  # it is late
                found.append(len(connection.recv(1 << 20)))
            connection.sendall(b"HTTP/1.1 204 \r\n\r\n")

    class Stub:
        timeout_s = 60.0

        def connect(self, *_: object, **__: object) -> socket.socket:
            connection = socket.create_connection(listener.getsockname())
            self.port = listener.getsockname()[1]
            thread.start()
            return connection

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: read(listener.accept()[0]))
        with http1.Http1(cast("Any", Stub())) as connection:
            connection.send_until_answered(bytes(4 * http1.PIECE_BYTES))
            assert connection.response().status == 204
        thread.join()
    assert found == [http1.PIECE_BYTES] * 4


def test_there_is_a_fault_for_every_check() -> None:
    assert checks_with_faults("http1") == set(BY_NAME)


def test_every_fault_of_the_server_is_in_the_index() -> None:
    by_octet = {"keeps-0", "keeps-10", "keeps-13"}
    assert names_in_script("http1") | by_octet == names_in_index("http1")


WSGI = """
import importlib, sys
from wsgiref.simple_server import make_server
host, port, target = sys.argv[1:]
module, _, name = target.partition(":")
make_server(host, int(port), getattr(importlib.import_module(module), name)).serve_forever()
"""


def test_a_server_of_wsgi_apps_runs_the_checks_whose_routes_wsgi_can_have(server: FaultyServer) -> None:
    def command(launch: Launch) -> list[str]:
        return [sys.executable, "-c", WSGI, launch.host, str(launch.port), launch.target]

    wsgi = Server("wsgiref", (), frozenset({"h1"}), command, interface="wsgi")
    names = ("http10-close", "streaming", "date", "unread-body", "scope-path", "disconnect", "host-missing")
    chosen = [BY_NAME[name] for name in names]
    found = Runner([wsgi], ["h1"], chosen, {}, lambda _: None).run(server.launcher(5))
    assert {entry.check: entry.outcome for entry in found} == {
        "http10-close": "pass",
        "streaming": "pass",
        "date": "pass",
        "unread-body": "pass",
        "scope-path": "n/a",
        "disconnect": "n/a",
        "host-missing": "fail",
    }
