"""Each HTTP/2 check passes on a server that behaves, and fails on the same server with one fault."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.check.cases import http2_many
from harness.check.runner import attempt, checks
from tests.manners import Manners, assert_fails, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.check.target import OwnTarget

SCRIPT = Path(__file__).parent / "http2_manners_server.py"
BY_NAME = {check.name: check for check in checks() if check.name.startswith("h2-")}

FAULTS = [
    ("h2-preface", "late-settings", "expected SETTINGS as the server's first frame"),
    ("h2-settings-ack", "no-ack", "0 acknowledgements"),
    ("h2-ping", "no-pong", "not acknowledged"),
    ("h2-unknown", "no-extensions", "no answer"),
    ("h2-client-goaway", "leaves-at-goaway", "no answer"),
    ("h2-goaway-shutdown", "no-goaway", "no GOAWAY came"),
    ("h2-goaway-shutdown", "aborts", "expected the stream in flight to be answered"),
    ("h2-goaway-shutdown", "names-none", "names 0 as the last one"),
    ("h2-many-requests", "loses", "lost: ["),
    ("h2-closed-after-error", "stays-after-error", "open after"),
    ("h2-window-stream", "overruns", "says h2: FlowControlError"),
    ("h2-window-stream", "gives-up", "after WINDOW_UPDATE 1,000"),
    ("h2-window-zero", "overruns", "says h2: FlowControlError"),
    ("h2-window-settings", "gives-up", "without an end"),
    ("h2-window-negative", "gives-up", "widened by 100 more: 0 bytes"),
    ("h2-window-connection", "overruns", "says h2: FlowControlError"),
    ("h2-window-blocked", "blocks-all", "no answer"),
    ("h2-upload", "no-updates", "65,535 of 2,097,152 bytes sent"),
    ("h2-upload-back-pressure", "reads-ahead", "would take more"),
    ("h2-streams-at-once", "one-at-a-time", "1 in the app"),
    ("h2-streams-at-once", "few-streams", "the limit is 10"),
    ("h2-streams-one-too-many", "no-limit", "was served while the others waited"),
    ("h2-streams-interleaved", "one-at-a-time", "another: no answer"),
    ("h2-reset", "deaf", "not told"),
    ("h2-connection-lost", "deaf", "0 were told"),
    ("h2-rapid-reset", "no-pong", "the connection hangs"),
    ("h2-app-raises", "hangs", "no answer"),
    ("h2-app-raises", "pads", "/raise: 200"),
    ("h2-app-raises-midway", "pads", "/raise-midway: 200"),
    ("h2-app-raises-later", "hangs-later", "before its own: no answer"),
    ("h2-app-answers-nothing", "hangs", "no answer"),
    ("h2-request-trailers", "no-trailers-in", "no answer"),
    ("h2-response-trailers", "no-trailers", "with trailers [('x-none', '')]"),
    ("h2-early-hint", "no-hints", "interim answers []"),
    ("h2-extensions", "odd-extension", "expected a dict for each"),
    ("h2-head", "body-for-head", "InvalidBodyLengthError"),
    ("h2-no-content", "body-for-head", "4 bytes"),
    ("h2-expect-continue", "no-continue", "before the body: nothing"),
    ("h2-padding", "counts-padding", "body\\x00"),
    ("h2-continuation", "no-continuation", "no answer"),
    ("h2-authority", "keeps-pseudo", "pseudo-headers: [':"),
    ("h2-authority-and-host", "loose host-wins", "other.example"),
    ("h2-scope", "says-1.1", "1.1"),
    ("h2-cookies", "loose", "['a=1', 'b=2']"),
    ("h2-websocket", "no-websocket", "expected 200 to CONNECT"),
    ("h2-bad-preface", "keeps-bad-preface", "kept"),
    ("h2-preface-no-settings", "any-preface", "kept"),
    ("h2-content-length", "loose forgives", "5 said, none sent: 200"),
    *(
        (f"h2-{name}", "loose", "the app was called")
        for name in (
            *("pseudo-missing", "pseudo-twice", "pseudo-late", "pseudo-unknown", "header-name", "header-value"),
            *("header-space", "connection-headers", "te"),
        )
    ),
    *(
        (f"h2-{name}", "forgives", "expected a ")
        for name in (
            *("stream-zero", "connection-frames", "idle-stream", "stream-id", "frame-too-large", "frame-size"),
            *("settings-value", "window-overflow", "window-no-increment", "hpack", "continuation-order"),
            *("push-promise", "padding-too-long"),
        )
    ),
    ("h2-half-closed", "no-resets", "expected a "),
    ("h2-header-flood", "forgives", "taken, and more would be"),
]
"""A check, a fault, and what its evidence then says."""
OVER_TLS = [("h2-alpn", "prefers-http1", "chose http/1.1"), ("h2-alpn-http1", "no-http1", "400 Bad Request")]


@pytest.fixture(scope="module")
def manners(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Manners]:
    with served(SCRIPT, frozenset({"h2", "h2c"}), tmp_path_factory.mktemp("manners")) as manners:
        yield manners


@pytest.fixture(scope="module")
def shared(manners: Manners) -> Iterator[OwnTarget]:
    with manners.impatient("h2c", 0.25) as target:
        yield target


def test_every_check_passes_on_a_server_that_behaves(manners: Manners) -> None:
    manners.assert_all_pass("h2", BY_NAME.values())


@pytest.mark.parametrize(("name", "fault", "evidence"), FAULTS)
def test_a_check_fails_on_a_server_with_the_fault_that_it_looks_for(
    name: str, fault: str, evidence: str, manners: Manners, shared: OwnTarget
) -> None:
    with manners.faulty(fault):
        assert_fails(BY_NAME[name], evidence, "h2c", shared)


@pytest.mark.parametrize(("name", "fault", "evidence"), OVER_TLS)
def test_a_check_of_tls_fails_on_a_server_with_the_fault_that_it_looks_for(
    name: str, fault: str, evidence: str, manners: Manners
) -> None:
    with manners.faulty(fault), manners.impatient("h2", 0.25) as target:
        assert_fails(BY_NAME[name], evidence, "h2", target)


def test_a_server_that_is_slow_has_lost_no_stream(shared: OwnTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http2_many, "MANY_S", 0)
    entry = attempt("h2c", BY_NAME["h2-many-requests"], shared)
    assert (entry.outcome, "too slow to tell: 8 requests" in entry.evidence) == ("n/a", True), entry.evidence


def test_many_requests_may_take_longer_than_the_patience_for_one_answer(
    manners: Manners, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http2_many, "CONNECTIONS", 1)
    with manners.impatient("h2c", 0.1) as target:
        entry = attempt("h2c", BY_NAME["h2-many-requests"], target)
    assert entry.outcome == "pass", entry.evidence
    assert "1,100 of 1,100 answered" in entry.evidence


def test_a_story_tells_the_settings_of_the_client(manners: Manners, shared: OwnTarget) -> None:
    with manners.faulty("no-pong"):
        entry = attempt("h2c", BY_NAME["h2-window-negative"], shared)
    assert "INITIAL_WINDOW_SIZE=1000" in entry.evidence.splitlines()[1]


def test_there_is_a_fault_for_every_check() -> None:
    assert {name for name, _, _ in [*FAULTS, *OVER_TLS]} == set(BY_NAME)
