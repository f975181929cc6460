"""Each WebSocket check passes on a conformant server, and notices each fault of the index that it looks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

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

BY_NAME = {name: check for name, check in CHECKS.items() if name.startswith("ws-")}


server, shared = make_fixtures("websocket", frozenset({"ws", "ws-tls"}), "ws", 0.25)


def test_every_check_passes_on_a_conformant_server(server: FaultyServer) -> None:
    over_tls = [check for check in BY_NAME.values() if "ws-tls" in check.protocols]
    server.assert_all_pass("ws-tls", over_tls)
    server.assert_all_pass("ws", [check for check in BY_NAME.values() if check not in over_tls])


@pytest.mark.parametrize(("check", "fault"), noticed("websocket", failing=True))
def test_a_check_fails_on_a_server_with_the_fault_that_it_looks_for(
    check: Check, fault: Fault, server: FaultyServer, shared: StartedServer
) -> None:
    server.assert_noticed(check, fault, shared)


@pytest.mark.parametrize(("check", "fault"), noticed("websocket", failing=False))
def test_what_breaks_no_rule_is_no_failure(
    check: Check, fault: Fault, server: FaultyServer, shared: StartedServer
) -> None:
    server.assert_noticed(check, fault, shared)


def test_all_wrong_cases_are_named_in_the_summary(server: FaultyServer, shared: StartedServer) -> None:
    with server.faulty("lenient"):
        summary = run_check("ws", BY_NAME["ws-handshake-malformed"], shared).summary
    assert summary == "expected an error, found for no key: 101; no version: 101; POST: 101; HTTP/1.0: 101"


def test_the_transcript_has_the_handshake(shared: StartedServer) -> None:
    assert "Sec-WebSocket-Key" in run_check("ws", BY_NAME["ws-ping"], shared).evidence


def test_there_is_a_fault_for_every_check() -> None:
    assert checks_with_faults("websocket") == set(BY_NAME)


def test_every_fault_of_the_server_is_in_the_index() -> None:
    assert names_in_script("websocket") == names_in_index("websocket")
