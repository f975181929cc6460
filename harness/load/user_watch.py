"""What Locust users do at the moment: do they still start, and have they a request in flight?

Locust reports a request only when it has ended, and says nothing when `on_start` has.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from gevent import getcurrent
from locust import TaskSet, User
from locust.user.task import LOCUST_STATE_WAITING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from locust.runners import Runner

_RUNS = frozenset({User.run.__code__, TaskSet.run.__code__})
_AFTER_START = frozenset({"run", "get_next_task", "schedule_task", "execute_next_task", "wait", "on_stop"})
"""The names of what these two call, but for `on_start`."""


class UserWatch:
    """When each user last reported a request or waited between two tasks.

    A user that has done neither for longer than a request may take has one without an answer. Only users that report
    requests in their own greenlet are watched: one whose helpers do so may be silent for other reasons.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._heard_ns: dict[Any, int] = {}
        self._given_up: set[Any] = set()
        self._helped = False
        """Has another greenlet than a user's own reported a request?"""

    def hear(self, now_ns: int) -> bool:
        """The current greenlet reports a request; returns False if it was given up before."""
        user = getcurrent()
        self._heard_ns[user] = now_ns
        if user in self._given_up:
            self._given_up.remove(user)
            return False
        self._helped = self._helped or user not in self._users
        return True

    @property
    def sees_all(self) -> bool:
        """Do all requests belong to users that it watches?"""
        return not self._helped

    def look(self) -> None:
        """Begin to watch the users that there are."""
        self._silent_since()

    def find_silent(self, oldest_ns: int) -> Iterator[tuple[str, int]]:
        """Give up the users that were last heard before `oldest_ns`: the class of each, and when it was heard (ns)."""
        for user, since_ns in self._silent_since().items():
            if since_ns < oldest_ns:
                self._given_up.add(user)
                yield type(user.args[0]).__name__, since_ns

    def are_silent_since(self, until_ns: int) -> bool:
        """Is there a user that has not been heard since then, and was not given up?"""
        return any(since_ns < until_ns for since_ns in self._silent_since().values())

    def _silent_since(self) -> dict[Any, int]:
        """When each user within a task was last heard, without those that were given up."""
        if self._helped:
            return {}
        now_ns, found = perf_counter_ns(), {}
        for user in self._users:
            if not user.args:
                continue  # it has just ended
            if user.args[0]._state == LOCUST_STATE_WAITING:  # noqa: SLF001 - nothing public says that a user waits
                self._heard_ns[user] = now_ns
            elif user not in self._given_up:
                found[user] = self._heard_ns.setdefault(user, now_ns)
        return found

    @property
    def _users(self) -> Any:
        return self._runner.user_greenlets.greenlets


def is_starting(user: Any) -> bool:
    """Is a user still in its `on_start`, or in that of a task set within it? Its stack says so."""
    frame, called = user.greenlet.gr_frame, None
    if frame is None:
        return not user.greenlet.dead  # it has not begun
    while frame is not None:
        if called is not None and frame.f_code in _RUNS and called not in _AFTER_START:
            return True
        frame, called = frame.f_back, frame.f_code.co_name
    return False


def running_users(runner: Runner) -> list[Any]:
    """The users of this process that have not ended; Locust gives each to its greenlet as the argument."""
    return [user.args[0] for user in runner.user_greenlets if user.args]  # one that has just ended has none
