"""Each HTTP/2 check passes on a conformant server, and notices each fault of the index that it looks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.check.cases import http2_many
from harness.check.runner import run_check
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

BY_NAME = {name: check for name, check in CHECKS.items() if name.startswith("h2-")}


server, shared = make_fixtures("http2", frozenset({"h2", "h2c"}), "h2c", 0.25)


def test_every_check_passes_on_a_conformant_server(server: FaultyServer) -> None:
    server.assert_all_pass("h2", BY_NAME.values())


@pytest.mark.parametrize(("check", "fault"), noticed("http2", failing=True))
def test_a_check_fails_on_a_server_with_the_fault_that_it_looks_for(
    check: Check, fault: Fault, server: FaultyServer, shared: StartedServer
) -> None:
    server.assert_noticed(check, fault, shared)


def test_a_slow_server_has_lost_no_stream(shared: StartedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http2_many, "MANY_S", 0)
    entry = run_check("h2c", BY_NAME["h2-many-requests"], shared)
    assert (entry.outcome, "too slow to tell: 8 requests" in entry.evidence) == ("n/a", True), entry.evidence


def test_many_requests_may_take_longer_than_the_timeout_of_one(
    server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http2_many, "CONNECTIONS", 1)
    with server.started("h2c", 0.1) as target:
        entry = run_check("h2c", BY_NAME["h2-many-requests"], target)
    assert entry.outcome == "pass", entry.evidence
    assert "1,100 of 1,100 answered" in entry.evidence


def test_the_transcript_has_the_settings_of_the_client(server: FaultyServer, shared: StartedServer) -> None:
    with server.faulty("no-pong"):
        entry = run_check("h2c", BY_NAME["h2-window-negative"], shared)
    assert "INITIAL_WINDOW_SIZE=1000" in entry.evidence.splitlines()[1]


def test_there_is_a_fault_for_every_check() -> None:
    assert checks_with_faults("http2") == set(BY_NAME)


def test_every_fault_of_the_server_is_in_the_index() -> None:
    assert names_in_script("http2") == names_in_index("http2")
