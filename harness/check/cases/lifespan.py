"""ASGI lifespan: start-up and shutdown of the app."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from harness.check.cases.scopes import plain
from harness.check.cases.shutdown import terminate, try_new_connection
from harness.check.clients.http1 import Http1
from harness.check.model import HTTP1_CLEAR, Family, Finding, failed, not_applicable, passed
from harness.check.target import new_marker, wait_for, without_path
from harness.model.errors import ServerError

if TYPE_CHECKING:
    from harness.check.target import StartedServer, Target

CHECKS = Family(HTTP1_CLEAR)

LIFESPAN = "lifespan"
"""The probe notes what happens in the lifespan under this marker."""
STOP_S = 8.0
SILENCE_S = 0.5
"""A server that does not wait for the app's answer to lifespan.shutdown has exited by then."""
_SOURCE = "ASGI Lifespan 2.0"
_NO_LIFESPAN = not_applicable("the server calls the app with no lifespan scope, which the source does not require")


def _names(target: Target) -> list[str]:
    return [event["event"] for event in target.events(LIFESPAN)]


@CHECKS.check(
    "lifespan-startup",
    "Lifespan: start-up first",
    _SOURCE,
    quote="A server must wait for this message before it starts processing connections.",
    consequence="Requests reach the app before its database connections are there.",
)
def startup(target: Target) -> Finding:
    """A server must wait for lifespan.startup.complete before it processes connections."""
    with target.fresh(PROBE_LIFESPAN="slow") as server:
        # The start of the server was detected by a request, which the probe has noted with its time.
        requests = server.events("")
        lifespan = server.events(LIFESPAN)
    names = [event["event"] for event in lifespan]
    if not names:
        return _NO_LIFESPAN
    if "lifespan.startup" not in names:
        return failed(f"expected lifespan.startup before the first request, found {names}")
    if "ready" not in names or requests[0]["at"] < next(each["at"] for each in lifespan if each["event"] == "ready"):
        return failed(f"expected no request before lifespan.startup.complete, found one; lifespan: {names}")
    return passed(f"{', '.join(names)}, then the first request")


@CHECKS.check(
    "lifespan-scope",
    "Lifespan: scope",
    _SOURCE,
    quote='asgi["version"] (Unicode string) -- The version of the ASGI spec.',
    consequence="Apps that check the version do not start.",
)
def scope(target: Target) -> Finding:
    """The lifespan scope has the type lifespan and the versions of ASGI."""
    scopes = [event["scope"] for event in target.events(LIFESPAN) if event["event"] == "scope"]
    if not scopes:
        return _NO_LIFESPAN
    found: dict[str, Any] = plain(scopes[0])
    asgi = found.get("asgi")
    if not isinstance(asgi, dict) or asgi.get("version") not in ("2.0", "3.0"):
        return failed(f"expected asgi with its version in the scope, found {found}")
    return passed(f"{found}")


@CHECKS.check(
    "lifespan-shutdown",
    "Lifespan: shutdown",
    _SOURCE,
    quote="A server must wait for this message before terminating.",
    consequence="Connections and queues are not closed, and buffered data are lost with each deployment.",
    danger="loses",
)
def shutdown(target: Target) -> Finding:
    """A server sends lifespan.shutdown once it has stopped accepting connections, and serves none after that.

    It waits for the app's answer, and exits.
    """
    with target.fresh(PROBE_LIFESPAN="waits") as server:
        if not _names(server):
            return _NO_LIFESPAN
        server.terminate()
        if not _is_told(server):
            state = "still runs" if server.ended is None else f"ended with {server.ended}"
            return failed(f"expected lifespan.shutdown after SIGTERM, found {_names(server)}; the server {state}")
        connection = try_new_connection(server)
        early = server.await_end(min(SILENCE_S, server.timeout_s))
        server.open_gate(LIFESPAN)
        ended = server.await_end(STOP_S)
        names = _names(server)
    words = f"{', '.join(names)}; while the app was busy with it a new connection was {connection}"
    if early is not None or "over" not in names:
        return failed(f"expected the server to wait for the app's answer, found that it ended with {early}; {words}")
    if connection == "served":
        return failed(f"expected no connection served after lifespan.shutdown, found one; {words}")
    if ended is None:
        return failed(f"expected the server to exit, found it alive {STOP_S:g} s after the app's answer; {words}")
    return passed(f"{words}; the server ended with {ended}")


def _is_told(server: StartedServer) -> bool:
    """Does the app get lifespan.shutdown before the server ends and the time is up?"""
    wait_for(lambda: server.ended is not None or "lifespan.shutdown" in _names(server), STOP_S)
    return "lifespan.shutdown" in _names(server)


@CHECKS.check(
    "lifespan-state",
    "Lifespan: state for requests",
    _SOURCE,
    quote="The server will ensure that a shallow copy of the namespace is passed into each subsequent "
    "request/response call into the application.",
    consequence="What one request keeps in state shows up in another user's request.",
    danger="mixes",
)
def state(target: Target) -> Finding:
    """A server that offers state gives each request a shallow copy of what the start-up put there."""
    if not _names(target):
        return _NO_LIFESPAN
    states, markers = [], [new_marker(), new_marker()]
    for marker in markers:
        states.append(json.loads(Http1(target).fetch(f"/state?marker={marker}").body))
        target.await_event(marker, "returned")
    if states[0] is None:
        return not_applicable("the scope has no state, which is optional")
    if states[0].get("greeting") != "hello":
        return failed(f"expected what the start-up put into state, found {states[0]}")
    if "own" in states[1]:
        return failed(f"expected a copy for each request, found a key of one request in the next: {states[1]}")
    if states[1].get("shared") != [*states[0]["shared"], markers[0]]:
        return failed(f"expected a shallow copy, which shares objects; found {states[0]}, then {states[1]}")
    return passed(f"the first request got {states[0]}, the next {states[1]}")


@CHECKS.check(
    "lifespan-failed",
    "Lifespan: failed start-up",
    _SOURCE,
    level="should",
    quote="If a server sees this it should log/print the message provided and then exit.",
    consequence="A server whose app could not start looks healthy, or nobody learns why it ended.",
)
def failed_startup(target: Target) -> Finding:
    """A server that gets lifespan.startup.failed should log the message and exit.

    An exit status of 0 would hide the failure from a supervisor.
    """
    if not _names(target):
        return _NO_LIFESPAN
    try:
        with target.fresh(PROBE_LIFESPAN="fail"):
            return failed("expected the server to exit after lifespan.startup.failed, found that it serves")
    except ServerError as error:
        text, ended, log = without_path(error), error.ended, error.log_tail
    if ended is None:
        return failed(f"expected the server to exit after lifespan.startup.failed, found: {text}\n{log}")
    if ended == "exit status 0":
        return failed(f"expected an exit status that shows the failure, found {ended}\n{log}")
    if "the probe refuses to start" not in log:
        return failed(f"expected the app's message in the log, found none; it ended with {ended}\n{log}")
    return passed(f"the message is in the log, and the server ended with {ended}\n{log}")


@CHECKS.check(
    "lifespan-unknown",
    "Lifespan: app without it",
    _SOURCE,
    quote="If an exception is raised when calling the application callable with a lifespan.startup message "
    "or a scope with type lifespan, the server must continue but not send any lifespan events.",
    consequence="Apps without lifespan, such as Django's, do not start.",
)
def app_without_lifespan(target: Target) -> Finding:
    """A server must serve an app that raises on the lifespan scope, without sending it lifespan events."""
    if not _names(target):
        return _NO_LIFESPAN
    try:
        with target.fresh(PROBE_LIFESPAN="raise") as server:
            connection = Http1(server)
            served = connection.fetch("/hello").body == b"hello"
            connection.close()
            terminate(server, connection)
            ended, names = server.await_end(STOP_S), _names(server)
    except ServerError as error:
        return failed(f"expected the app to be served, found: {without_path(error)}\n{error.log_tail}")
    if not served:
        return connection.failed("expected the app to be served")
    if names.count("scope") != len(names):
        return failed(f"expected no lifespan events, found {names}")
    if ended is None:
        return failed(f"expected the server to exit, found it alive {STOP_S:g} s after SIGTERM")
    return connection.passed(f"served without lifespan events; ended with {ended}")
