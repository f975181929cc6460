"""The list of checks, and the entry of a check whose server or whose server code fails."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness.check import runner
from harness.check.model import OURS, Check, Finding, ProtocolFault, failed, passed
from harness.check.runner import Runner, checks, run_check
from harness.model.errors import ServerError
from harness.model.protocols import PROTOCOLS
from harness.model.targets import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.check.target import Target


def check(run: Callable[[Target], Finding]) -> Check:
    return Check("mine", "Mine", frozenset({"h1"}), "It MUST.", "RFC 1", "It MUST.", "No answers.", run)


class StubServer:
    """A server that runs until a test ends it."""

    ended: str | None = None
    hangs = dies = False
    log = "its last words"
    server = Server("mine", (), frozenset({"h1"}), lambda _: [])

    def __init__(self) -> None:
        self.disconnected = threading.Event()

    def on(self, _: str) -> StubServer:
        return self

    def disconnect(self) -> None:
        self.disconnected.set()

    def await_end(self, _: float) -> str | None:
        self.ended = "exit status 1" if self.dies else self.ended
        return self.ended

    def answers(self) -> bool:
        return self.ended is None and not self.hangs


class StubLauncher:
    """Starts stub servers, or raises an error."""

    cpus = frozenset({0})

    def __init__(self, error: ServerError | None = None) -> None:
        self.error = error
        self.started: list[StubServer] = []

    @contextmanager
    def serving(self, *_: object) -> Iterator[StubServer]:
        if self.error:
            raise self.error
        self.started.append(StubServer())
        yield self.started[-1]


def entries_of(launcher: StubLauncher, *runs: Callable[[Any], Finding]) -> list[tuple[str, str]]:
    asked = [replace(check(run), name=f"check-{number}") for number, run in enumerate(runs)]
    found = Runner([StubServer.server], ["h1"], asked, {}, lambda _: None).run(cast("Any", launcher))
    return [(entry.outcome, entry.evidence) for entry in found]


def outcome_of(run: Callable[[Any], Finding], server: StubServer | None = None) -> tuple[str, str]:
    entry = run_check("h1", check(run), cast("Any", server or StubServer()))
    return entry.outcome, entry.evidence


def raising(error: Exception) -> Callable[[Target], Finding]:
    def run(_: Target) -> Finding:
        raise error

    return run


def test_names_are_unique_words_with_hyphens_and_every_check_says_where_it_stands() -> None:
    names = [each.name for each in checks()]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in names)
    for each in checks():
        assert each.protocols, each.name
        assert each.protocols <= set(PROTOCOLS)
        assert each.expectation.endswith("."), each.name
        assert re.match(r"RFC \d{4}|ASGI |what process supervisors", each.source), each.name


def test_a_finding_is_kept_as_it_is() -> None:
    assert outcome_of(lambda _: passed("all right")) == ("pass", "all right")
    assert outcome_of(lambda _: failed("not so")) == ("fail", "not so")


@pytest.mark.parametrize(
    "fault", [ProtocolFault("nonsense"), ConnectionResetError("gone"), TimeoutError("silence"), ServerError("no start")]
)
def test_a_fault_of_the_server_is_a_finding(fault: Exception) -> None:
    outcome, evidence = outcome_of(raising(fault))
    assert outcome == "fail"
    assert str(fault) in evidence


@pytest.mark.parametrize("fault", [KeyError("key"), AssertionError("no"), FileNotFoundError("file"), TypeError("type")])
def test_a_fault_of_the_check_is_an_error_with_its_traceback(fault: Exception) -> None:
    outcome, evidence = outcome_of(raising(fault))
    assert outcome == "error"
    assert type(fault).__name__ in evidence
    assert "Traceback" in evidence


def test_a_check_that_hangs_is_an_error_and_its_sockets_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "LIMIT_S", 0.01)
    server = StubServer()

    def hang(_: Target) -> Finding:
        server.disconnected.wait(20)
        return passed("too late")

    assert outcome_of(hang, server)[0] == "error"
    assert server.disconnected.is_set()


LEVELS = {"must": r"MUST|must|REQUIRED", "should": r"SHOULD|should|RECOMMENDED|recommended"}
SAID_OTHERWISE = (
    "upgrade-h2c-body",
    *("http10-close", "byte-by-byte", "response-framing", "status-204", "status-304", "h2-window-zero"),
    *("h2-request-trailers", "h2-no-content", "h2-padding", "h2-continuation", "h2-websocket", "ws-accept"),
    *("ws-handshake-words", "ws-fragments-order", "ws-split-character", "ws-deflate"),
)
"""Checks whose source requires the behaviour without the word MUST, by stating what a message is or what happens."""


@pytest.mark.parametrize("each", checks(), ids=lambda each: each.name)
def test_expectation_level_and_source_agree(each: Check) -> None:
    if each.level == "expected":
        assert not re.search(r"\bMUST\b|\bSHOULD\b|RECOMMENDED", each.expectation)
    elif each.level == "should" or (each.name not in SAID_OTHERWISE and "ASGI" not in each.source):
        assert re.search(LEVELS[each.level], each.expectation)


REQUIRES = {"must": r"MUST|must|REQUIRED|will ", "should": LEVELS["should"]}
STATED = (
    *("http10-close", "byte-by-byte", "request-trailer", "response-framing", "expect-refused", "status-304"),
    *("upgrade-h2c-body", "h2-request-trailers", "h2-no-content", "h2-padding", "h2-continuation", "ws-accept"),
    *("ws-handshake-words", "ws-deflate", "ws-deflate-forms", "ws-deflate-final", "ws-deflate-fragments"),
    "ws-deflate-utf8",
)
"""Checks whose quotation requires something by stating what a message is or what happens."""


@pytest.mark.parametrize("each", checks(), ids=lambda each: each.name)
def test_a_check_quotes_what_its_level_needs_and_says_what_a_failure_means(each: Check) -> None:
    assert each.consequence.endswith("."), "expected what a failure means for a deployment, in a sentence"
    if each.level == "expected":
        assert each.quote == OURS
    elif each.level == "should" or (each.name not in STATED and "ASGI" not in each.source):
        assert re.search(REQUIRES[each.level], each.quote), each.quote
    else:
        assert each.quote != OURS


def test_a_server_that_does_not_start_is_no_server_that_need_not_be_asked() -> None:
    log = "Traceback\nOSError: no such file\nbye"
    error = ServerError("mine: expected an answer, found none; it said: OSError; its log is /tmp/gone", log)
    found = entries_of(StubLauncher(error), lambda _: passed(""), lambda _: passed(""))
    assert [outcome for outcome, _ in found] == ["no-start", "no-start"]
    first, _, rest = found[0][1].partition("\n")
    assert first == "mine: expected an answer, found none; it said: OSError"
    assert rest == log


def hang(server: Any) -> Finding:
    server.hangs = True
    return passed("all right")


def die(server: Any) -> Finding:
    server.ended = "SIGSEGV"
    return passed("all right")


def die_once_asked(server: Any) -> Finding:
    """The server dies a while after the check has passed."""

    def ask() -> bool:
        server.ended = "SIGSEGV"
        return False

    server.answers = ask
    return passed("all right")


def well(_: Any) -> Finding:
    return passed("well")


@pytest.mark.parametrize(
    ("fault", "evidence"),
    [
        (hang, "the server no longer answers; all right\nits last words"),
        (die, "the server died (SIGSEGV): its last words; all right\nits last words"),
        (die_once_asked, "the server died (SIGSEGV): its last words; all right\nits last words"),
    ],
)
def test_a_check_that_brings_the_server_down_alone_too_is_the_cause(
    fault: Callable[[Any], Finding], evidence: str
) -> None:
    launcher = StubLauncher()
    assert entries_of(launcher, well, fault, well) == [("pass", "well"), ("fail", evidence), ("pass", "well")]
    assert len(launcher.started) == 3  # for both, for the fault alone, for what is left


def test_the_check_that_brings_the_server_down_later_is_blamed_and_not_the_one_that_ran_by_then() -> None:
    """Alone, it has the time in which the server died before."""

    def dies_later(server: Any) -> Finding:
        server.dies = True
        return passed("all right")

    def victim(server: Any) -> Finding:
        server.ended = "exit status 1" if server.dies else None
        return passed("well")

    launcher = StubLauncher()
    found = entries_of(launcher, well, dies_later, well, victim, well)
    assert [outcome for outcome, _ in found] == ["pass", "fail", "pass", "pass", "pass"]
    assert found[1][1].startswith("the server died (exit status 1)")


def test_a_server_that_goes_down_once_only_has_failed_the_check_that_ran_by_then() -> None:
    def dies_once(server: Any) -> Finding:
        if server is launcher.started[0]:
            server.ended = "SIGSEGV"
        return passed("all right")

    launcher = StubLauncher()
    found = entries_of(launcher, well, dies_once)
    assert [outcome for outcome, _ in found] == ["pass", "fail"]
    assert "all right; not so when this check, or one shortly before it, ran alone" in found[1][1]


def test_the_traceback_of_a_server_that_died_comes_before_the_transcript() -> None:
    server = StubServer()
    server.log = "starting\nTraceback (most recent call last):\n  File \"a.py\"\nKeyError: 'x'"

    def fault(_: Any) -> Finding:
        server.ended = "exit status 1"
        return failed("expected 200\n→ sent")

    lines = outcome_of(fault, server)[1].splitlines()
    assert lines[0] == "the server died (exit status 1): KeyError: 'x'; expected 200"
    assert lines[1] == "Traceback (most recent call last):"
    assert lines[-1] == "→ sent"


def test_what_was_found_stays_when_the_survey_is_interrupted() -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    mine = Runner([StubServer.server], ["h1"], [check(lambda _: passed("well"))], {}, interrupt)
    with pytest.raises(KeyboardInterrupt):
        mine.run(cast("Any", StubLauncher()))
    assert [entry.outcome for entry in mine.entries] == ["pass"]


def test_a_server_that_a_check_brings_down_has_failed_it() -> None:
    server = StubServer()

    def kill(_: Target) -> Finding:
        server.ended = "SIGSEGV"
        return passed("all right")

    outcome, evidence = outcome_of(kill, server)
    assert outcome == "fail"
    assert "SIGSEGV" in evidence
    assert "its last words" in evidence


@pytest.mark.parametrize(
    ("server", "missing", "reason"),
    [
        (StubServer.server, {"mine": "not installed: mine; pip install mine"}, "pip install mine"),
        (replace(StubServer.server, interface="wsgi"), {}, "WSGI"),
        (replace(StubServer.server, protocols=frozenset(), unsupported={"h1": "speaks nothing"}), {}, "speaks nothing"),
        (replace(StubServer.server, protocols=frozenset()), {}, "does not speak h1"),
    ],
)
def test_what_cannot_be_tried_is_said_and_no_server_is_started(
    server: Server, missing: dict[str, str], reason: str
) -> None:
    told = []
    launcher = StubLauncher()
    found = Runner([server], ["h1"], [check(lambda _: passed(""))], missing, told.append).run(cast("Any", launcher))
    assert launcher.started == []
    assert [entry.outcome for entry in found] == ["n/a"]
    assert reason in found[0].evidence
    assert told == found
