"""Each WebSocket check passes on a server that behaves, and fails on the same server with one fault."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.check.runner import attempt, checks
from tests.manners import Manners, assert_fails, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.check.target import OwnTarget

SCRIPT = Path(__file__).parent / "websocket_manners_server.py"
BY_NAME = {check.name: check for check in checks() if check.name.startswith("ws-")}

FAULTS = [
    ("ws-accept", "wrong-accept", "expected b's3pPLMBiTxaQ9kYGzzhZRbK+xOo='"),
    ("ws-handshake-words", "case", "status 400"),
    ("ws-handshake-malformed", "lenient", "no version: 101"),
    ("ws-version", "no-versions", "Sec-WebSocket-Version []"),
    ("ws-subprotocol", "first-subprotocol", "the server said one"),
    ("ws-no-subprotocol", "always-chooses", "the server said one"),
    ("ws-headers", "no-headers", "x-probe"),
    ("ws-scope", "raw-path", "%C3%A9"),
    ("ws-reject", "refuses-500", "status 500"),
    ("ws-raise-early", "raises-cleanly", "status 200"),
    ("ws-response", "no-body", "418 b''"),
    ("ws-text", "both-keys", "both or neither"),
    ("ws-binary", "text-only", "found"),
    ("ws-empty", "drops-empty", "found"),
    ("ws-large", "small", "0 bytes back"),
    ("ws-largest", "swallows", "connection open"),
    ("ws-fragments", "no-joining", "'one '"),
    ("ws-split-character", "no-joining", "''"),
    ("ws-ping", "no-pong", "0 PONGs"),
    ("ws-ping", "empty-pong", "PONG"),
    ("ws-pong", "fears-pong", "None back"),
    ("ws-pong", "answers-pong", "1 PONGs in return"),
    ("ws-deflate", "no-inflate", "0 back"),
    ("ws-send-pressure", "no-drain", "would take more"),
    ("ws-send-pressure", "never-sends", "send() took 0 bytes; once it read, sending did not go on"),
    ("ws-receive-pressure", "reads-ahead", "would take more"),
    ("ws-receive-pressure", "loses-when-full", "would take more"),
    ("ws-close", "no-close-back", "no CLOSE"),
    ("ws-close", "always-1000", "the app got 1000"),
    ("ws-close-no-code", "always-1000", "the app got 1000"),
    ("ws-app-closes", "no-reason", "CLOSE 3001,"),
    ("ws-app-raises", "raises-cleanly", "CLOSE 1000"),
    ("ws-app-returns", "stays-open", "connection open"),
    ("ws-vanished", "no-disconnect", "no websocket.disconnect"),
    ("ws-late-send", "silent-send", "raised nothing"),
    ("ws-late-send", "odd-error", "ValueError"),
    ("ws-shutdown", "plain-shutdown", "CLOSE 1000"),
    ("ws-shutdown", "aborts", "no CLOSE"),
    *(
        (f"ws-{name}", "deaf-to-faults", "connection open")
        for name in ("utf8", "unmasked", "reserved", "control", "fragments-order", "length")
    ),
    ("ws-failure-code", "wordless", "no CLOSE"),
    ("ws-close-code", "echoes-codes", "1015: CLOSE 1005"),
    ("ws-close-code-refused", "echoes-codes", "5000: CLOSE 1005"),
]
"""A check, a fault, and what its evidence then says."""


@pytest.fixture(scope="module")
def manners(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Manners]:
    with served(SCRIPT, frozenset({"ws", "ws-tls"}), tmp_path_factory.mktemp("manners")) as manners:
        yield manners


@pytest.fixture(scope="module")
def shared(manners: Manners) -> Iterator[OwnTarget]:
    with manners.impatient("ws", 0.25) as target:
        yield target


def test_every_check_passes_on_a_server_that_behaves(manners: Manners) -> None:
    manners.assert_all_pass("ws-tls", BY_NAME.values())


@pytest.mark.parametrize(("name", "fault", "evidence"), FAULTS)
def test_a_check_fails_on_a_server_with_the_fault_that_it_looks_for(
    name: str, fault: str, evidence: str, manners: Manners, shared: OwnTarget
) -> None:
    with manners.faulty(fault):
        assert_fails(BY_NAME[name], evidence, "ws", shared)


@pytest.mark.parametrize(
    ("name", "manner", "outcome", "evidence"),
    [
        ("ws-headers", "old-spec no-headers", "n/a", "came with 2.1, the server has 2.0"),
        ("ws-app-closes", "old-spec no-reason", "pass", "came with 2.3, the server has 2.0"),
        ("ws-largest", "ponders", "n/a", "too slow to tell"),
        ("ws-receive-pressure", "closes-when-full", "pass", "closed the connection"),
    ],
)
def test_what_breaks_no_rule_is_no_failure(
    name: str, manner: str, outcome: str, evidence: str, manners: Manners, shared: OwnTarget
) -> None:
    with manners.faulty(manner):
        entry = attempt("ws", BY_NAME[name], shared)
    assert entry.outcome == outcome, entry.evidence
    assert evidence in entry.evidence


def test_all_wrong_forms_are_named_in_the_summary(manners: Manners, shared: OwnTarget) -> None:
    with manners.faulty("lenient"):
        summary = attempt("ws", BY_NAME["ws-handshake-malformed"], shared).summary
    assert summary == "expected an error, found for no key: 101; no version: 101; POST: 101; HTTP/1.0: 101"


def test_a_story_tells_the_handshake(shared: OwnTarget) -> None:
    assert "Sec-WebSocket-Key" in attempt("ws", BY_NAME["ws-ping"], shared).evidence


def test_there_is_a_fault_for_every_check() -> None:
    assert {name for name, _, _ in FAULTS} == set(BY_NAME)
