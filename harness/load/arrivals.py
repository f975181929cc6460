"""The open loop: a schedule says when each request is due, however slow the server is.

A closed loop sends fewer requests to a slow server and so hides its delays (coordinated omission; G. Tene, "How NOT to
Measure Latency", 2013). Here every request has an intended time from which its response time counts, including the time
in a queue if no user is free.
"""

from __future__ import annotations

import random
from collections import deque
from time import perf_counter_ns
from typing import TYPE_CHECKING

from gevent import get_hub, getcurrent

from harness.load.timer import Timer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from greenlet import greenlet

    from harness.load.account import Account

QUEUE_LIMIT = 100_000
"""The largest number of requests that wait for a free user; further ones are dropped, and reported as dropped."""


def uniform(rate_rps: float, start_ns: int) -> Iterator[int]:
    """Due times in ns, evenly spaced; computed from the count, so that rounding errors do not add up."""
    count = 0
    while True:
        yield start_ns + round(count * 1e9 / rate_rps)
        count += 1


def poisson(rate_rps: float, start_ns: int, seed: int) -> Iterator[int]:
    """Due times in ns with exponential gaps, as from independent clients; the same seed gives the same times."""
    source = random.Random(seed)  # noqa: S311 - a reproducible schedule, not a secret
    due_ns = float(start_ns)
    while True:
        due_ns += source.expovariate(rate_rps) * 1e9
        yield round(due_ns)


class Queue:
    """Requests that are due and wait for a free user. The caller passes the time, so it needs no clock."""

    def __init__(self, schedule: Iterator[int], limit: int = QUEUE_LIMIT) -> None:
        self.dropped = 0
        self._schedule = schedule
        self._limit = limit
        self._waiting: deque[int] = deque()
        self.next_ns = next(schedule)
        """When the next request that is not in the queue yet is due."""

    def take(self, now_ns: int) -> int | None:
        """Remove the request that has been due for longest; returns its intended time, None if none is due."""
        while self.next_ns <= now_ns:
            if len(self._waiting) < self._limit:
                self._waiting.append(self.next_ns)
            else:
                self.dropped += 1
            self.next_ns = next(self._schedule)
        return self._waiting.popleft() if self._waiting else None


class Arrivals:
    """Gives due requests to the users of a process; each is sent when it is due, or as soon as a user is free."""

    def __init__(self, queue: Queue, account: Account) -> None:
        self._queue = queue
        self._account = account
        self._idle: list[greenlet] = []
        self._timer = Timer(self._send_due)

    def wait(self) -> int:
        """Wait until this user has a request to send; returns its intended time in ns."""
        intended_ns = self._queue.take(perf_counter_ns())
        if intended_ns is not None:
            if not self._idle:
                self._account.queued += 1
            return intended_ns
        user = getcurrent()
        self._idle.append(user)
        if len(self._idle) == 1:
            self._timer.set(self._queue.next_ns)
        try:
            due_ns: int = get_hub().switch()
        except BaseException:
            self._idle.remove(user)
            raise
        return due_ns

    def _send_due(self) -> None:
        """Wake an idle user for each request that is due; the timer calls it in the hub."""
        idle, queue = self._idle, self._queue
        while idle and (intended_ns := queue.take(perf_counter_ns())) is not None:
            idle.pop().switch(intended_ns)
        self._account.dropped = queue.dropped
        if idle:
            self._timer.set(queue.next_ns)
        else:
            self._timer.clear()
