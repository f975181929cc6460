"""The list of checks, and what becomes of one whose server or whose own code goes wrong."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness.check import runner
from harness.check.model import Check, Finding, ProtocolFault, failed, passed
from harness.check.runner import Survey, attempt, checks
from harness.model.errors import ServerError
from harness.model.protocols import PROTOCOLS
from harness.model.targets import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.check.target import Target


def check(run: Callable[[Target], Finding]) -> Check:
    return Check("mine", "Mine", frozenset({"h1"}), "It MUST.", "RFC 1", run)


class Own:
    """A server that lives until it is told that it does not."""

    ended: str | None = None
    hangs = False
    log = "its last words"
    server = Server("mine", (), frozenset({"h1"}), lambda _: [])

    def __init__(self) -> None:
        self.disconnected = threading.Event()

    def on(self, _: str) -> Own:
        return self

    def disconnect(self) -> None:
        self.disconnected.set()

    def await_end(self, _: float) -> str | None:
        return self.ended

    def answers(self) -> bool:
        return self.ended is None and not self.hangs


class Bench:
    """What starts servers: new ones, or none for an error."""

    cpus = frozenset({0})

    def __init__(self, error: ServerError | None = None) -> None:
        self.error = error
        self.started: list[Own] = []

    @contextmanager
    def serving(self, *_: object) -> Iterator[Own]:
        if self.error:
            raise self.error
        self.started.append(Own())
        yield self.started[-1]


def surveyed(bench: Bench, *runs: Callable[[Any], Finding]) -> list[tuple[str, str]]:
    asked = [replace(check(run), name=f"check-{number}") for number, run in enumerate(runs)]
    found = Survey([Own.server], ["h1"], asked, {}, lambda _: None).run(cast("Any", bench))
    return [(entry.outcome, entry.evidence) for entry in found]


def tried(run: Callable[[Any], Finding], own: Own | None = None) -> tuple[str, str]:
    entry = attempt("h1", check(run), cast("Any", own or Own()))
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
        assert re.match(r"RFC \d{4} §|ASGI |RFC \d{4}", each.source), each.name


def test_a_finding_is_kept_as_it_is() -> None:
    assert tried(lambda _: passed("all right")) == ("pass", "all right")
    assert tried(lambda _: failed("not so")) == ("fail", "not so")


@pytest.mark.parametrize(
    "fault", [ProtocolFault("nonsense"), ConnectionResetError("gone"), TimeoutError("silence"), ServerError("no start")]
)
def test_a_fault_of_the_server_is_a_finding(fault: Exception) -> None:
    outcome, evidence = tried(raising(fault))
    assert outcome == "fail"
    assert str(fault) in evidence


@pytest.mark.parametrize("fault", [KeyError("key"), AssertionError("no"), FileNotFoundError("file"), TypeError("type")])
def test_a_fault_of_the_check_is_an_error_with_its_traceback(fault: Exception) -> None:
    outcome, evidence = tried(raising(fault))
    assert outcome == "error"
    assert type(fault).__name__ in evidence
    assert "Traceback" in evidence


def test_a_check_that_hangs_is_an_error_and_its_sockets_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "LIMIT_S", 0.01)
    own = Own()

    def hang(_: Target) -> Finding:
        own.disconnected.wait(20)
        return passed("too late")

    assert tried(hang, own)[0] == "error"
    assert own.disconnected.is_set()


FORCES = {"must": r"MUST|must|REQUIRED", "should": r"SHOULD|should|RECOMMENDED|recommended"}
SAID_OTHERWISE = (
    *("http10-close", "byte-by-byte", "response-framing", "status-204", "status-304", "h2-window-zero"),
    *("h2-request-trailers", "h2-no-content", "h2-padding", "h2-continuation", "h2-websocket", "ws-accept"),
    *("ws-handshake-words", "ws-fragments-order", "ws-split-character", "ws-deflate", "ws-close-no-code"),
)
"""Required by what the source says a message is, or what happens, without the word."""


@pytest.mark.parametrize("each", checks(), ids=lambda each: each.name)
def test_expectation_force_and_source_agree(each: Check) -> None:
    if each.force == "expected":
        assert not re.search(r"\bMUST\b|\bSHOULD\b|RECOMMENDED", each.expectation)
    elif each.force == "should" or (each.name not in SAID_OTHERWISE and "ASGI" not in each.source):
        assert re.search(FORCES[each.force], each.expectation)


def test_a_server_that_does_not_start_is_no_server_that_need_not_be_asked() -> None:
    log = "Traceback\nOSError: no such file\nbye"
    error = ServerError("mine: expected an answer, found none; it said: OSError; its log is /tmp/gone", log)
    found = surveyed(Bench(error), lambda _: passed(""), lambda _: passed(""))
    assert [outcome for outcome, _ in found] == ["no-start", "no-start"]
    first, _, rest = found[0][1].partition("\n")
    assert first == "mine: expected an answer, found none; it said: OSError"
    assert rest == log


def test_a_server_that_hangs_after_a_check_fails_that_one_and_is_started_again() -> None:
    bench = Bench()

    def hang(_: Target) -> Finding:
        bench.started[-1].hangs = True
        return passed("all right")

    found = surveyed(bench, hang, lambda _: passed("well"))
    assert [outcome for outcome, _ in found] == ["fail", "pass"]
    assert found[0][1].startswith("after it the server answers nobody any more; all right")
    assert len(bench.started) == 2


def test_a_server_that_dies_after_a_check_fails_that_one_and_not_the_next() -> None:
    bench = Bench()

    def dies_late(own: Own) -> Finding:
        def ask() -> bool:
            own.ended = "SIGSEGV"
            return False

        own.answers = ask  # type: ignore[method-assign]
        return passed("all right")

    found = surveyed(bench, dies_late, lambda _: passed("well"))
    assert [outcome for outcome, _ in found] == ["fail", "pass"]
    assert "after it the server ended with SIGSEGV" in found[0][1]


def test_what_was_found_stays_when_the_survey_is_interrupted() -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    mine = Survey([Own.server], ["h1"], [check(lambda _: passed("well"))], {}, interrupt)
    with pytest.raises(KeyboardInterrupt):
        mine.run(cast("Any", Bench()))
    assert [entry.outcome for entry in mine.entries] == ["pass"]


def test_a_server_that_a_check_brings_down_has_failed_it() -> None:
    own = Own()

    def kill(_: Target) -> Finding:
        own.ended = "SIGSEGV"
        return passed("all right")

    outcome, evidence = tried(kill, own)
    assert outcome == "fail"
    assert "SIGSEGV" in evidence
    assert "its last words" in evidence


@pytest.mark.parametrize(
    ("server", "missing", "reason"),
    [
        (Own.server, {"mine": "not installed: mine; pip install mine"}, "pip install mine"),
        (replace(Own.server, interface="wsgi"), {}, "WSGI"),
        (replace(Own.server, protocols=frozenset(), unsupported={"h1": "speaks nothing"}), {}, "speaks nothing"),
        (replace(Own.server, protocols=frozenset()), {}, "does not speak h1"),
    ],
)
def test_what_cannot_be_tried_is_said_and_no_server_is_started(
    server: Server, missing: dict[str, str], reason: str
) -> None:
    told = []
    bench = Bench()
    found = Survey([server], ["h1"], [check(lambda _: passed(""))], missing, told.append).run(cast("Any", bench))
    assert bench.started == []
    assert [entry.outcome for entry in found] == ["n/a"]
    assert reason in found[0].evidence
    assert told == found
