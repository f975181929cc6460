"""SIGTERM: what is in flight is completed, and nothing new is taken."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from harness.check.cases.http1 import ANY_APP, HTTP1
from harness.check.clients.http1 import Silent, Wire, new_marker, request
from harness.check.model import Check, Finding, ProtocolFault, failed, passed
from harness.check.target import POLL_S

if TYPE_CHECKING:
    from harness.check.target import OwnTarget, Target

WAITING_S = 1.0
"""A new connection that has no answer by then gets none."""
NOTICE_S = 0.5
"""Who gives up what is in flight upon SIGTERM does so within this time."""
_SOURCE = "RFC 9112 §9.5; what process supervisors rely on"


def _in_flight(target: Target) -> Finding:
    marker = new_marker()
    with target.fresh() as own:
        wire = Wire(own)
        wire.send(request(own, f"/late?marker={marker}"))
        if own.await_event(marker, "http") is None:
            return failed(f"expected the app to be called\n{wire.story}")
        own.terminate()
        wire.remark("SIGTERM to the server")
        wire.readable(NOTICE_S)
        wire.remark("the app may answer now")
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
    return passed(f"answered, closed, ended with {ended}\n{wire.story}")


def _no_new_ones(target: Target) -> Finding:
    marker = new_marker()
    with target.fresh() as own:
        wire = Wire(own)
        wire.send(request(own, f"/late?marker={marker}"))
        if own.await_event(marker, "http") is None:
            return failed(f"expected the app to be called\n{wire.story}")
        own.terminate()
        wire.remark("SIGTERM to the server")
        found = _refuses(own)
        wire.remark(f"the last new connection was {found}")
        own.open_gate(marker)
    if found == "served":
        served = f"found them served for {target.patience_s:g} s"
        return failed(f"expected new connections refused after SIGTERM, {served}\n{wire.story}")
    return passed(f"a new connection is {found} while a request is in flight\n{wire.story}")


def _refuses(own: OwnTarget) -> str:
    """What becomes of new connections, as `newcomer` says; `served` when that is so to the end of patience."""
    deadline, closed = time.monotonic() + own.patience_s, 0
    while time.monotonic() < deadline:
        found = newcomer(own)
        closed += found == "closed"
        if found in ("refused", "left waiting") or closed > 1:  # the first may have come together with the signal
            return found
        time.sleep(POLL_S)
    return "served"


def newcomer(own: OwnTarget) -> str:
    """What becomes of a new connection with a request: `refused`, `closed`, `left waiting` or `served`."""
    try:
        wire = Wire(own)
    except TimeoutError:  # of TLS, in the queue of those that nobody has accepted
        return "left waiting"
    except OSError:
        return "refused"
    wire.socket.settimeout(WAITING_S)
    wire.send(request(own, "/hello", "Connection: close"))
    try:
        wire.answer()
    except Silent:
        return "left waiting"
    except ProtocolFault:
        return "closed"
    finally:
        wire.socket.close()
    return "served"


def _idle(target: Target) -> Finding:
    with target.fresh() as own:
        wire = Wire(own)
        wire.send(request(own, "/hello"))
        if wire.answer().body != b"hello":
            return failed(f"expected the answer\n{wire.story}")
        own.terminate()
        wire.remark("SIGTERM to the server")
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
        "A server that is told to stop completes the answer in flight, then closes the connection and ends.",
        _SOURCE,
        _in_flight,
        ANY_APP,
        force="expected",
    ),
    Check(
        "shutdown-refuses",
        "SIGTERM: no new connections",
        HTTP1,
        "A server that is told to stop takes no new connections while it completes what is in flight.",
        _SOURCE,
        _no_new_ones,
        ANY_APP,
        force="expected",
    ),
    Check(
        "shutdown-idle",
        "SIGTERM: idle connections closed",
        HTTP1,
        "A server that is told to stop closes idle connections and ends within 5 seconds.",
        _SOURCE,
        _idle,
        ANY_APP,
        force="expected",
    ),
)
