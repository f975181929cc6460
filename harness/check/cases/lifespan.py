"""ASGI: start-up and shutdown of the app."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from harness.check.cases.asgi import plain
from harness.check.cases.http1 import CLEAR
from harness.check.cases.shutdown import newcomer
from harness.check.clients.http1 import Wire, new_marker, request
from harness.check.model import Check, Finding, failed, not_applicable, passed
from harness.check.target import POLL_S, without_path
from harness.model.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.check.model import Force
    from harness.check.target import OwnTarget, Target

LIFESPAN = "lifespan"
"""The probe's marker of what happens there."""
STOP_S = 8.0
STILL_S = 0.5
"""A server that does not wait for the app's answer to lifespan.shutdown has ended by then."""
_NONE = "the server calls the app with no lifespan scope; the source does not say that it has to"


def _names(target: Target) -> list[str]:
    return [event["event"] for event in target.events(LIFESPAN)]


def _startup(target: Target) -> Finding:
    with target.fresh(PROBE_LIFESPAN="slow") as own:
        # The probe answered during the start: its first request stands in the file with what came before.
        served = own.events("")
        lifespan = own.events(LIFESPAN)
    names = [event["event"] for event in lifespan]
    if not names:
        return not_applicable(_NONE)
    if "lifespan.startup" not in names:
        return failed(f"expected lifespan.startup before the first request, found {names}")
    if "ready" not in names or served[0]["at"] < next(event["at"] for event in lifespan if event["event"] == "ready"):
        return failed(f"expected no request before lifespan.startup.complete, found one; lifespan: {names}")
    return passed(f"{', '.join(names)}, then the first request")


def _scope(target: Target) -> Finding:
    scopes = [event["scope"] for event in target.events(LIFESPAN) if event["event"] == "scope"]
    if not scopes:
        return not_applicable(_NONE)
    scope: dict[str, Any] = plain(scopes[0])
    asgi = scope.get("asgi")
    if not isinstance(asgi, dict) or asgi.get("version") not in ("2.0", "3.0"):
        return failed(f"expected asgi with its version in the scope, found {scope}")
    return passed(f"{scope}")


def _shutdown(target: Target) -> Finding:
    with target.fresh(PROBE_LIFESPAN="waits") as own:
        if not _names(own):
            return not_applicable(_NONE)
        own.terminate()
        if not _is_told(own):
            found = f"{_names(own)}; the server {'lives on' if own.ended is None else f'ended with {own.ended}'}"
            return failed(f"expected lifespan.shutdown after SIGTERM, found {found}")
        connection = newcomer(own)
        early = own.await_end(min(STILL_S, own.patience_s))
        own.open_gate(LIFESPAN)
        ended = own.await_end(STOP_S)
        names = _names(own)
    told = f"{', '.join(names)}; while the app was busy with it a new connection was {connection}"
    if early is not None or "over" not in names:
        return failed(f"expected the server to wait for the app's answer, found that it ended with {early}; {told}")
    if connection == "served":
        return failed(f"expected no connection served after lifespan.shutdown, found one; {told}")
    if ended is None:
        return failed(f"expected the server to end, found it alive {STOP_S:g} s after the app's answer; {told}")
    return passed(f"{told}; the server ended with {ended}")


def _is_told(own: OwnTarget) -> bool:
    """Does the app get lifespan.shutdown, before the server ends or the time is over?"""
    deadline = time.monotonic() + STOP_S
    while own.ended is None and time.monotonic() < deadline:
        if own.await_event(LIFESPAN, "lifespan.shutdown", POLL_S):
            return True
    return "lifespan.shutdown" in _names(own)


def _state(target: Target) -> Finding:
    if not _names(target):
        return not_applicable(_NONE)
    states, markers = [], [new_marker(), new_marker()]
    for marker in markers:
        wire = Wire(target)
        wire.send(request(target, f"/state?marker={marker}"))
        states.append(json.loads(wire.answer().body))
        target.await_event(marker, "returned")
    if states[0] is None:
        return not_applicable("the scope has no state, which is optional")
    if states[0].get("greeting") != "hello":
        return failed(f"expected what the start-up put into state, found {states[0]}")
    if "own" in states[1]:
        return failed(f"expected a copy for each request, found one request's key in the next: {states[1]}")
    if states[1].get("shared") != [*states[0]["shared"], markers[0]]:
        return failed(f"expected a shallow copy, which shares objects; found {states[0]}, then {states[1]}")
    return passed(f"the first request got {states[0]}, the next {states[1]}")


def _failing(target: Target) -> Finding:
    if not _names(target):
        return not_applicable(_NONE)
    try:
        with target.fresh(PROBE_LIFESPAN="fail"):
            return failed("expected the server to exit after lifespan.startup.failed, found that it serves")
    except ServerError as error:
        text, ended, log = without_path(error), error.ended, error.log_tail
    if ended is None:
        return failed(f"expected the server to exit after lifespan.startup.failed, found: {text}\n{log}")
    if ended == "exit status 0":
        return failed(f"expected an exit status that tells of the failure, found {ended}\n{log}")
    if "the probe refuses to start" not in log:
        return failed(f"expected the app's message in the log, found none; it ended with {ended}\n{log}")
    return passed(f"the message is in the log, and the server ended with {ended}\n{log}")


def _unknown(target: Target) -> Finding:
    if not _names(target):
        return not_applicable(_NONE)
    try:
        with target.fresh(PROBE_LIFESPAN="raise") as own:
            wire = Wire(own)
            wire.send(request(own, "/hello"))
            served = wire.answer().body == b"hello"
            wire.close()
            own.terminate()
            wire.remark("SIGTERM to the server")
            ended, names = own.await_end(STOP_S), _names(own)
    except ServerError as error:
        return failed(f"expected the app to be served, found: {without_path(error)}\n{error.log_tail}")
    if not served:
        return failed(f"expected the app to be served\n{wire.story}")
    if names.count("scope") != len(names):
        return failed(f"expected no lifespan events, found {names}")
    if ended is None:
        return failed(f"expected the server to end, found it alive {STOP_S:g} s after SIGTERM")
    return passed(f"served without lifespan events; ended with {ended}\n{wire.story}")


def _check(name: str, title: str, expectation: str, run: Callable[[Target], Finding], force: Force = "must") -> Check:
    return Check(name, title, CLEAR, expectation, "ASGI Lifespan 2.0", run, force=force)


CHECKS = (
    _check(
        "lifespan-startup",
        "Lifespan: start-up first",
        "A server must wait for lifespan.startup.complete before it processes connections.",
        _startup,
    ),
    _check("lifespan-scope", "Lifespan: scope", "The scope has the type lifespan and the versions of ASGI.", _scope),
    _check(
        "lifespan-shutdown",
        "Lifespan: shutdown",
        "lifespan.shutdown is sent when the server has stopped accepting connections: none is served after it; the "
        "server waits for the app's answer, and ends.",
        _shutdown,
    ),
    _check(
        "lifespan-state",
        "Lifespan: state for requests",
        "Where the server offers state, each request gets a shallow copy of what the start-up put there.",
        _state,
    ),
    _check(
        "lifespan-failed",
        "Lifespan: failed start-up",
        "A server that sees lifespan.startup.failed should log the message and exit; an exit status of 0 would hide it "
        "from a supervisor.",
        _failing,
        "should",
    ),
    _check(
        "lifespan-unknown",
        "Lifespan: app without it",
        "If the app raises on the lifespan scope, the server must continue, but not send any lifespan events.",
        _unknown,
    ),
)
