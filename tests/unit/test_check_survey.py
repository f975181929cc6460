"""The list of checks, and what becomes of one whose server or whose own code goes wrong."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness.check import survey
from harness.check.model import Check, Finding, ProtocolFault, failed, passed
from harness.check.survey import Survey, attempt, checks
from harness.model import PROTOCOLS, Server, ServerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.check.target import Target


def check(run: Callable[[Target], Finding]) -> Check:
    return Check("mine", "Mine", frozenset({"h1"}), "It MUST.", "RFC 1", run)


class Own:
    """A server that lives until it is told that it does not."""

    ended: str | None = None
    log = "its last words"
    server = Server("mine", (), frozenset({"h1"}), lambda _: [])

    def __init__(self) -> None:
        self.disconnected = threading.Event()

    def on(self, _: str) -> Own:
        return self

    def disconnect(self) -> None:
        self.disconnected.set()


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
    monkeypatch.setattr(survey, "LIMIT_S", 0.01)
    own = Own()

    def hang(_: Target) -> Finding:
        own.disconnected.wait(20)
        return passed("too late")

    assert tried(hang, own)[0] == "error"
    assert own.disconnected.is_set()


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
    found = Survey([server], ["h1"], [check(lambda _: passed(""))], missing, told.append).run(cast("Any", None))
    assert [entry.outcome for entry in found] == ["n/a"]
    assert reason in found[0].evidence
    assert told == found
