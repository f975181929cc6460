"""SIGTERM: what is in flight is completed, and nothing new is taken."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from harness.check.http1 import ANY_APP, HTTP1
from harness.check.model import Check, Finding, ProtocolFault, failed, passed
from harness.check.target import POLL_S
from harness.check.wire import Silent, Wire, new_marker, request

if TYPE_CHECKING:
    from harness.check.target import OwnTarget, Target

WAITING_S = 1.0
"""A new connection that has no answer by then gets none."""
_SOURCE = "RFC 9112 §9.5; what process supervisors rely on"


def _in_flight(target: Target) -> Finding:
    marker = new_marker()
    with target.fresh() as own:
        wire = Wire(own)
        wire.send(request(own, f"/late?marker={marker}"))
        if own.await_event(marker, "http") is None:
            return failed(f"expected the app to be called\n{wire.story}")
        own.terminate()
        refused = _refuses(own)
        own.open_gate(marker)
        try:
            answer = wire.answer()
        except ProtocolFault as fault:
            return failed(f"expected the request in flight answered, found {fault}")
        if answer.body != b"late":
            return failed(
                f"expected the request in flight answered, found {answer.status} {answer.body!r}\n{wire.story}"
            )
        if not wire.closed(target.patience_s):
            return failed(f"expected the connection closed after the answer, found it open\n{wire.story}")
        wire.close()  # TLS waits for the other side's farewell
        ended = own.await_end()
    if ended is None:
        return failed(
            f"expected the server to end after the answer, found it alive {target.patience_s:g} s later\n{wire.story}"
        )
    return passed(f"answered, closed, ended with {ended}; new connections meanwhile {refused}\n{wire.story}")


def _no_new_ones(target: Target) -> Finding:
    marker = new_marker()
    with target.fresh() as own:
        wire = Wire(own)
        wire.send(request(own, f"/late?marker={marker}"))
        if own.await_event(marker, "http") is None:
            return failed(f"expected the app to be called\n{wire.story}")
        own.terminate()
        found = _refuses(own)
        own.open_gate(marker)
    if found == "served":
        return failed(f"expected new connections refused after SIGTERM, found them served for {target.patience_s:g} s")
    return passed(f"a new connection is {found} while a request is in flight")


def _refuses(own: OwnTarget) -> str:
    """What becomes of a new connection: `refused`, `closed`, `left waiting`, or `served` to the end of patience."""
    deadline, closed = time.monotonic() + own.patience_s, 0
    while time.monotonic() < deadline:
        try:
            wire = Wire(own)
        except OSError:
            return "refused"
        wire.socket.settimeout(WAITING_S)
        wire.send(request(own, "/hello", "Connection: close"))
        try:
            wire.answer()
        except Silent:
            return "left waiting"
        except ProtocolFault:
            closed += 1
            if closed > 1:  # the first may have come together with the signal
                return "closed"
        finally:
            wire.socket.close()
        time.sleep(POLL_S)
    return "served"


def _idle(target: Target) -> Finding:
    with target.fresh() as own:
        wire = Wire(own)
        wire.send(request(own, "/hello"))
        if wire.answer().body != b"hello":
            return failed(f"expected the answer\n{wire.story}")
        own.terminate()
        closed = wire.closed(target.patience_s)
        wire.close()  # TLS waits for the other side's farewell
        ended = own.await_end()
    if not closed:
        return failed(
            f"expected the idle connection closed, found it open {target.patience_s:g} s after SIGTERM\n{wire.story}"
        )
    if ended is None:
        return failed(f"expected the server to end, found it alive\n{wire.story}")
    return passed(f"closed, and the server ended with {ended}\n{wire.story}")


CHECKS = (
    Check(
        "shutdown-in-flight",
        "SIGTERM: request in flight completed",
        HTTP1,
        "A server that is told to stop completes the answer in flight, then closes the connection and ends: a close "
        "SHOULD be graceful.",
        _SOURCE,
        _in_flight,
        ANY_APP,
    ),
    Check(
        "shutdown-refuses",
        "SIGTERM: no new connections",
        HTTP1,
        "A server that is told to stop takes no new connections while it completes what is in flight.",
        _SOURCE,
        _no_new_ones,
        ANY_APP,
    ),
    Check(
        "shutdown-idle",
        "SIGTERM: idle connections closed",
        HTTP1,
        "A server that is told to stop closes idle connections and ends within 5 seconds.",
        _SOURCE,
        _idle,
        ANY_APP,
    ),
)
