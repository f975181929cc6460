"""How Locust's master divides users among load processes: once, before anything is measured.

By itself, it would divide them anew when a process was silent for some seconds, has come back, or arrives. In the
middle of a measurement users would move, and every process would begin as if nothing had been recorded yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from locust.dispatch import UsersDispatcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust import User
    from locust.runners import WorkerNode


class FixedDivision(UsersDispatcher):
    """Divides users among the processes that are there when Locust begins, which keep theirs until the end."""

    def __init__(
        self,
        worker_nodes: list[WorkerNode],
        user_classes: list[type[User]],
        lose: Callable[[WorkerNode], object] = lambda _: None,
    ) -> None:
        super().__init__(worker_nodes, user_classes)
        self._lose = lose

    def add_worker(self, worker_node: WorkerNode) -> None:
        """Locust has heard from a process that is new, or has come back."""

    def remove_worker(self, worker_node: WorkerNode) -> None:
        """Locust has lost a process: it is silent, or has ended."""
        self._lose(worker_node)

    @property
    def dispatch_in_progress(self) -> bool:
        """As if it went on for ever, since Locust divides users anew as soon as it does not."""
        return True
