"""The load workers of a measurement that are on other hosts: who they are, and whether all are still there."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

import gevent
from locust.runners import STATE_MISSING

from harness.load import messages
from harness.load.division import FixedDivision
from harness.load.versions import find_difference
from harness.model.load_workers import LoadFailure

if TYPE_CHECKING:
    from locust import User
    from locust.env import Environment
    from locust.rpc import Message
    from locust.runners import MasterRunner, WorkerNode

    from harness.model.load_workers import WorkersOrder

NOT_YET = 2**31
"""Locust's master begins when so many workers are there: not before this says how many there are."""
POLL_S = 0.02
SETTLE_S = 1.5
"""How long those who came back are waited for, where some are missing: a worker asks for work every half second."""
SPARE_S = 5.0
"""How long a worker may be late before one that the run does not know takes its place."""
SILENT = "sent no heartbeat for some seconds"
"""What happened to a worker whose messages did not come: four or five, by Locust's count."""
QUIT_S = 0.1
"""How long a message to all workers takes to leave this process."""


class ProcessLostError(Exception):
    """A load process ended or is silent, so a part of the load is missing."""

    def __init__(self, reason: str, lost: dict[str, str] | None = None, *, too_few: bool = False) -> None:
        super().__init__(reason)
        self.failure = LoadFailure(reason, lost or {}, too_few)


class RemoteWorkers:
    """Gathers load workers for one measurement, and notices when one is lost."""

    def __init__(self, environment: Environment, runner: MasterRunner, order: WorkersOrder) -> None:
        self._options: Any = environment.parsed_options
        self._runner = runner
        self._order = order
        self._began_s = monotonic()
        self._processes: dict[str, int] = {}
        """The processes of those that were given work, by name."""
        self._here: dict[str, str] = {}
        """The ids that those have as Locust's workers, by name."""
        self._lost: dict[str, str] = {}
        """What happened to those that were lost, by name. They stay so, even if they come back: a part is missing."""
        self._refused = ""
        """Why the last one was sent away, if one was."""
        environment.dispatcher_class = self._divide  # type: ignore[assignment] # it calls what makes one
        runner.register_message(messages.HELLO, self._greet)
        runner.register_message(messages.HERE, self._arrive)

    @property
    def names(self) -> dict[str, str]:
        """The names of those that take part, by their ids as Locust's workers."""
        return {client: name for name, client in self._here.items()}

    def takes_part(self, client: str) -> bool:
        """Is this id that of one that takes part?"""
        return client in self._here.values()

    def gather(self, users: int, candidates: int) -> None:
        """Wait for all workers, give each its number, and let Locust begin; raises `ProcessLostError`.

        `users` are those of each candidate, of which each worker gets as many as the one with most of them needs.
        """
        while not self._are_all_here():
            if self._waited_s > self._order.wait_s:
                if len(self._here) < self._order.least:
                    raise self._miss()
                if others := self._list_others():
                    found = f"found Locust's worker {others[0]}"
                    raise ProcessLostError(f"expected load workers that harness worker has started, {found}")
                break
            gevent.sleep(POLL_S)
        for index, name in enumerate(sorted(self._here)):
            self._runner.send_message(messages.PLACE, {"index": index}, self._here[name])
        processes = len(self._here)
        self._options.num_users = self._options.spawn_rate = candidates * processes * -(-users // processes)
        self._options.expect_workers = processes

    def find_lost(self) -> dict[str, str]:
        """What happened to those that do not work any more, or did not for a while, by name."""
        clients = self._runner.clients
        silent = {
            name: SILENT if client in clients else "has ended"
            for name, client in self._here.items()
            if client not in clients or clients[client].state == STATE_MISSING
        }
        return {**silent, **self._lost}

    def _divide(self, worker_nodes: list[WorkerNode], user_classes: list[type[User]]) -> FixedDivision:
        """Divide users among those that take part, and nobody who has connected meanwhile."""
        taking_part = [node for node in worker_nodes if self.takes_part(node.id)]
        for client in self.names.keys() - {node.id for node in taking_part}:
            self._lost.setdefault(self.names[client], SILENT)
        return FixedDivision(taking_part or worker_nodes, user_classes, self._lose)

    def _lose(self, node: WorkerNode) -> None:
        how = SILENT if node.state == STATE_MISSING else "has ended"
        if self.takes_part(node.id):
            self._lost.setdefault(self.names[node.id], how)

    def dismiss(self) -> None:
        """Let all workers end, so that they ask for other work; whoever started this process may kill it then."""
        self._runner.send_message("quit")
        gevent.sleep(QUIT_S)

    @property
    def _waited_s(self) -> float:
        return monotonic() - self._began_s

    def _greet(self, msg: Message, **_: Any) -> None:
        self._runner.send_message(messages.ANSWER, self._answer(msg.data), msg.node_id)

    def _answer(self, told: dict[str, Any]) -> dict[str, Any]:
        if why := find_difference(told["worker"]):
            self._refused = f"; {why}"
            return {"do": messages.LEAVE, "why": why}
        name, process = told["worker"]["name"], told["process"]
        if name in self._processes:
            if self._processes[name] != process:
                self._lost.setdefault(name, told["ended"] or "has ended")
                return {"do": messages.WAIT}
        elif self._options.expect_workers != NOT_YET or not self._has_room(name):
            return {"do": messages.WAIT}
        self._processes[name] = process
        order = self._order
        return {
            "do": messages.WORK,
            "argv": list(order.argv),
            "environment": dict(order.environment),
            "files": dict(order.files),
        }

    def _has_room(self, name: str) -> bool:
        """Is there room for a worker? Those that the run knows come first."""
        reserved = () if self._waited_s > SPARE_S else self._order.expected
        return len({*self._processes, *reserved, name}) <= self._order.count

    def _arrive(self, msg: Message, **_: Any) -> None:
        name = msg.data["name"]
        if self._processes.get(name) == msg.data["process"]:
            self._here[name] = msg.node_id
        else:
            # It was given work by the master before this one, and has found this one in its place.
            self._runner.send_message("quit", client_id=msg.node_id)

    def _are_all_here(self) -> bool:
        if lost := self.find_lost():
            raise describe_lost(len(self._processes), "load worker", lost)
        if self._list_others():
            return False  # Locust would give users to them as well
        if len(self._here) == self._order.count:
            return True
        settled = self._waited_s > SETTLE_S and len(self._here) >= self._order.least
        return settled and {*self._order.expected, *self._processes} <= self._here.keys()

    def _miss(self) -> ProcessLostError:
        absent = {*self._order.expected, *self._processes} - self._here.keys()
        missing = dict.fromkeys(absent, "is missing")
        found = ", ".join(sorted(self._here)) or "none"
        who = f"; missing: {', '.join(sorted(missing))}" if missing else ""
        expected = f"expected {self._order.count} load workers within {self._order.wait_s:g} s"
        return ProcessLostError(f"{expected}, found {found}{who}{self._refused}", missing, too_few=True)

    def _list_others(self) -> list[str]:
        """The ids of Locust's workers that are not here as load workers, or not yet."""
        here = set(self._here.values())
        clients = self._runner.clients
        return [client for client in clients if client not in here and clients[client].state != STATE_MISSING]


def describe_lost(processes: int, kind: str, lost: dict[str, str]) -> ProcessLostError:
    """Why a measurement ends: without their share of the load it is not valid."""
    found = " and ".join(f"{kind} {name} {how}" for name, how in lost.items())
    expected = f"expected {processes} load processes to run until the end"
    return ProcessLostError(f"{expected}, found that {found}", lost)
