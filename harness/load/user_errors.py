"""Errors in the code of users: in a task, in `on_start`, in `wait_time`, and what ends a user without a word."""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import gevent
from locust import User

from harness.load.lane import stage

if TYPE_CHECKING:
    from locust.env import Environment

    from harness.load.lane import Lane


class UserErrors:
    """Counts them as errors of the candidate; where its users are ours, it is not right after one before its turns."""

    def __init__(self, environment: Environment, *, custom_users: bool) -> None:
        self._custom_users = custom_users
        environment.events.user_error.add_listener(self._count)

    def watch_deaths(self) -> None:
        """Count from now on what ends a user and is no `Exception`, of which Locust says nothing."""
        gevent.Greenlet.add_spawn_callback(self._watch)

    def _count(self, user_instance: Any, exception: BaseException, **_: Any) -> None:
        user = getattr(user_instance, "user", user_instance)  # in a task it is the task set
        lane: Lane = getattr(user, "lane", stage.lanes[0])
        lane.account.raised(type(user).__name__, exception, perf_counter_ns())
        lane.right = lane.right and self._custom_users
        lane.verified.set()  # nobody else would, if it was raised in `on_start`

    def _watch(self, greenlet: Any) -> None:
        if greenlet.args and isinstance(greenlet.args[0], User):
            user = greenlet.args[0]
            greenlet.link_exception(lambda ended: self._count_death(user, ended.exception))

    def _count_death(self, user: User, cause: BaseException) -> None:
        if not isinstance(cause, Exception):  # such as a `gevent.Timeout`
            self._count(user, cause)
