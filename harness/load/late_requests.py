"""Requests that have no answer in time: while users send, when a slice is over, and when a run ends."""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING

import gevent

from harness.load.account import ENDLESS, TASK_TIMEOUTS, UNANSWERED
from harness.load.exchange import Failure

if TYPE_CHECKING:
    from harness.load.lane import Lane

POLL_S = 0.001
"""The interval at which a slice is checked for its end, once no further task may begin."""
ENDED_LATE_NS = 1_000_000_000
"""At the end of a run without a block, what has waited for less is not unanswered."""


def end_late_requests(lane: Lane, timeout_s: float) -> None:
    """End each request that has been in flight for longer than the time limit."""
    oldest_ns = perf_counter_ns() - int(timeout_s * 1e9)
    for client in lane.clients.values():
        if 0 < client.pending_since_ns < oldest_ns:
            client.give_up(_unanswered(timeout_s))


def drain(lane: Lane, end_ns: int, timeout_s: float) -> None:
    """Wait until every request that began has ended; what has no answer within the time limit is unanswered.

    A task may still not end, because it waits for something else. Then it is left alone.
    """
    timeout_ns = int(timeout_s * 1e9)
    while not lane.is_idle(now_ns := perf_counter_ns()):
        if now_ns > end_ns + TASK_TIMEOUTS * timeout_ns:
            late = Failure(ENDLESS, f"not ended {TASK_TIMEOUTS * timeout_ns / 1e9:g} s after its slice")
            for _ in range(lane.active):
                lane.account.fail_task("task", late, now_ns)
            return
        if now_ns > end_ns + timeout_ns:
            _give_up(lane, _unanswered(timeout_s), now_ns)
        gevent.sleep(POLL_S)


def end_run(lane: Lane, longest_ns: int) -> None:
    """At the end of a run without a block, end each request that has waited for far longer than any answer took."""
    now_ns = perf_counter_ns()
    for client in lane.clients.values():
        waited_ns = now_ns - client.pending_since_ns
        if client.pending_since_ns and waited_ns > max(ENDED_LATE_NS, 2 * longest_ns):
            client.give_up(Failure(UNANSWERED, f"no complete answer when the run ended, after {waited_ns / 1e9:.1f} s"))


def _give_up(lane: Lane, failure: Failure, now_ns: int) -> None:
    """End what is in flight, and what is due and was not sent."""
    if lane.arrivals is not None:
        for intended_ns in lane.arrivals.cancel(now_ns):
            lane.account.started += 1
            lane.account.fail("queue", "queue", failure, intended_ns, now_ns)
    for client in lane.clients.values():
        if client.pending_since_ns:
            client.give_up(failure)


def _unanswered(timeout_s: float) -> Failure:
    return Failure(UNANSWERED, f"no complete answer within {timeout_s:g} s")
