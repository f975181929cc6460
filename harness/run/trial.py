"""One measurement: start Locust, wait for it and read its results."""

from __future__ import annotations

import math
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness.host import guard, logs, memory, process
from harness.model.errors import LoadError, WorkersLostError
from harness.model.load_workers import LoadFailure, WorkersOrder
from harness.model.plan import Conditions
from harness.model.results import LoadResult
from harness.model.targets import HOST
from harness.run.load_hosts import WAIT_S
from harness.run.workload import list_files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.model.blocks import BlockOrder
    from harness.model.protocols import Protocol
    from harness.run.load_hosts import LoadHosts
    from harness.run.load_process import ForkServer

_LOCUSTFILE = Path(__file__).parents[1] / "load" / "locustfile.py"
_SETTING_UP_S = 30.0
"""Allowed beside the load itself: Locust's start and end."""
_CONNECTING_S = 10.0
"""Allowed for connecting to each candidate."""
_SLOWEST_SLICE = 8
"""The longest slice with lead-in and end, in times of the limit for an answer: 5, 1.5 and 1."""
POLL_S = 0.01
_LACKING = "ModuleNotFoundError"
AUTHORITY = "harness-authority.pem"
"""The file of the authority, in the folder of a load worker on another host."""
_WORKERS = "workers.json"


@dataclass(frozen=True)
class Order:
    """What the load processes of one measurement are told, and where they run."""

    block: BlockOrder
    scenario: Path
    protocol: Protocol
    streams: int
    authority: Path | None
    cpus: frozenset[int]
    log: Path
    processes: int
    """Load processes, beside Locust's master if there are several."""
    fork_server: ForkServer
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables for the Locust file."""
    tags: tuple[str, ...] = ()
    """Only tasks with one of these tags are run; all, if there are none."""
    excluded_tags: tuple[str, ...] = ()
    """Tasks with one of these tags are not run."""
    memory_bytes: int = Conditions.load_memory_bytes
    """The most memory that each load process may use."""
    hosts: LoadHosts | None = None
    """The load workers on other hosts; None if load comes from this one."""

    def argv(self, result: Path) -> tuple[str, ...]:
        """The command that writes its results to this file."""
        # Locust divides users equally among its processes, so each gets as many as the one with most of them needs.
        users = len(self.block.hosts) * self.processes * math.ceil(self.block.users / self.processes)
        return (
            *(sys.executable, "-m", "locust", "-f", f"{_LOCUSTFILE},{self.scenario}"),
            *("--headless", "--only-summary", "--host", self.block.hosts[0]),
            *("--users", str(users), "--spawn-rate", str(users)),
            *("--harness-result", str(result), *self._several(result), *self._engine()),
        )

    def _engine(self) -> tuple[str, ...]:
        """The options that all load processes have, wherever they run."""
        block = msgspec.json.encode(self.block).decode()
        authority = str(self.authority) if self.hosts is None else AUTHORITY
        return (
            *("--loglevel", "WARNING", "--harness-protocol", self.protocol, "--harness-streams", str(self.streams)),
            *(("--harness-authority", authority) if self.authority else ()),
            *("--harness-request-timeout", f"{self.block.request_timeout_s:g}"),
            *("--harness-arrivals-seed", str(self.block.seed)),
            *("--harness-max-body", str(self.block.max_body_bytes)),
            *("--harness-block", block),
            *(("--tags", *self.tags) if self.tags else ()),
            *(("--exclude-tags", *self.excluded_tags) if self.excluded_tags else ()),
        )

    def for_workers(self, hosts: LoadHosts) -> WorkersOrder:
        """What load workers on other hosts are given."""
        beside = self.scenario.parent
        files = {str(path.relative_to(beside)): path.read_bytes() for path in list_files(self.scenario)}
        if self.authority is not None:
            files[AUTHORITY] = self.authority.read_bytes()
        return hosts.make_order(self._engine(), self.environment, files)

    def _several(self, result: Path) -> tuple[str, ...]:
        if self.hosts is not None:
            # Locust begins when the plugin says that all are there, however many these are.
            wait = ("--expect-workers", str(1 << 31), "--harness-workers", str(result.with_name(_WORKERS)))
            return ("--master", *self.hosts.listen(), *wait)
        if self.processes == 1:
            return ()
        port = str(process.free_port(HOST))
        listen = ("--master-bind-host", HOST, "--master-bind-port", port)
        return ("--processes", str(self.processes), *listen, "--master-host", HOST, "--master-port", port)

    @property
    def deadline_s(self) -> float:
        """After how many seconds to give up: more than all slices can take, with lead-ins and unanswered requests."""
        block = self.block
        candidates, turns = len(block.hosts), len(block.turns)
        slices_s = candidates * (_CONNECTING_S + block.warmup_s) + 2 * turns * block.duration_s
        # The verification pass and the warm-up may wait for requests that are never answered and tasks that never end.
        # Where answers take nearly as long as the time limit, a slice with its lead-in and its end is some of these
        # times long.
        answers_s = (4 * candidates + _SLOWEST_SLICE * turns) * block.request_timeout_s
        return slices_s + answers_s + _SETTING_UP_S + (WAIT_S if self.hosts else 0.0)


def run(order: Order) -> list[LoadResult]:
    """Load the candidates as ordered; a result for each turn. Raises `LoadError` if there is none.

    Raises `WorkersMissingError` if there were too few load workers before, and none without them is allowed.
    """
    with guard.temporary_folder() as folder:
        result = folder / "result.json"
        if order.hosts is not None:
            order.hosts.require()
            result.with_name(_WORKERS).write_bytes(msgspec.json.encode(order.for_workers(order.hosts)))
        status = _locust(order, order.argv(result), result)
        if not result.exists():
            raise _failed(f"expected a result, found that locust {_describe_end(status)}", order)
        found = msgspec.json.decode(result.read_bytes(), type=list[LoadResult] | LoadFailure)
        if order.hosts is not None:
            order.hosts.note(found)
        if isinstance(found, LoadFailure):
            raise WorkersLostError(found.reason) if order.hosts and found.lost else _failed(found.reason, order)
        return found


def _locust(order: Order, argv: tuple[str, ...], result: Path) -> int | None:
    """Run the command until it has written its result.

    Return its exit status, or None if it was ended: Locust takes half a second to end by itself, with nothing to do.
    """
    with logs.Log(order.log) as log:
        log.open().close()
        with order.fork_server.start(argv, order.cpus, order.log, order.environment) as started:
            began_s = time.monotonic()
            watch = memory.Watch(started.pid, 0 if order.hosts or order.processes == 1 else order.processes)
            while started.poll() is None and not result.exists():
                if time.monotonic() > began_s + order.deadline_s:
                    raise _failed(f"expected a result within {order.deadline_s:.0f} s, found none", order)
                if (excess := watch.find_excess(order.memory_bytes)) is not None:
                    raise _failed(_describe_excess(*excess, order.memory_bytes), order)
                time.sleep(POLL_S)
            return started.poll()


def _describe_excess(pid: int, used_bytes: int, limit_bytes: int) -> str:
    expected = (
        f"expected load processes that use at most {limit_bytes / memory.MEBIBYTE:.0f} MiB of memory (--load-memory)"
    )
    return f"{expected}, found that process {pid} used {used_bytes / memory.MEBIBYTE:.0f} MiB and ended it"


def _describe_end(status: int | None) -> str:
    if status is None or status >= 0:
        return f"ended with status {status}"
    perhaps = ", perhaps for lack of memory" if status == -signal.SIGKILL else ""
    return f"was killed by {signal.Signals(-status).name}{perhaps}"


def _failed(text: str, order: Order) -> LoadError:
    said = logs.quote_reason(order.log)
    where = f"; Locust files run in the harness's environment, {sys.executable}" if _LACKING in said else ""
    return LoadError(f"{text}{said}{where}", logs.tail(order.log))
