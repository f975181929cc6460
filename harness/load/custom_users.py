"""Custom Locust users: their requests are counted from Locust's events, which come when a request has ended."""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import gevent

from harness.load.account import REPORTED, UNANSWERED
from harness.load.exchange import Failure
from harness.load.lane import stage
from harness.load.user_watch import UserWatch

if TYPE_CHECKING:
    from locust.env import Environment
    from locust.runners import Runner

    from harness.load.account import Account

POLL_S = 0.01
"""The interval at which users are checked that have not reported their last request of a slice."""
STRAGGLERS_AT_LEAST_S = 0.2
"""How long to wait at least, after a slice, for reports of requests that began in it."""


class CustomUsers:
    """Counts the requests of users that no gate lets through, and finds those that report none for too long."""

    def __init__(self, environment: Environment, runner: Runner) -> None:
        self._watch = UserWatch(runner)
        self._longest_ns = 0
        """The longest response time so far."""
        environment.events.request.add_listener(self._count)

    def begin(self) -> None:
        """Begin to watch the users that there are."""
        self._watch.look()

    @property
    def _account(self) -> Account:
        return stage.lanes[0].account  # a block has one candidate where users are custom

    def await_silent(self, since_ns: int) -> None:
        """Wait until each user has reported a request since then, for as long as that may take."""
        while self._watch.are_silent_since(since_ns):
            gevent.sleep(POLL_S)

    def await_stragglers(self, end_ns: int, timeout_s: float) -> None:
        """Wait until each user has reported a request, which it does when it has ended, or waits between tasks.

        A user may be silent for other reasons: not longer than twice the longest response time so far.
        """
        while True:
            self._longest_ns = max(self._longest_ns, self._account.longest_ns())
            wait_ns = min(int(timeout_s * 1e9), max(int(STRAGGLERS_AT_LEAST_S * 1e9), 2 * self._longest_ns))
            left_ns = end_ns + wait_ns - perf_counter_ns()
            if left_ns <= 0 or (self._watch.sees_all and not self._watch.are_silent_since(end_ns)):
                return
            gevent.sleep(min(left_ns / 1e9, POLL_S))

    def end_silent(self, timeout_s: float) -> None:
        """Count a request as unanswered for each user that has reported none for longer than the limit."""
        failure = Failure(UNANSWERED, f"no request reported for {timeout_s:g} s in a task")
        for name, since_ns in self._watch.find_silent(perf_counter_ns() - int(timeout_s * 1e9)):
            self._account.started += 1
            self._account.fail("task", name, failure, since_ns, perf_counter_ns())

    def _count(
        self, request_type: Any = "", name: Any = "", response_time: Any = None, exception: Any = None, **_: Any
    ) -> None:
        """Count a request, of which its response time is reported, or none, and no send time.

        A Locust file may fire the event itself: an exception may be a text, and what is missing is no error.
        """
        account = self._account
        now_ns = perf_counter_ns()
        if not self._watch.hear(now_ns):
            return  # it was unanswered
        account.started += 1
        request_type, name = _describe(request_type or ""), _describe(name or "")
        began_ns = _find_begin(response_time, now_ns)
        if began_ns is None:
            began_ns, exception = now_ns, f"expected its response_time in ms or None, found {_describe(response_time)}"
        if exception:  # as for Locust's own statistics, not an empty text
            kind = type(exception).__name__ if isinstance(exception, BaseException) else REPORTED
            account.fail(request_type, name, Failure(kind, _describe(exception)), began_ns, now_ns)
            return
        series = account.series(request_type, name)
        if response_time is None:
            series.untimed(now_ns)
            return
        series.intended(began_ns)
        series.written(began_ns)
        series.ended(now_ns)


def _find_begin(response_time: Any, now_ns: int) -> int | None:
    """When a request began that took so many ms; now if its time is None, None if that cannot be a time."""
    try:
        took_ns = int((0 if response_time is None else response_time) * 1e6)
    except (TypeError, ValueError, OverflowError):
        return None
    return now_ns - took_ns if 0 <= took_ns <= now_ns else None


def _describe(value: Any) -> str:
    """A text or what a Locust file gives instead of one; its class, if it has no text."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - its `__str__` is the user's
        return f"{type(value).__name__} without a text"
