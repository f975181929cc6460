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

NEVER_NS = 2**62
"""A time in ns that no clock shows."""
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
        self.next_ns = next(schedule, NEVER_NS)
        """When the next request that is not in the queue yet is due; `NEVER_NS` after the last."""

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, now_ns: int) -> int | None:
        """Remove the request that has been due for longest; returns its intended time, None if none is due."""
        while self.next_ns <= now_ns:
            if len(self._waiting) < self._limit:
                self._waiting.append(self.next_ns)
            else:
                self.dropped += 1
            self.next_ns = next(self._schedule, NEVER_NS)
        return self._waiting.popleft() if self._waiting else None


class Arrivals:
    """Gives due requests to the users of a lane; each is sent when it is due, or as soon as a user is free."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._queue = Queue(iter(()))
        self._dropped_before = 0
        self._users = 0
        self._idle: list[tuple[int, greenlet]] = []
        """Users that wait for a request, with their numbers."""
        self._excluded: list[tuple[int, greenlet]] = []
        """Users that wait, and are not let through in this slice."""
        self._timer = Timer(self._send_due)

    def begin(self, schedule: Iterator[int], users: int) -> None:
        """Hand out the requests of a schedule to users whose numbers are below `users`."""
        self._queue, self._users = Queue(schedule), users
        self._dropped_before = self._account.dropped
        waiting = self._idle + self._excluded
        self._idle = [each for each in waiting if each[0] < users]
        self._excluded = [each for each in waiting if each[0] >= users]
        self._set_timer()

    def cancel(self, now_ns: int) -> list[int]:
        """Forget the requests that are due and were not sent; their intended times."""
        left = []
        while (intended_ns := self._take(now_ns)) is not None:
            left.append(intended_ns)
        return left

    @property
    def waiting_users(self) -> int:
        """How many users wait for a request."""
        return len(self._idle) + len(self._excluded)

    def is_empty(self, now_ns: int) -> bool:
        """Is no request due that was not sent yet, and will none become due?"""
        return not self._queue and self._queue.next_ns > now_ns

    def wait(self, number: int) -> int:
        """Wait until the user with this number has a request to send; returns its intended time in ns."""
        if number < self._users:
            intended_ns = self._take(perf_counter_ns())
            if intended_ns is not None:
                if not self._idle:
                    self._account.queued += 1
                return intended_ns
        own = (number, getcurrent())
        (self._idle if number < self._users else self._excluded).append(own)
        if self._idle == [own]:
            self._set_timer()
        try:
            due_ns: int = get_hub().switch()
        except BaseException:
            for waiting in (self._idle, self._excluded):
                if own in waiting:
                    waiting.remove(own)
            raise
        return due_ns

    def _set_timer(self) -> None:
        if self._idle and self._queue.next_ns < NEVER_NS:
            self._timer.set(self._queue.next_ns)
        else:
            self._timer.clear()

    def _send_due(self) -> None:
        """Wake an idle user for each request that is due; the timer calls it in the hub."""
        while self._idle and (intended_ns := self._take(perf_counter_ns())) is not None:
            _, user = self._idle.pop()
            user.switch(intended_ns)
        self._set_timer()

    def _take(self, now_ns: int) -> int | None:
        intended_ns = self._queue.take(now_ns)
        self._account.dropped = self._dropped_before + self._queue.dropped
        return intended_ns
