"""Load from other hosts: who takes part before a run, in each of its measurements, and what they hear after it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from harness.host import addresses, guard, inherited
from harness.model.errors import LoadError, WorkersMissingError
from harness.model.load_workers import LoadFailure, LoadWorker, WorkersOrder
from harness.text.numbers import join, plural

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from harness.model.load_workers import WantedWorkers
    from harness.model.results import LoadResult

FIRST_WAIT_S = 600.0
"""How long a run waits for its load workers before it begins."""
WAIT_S = 15.0
"""How long a measurement waits for them: one that is back after an accident needs up to eight seconds."""
HOME_S = 5.0
"""How long load workers may take to hear that the run is over."""


class LoadHosts:
    """The load workers of a run, as its measurements find them."""

    def __init__(self, wanted: WantedWorkers, workers: Sequence[LoadWorker]) -> None:
        self.wanted = wanted
        self.workers = tuple(sorted(workers, key=lambda worker: worker.name))
        """Those that came before the run."""
        self.missing: tuple[str, ...] = ()
        """The names of those that did not take part in the last measurement."""
        self.expected = tuple(worker.name for worker in self.workers)
        """The names of those that the next measurement waits for."""
        self.known = set(self.expected)
        """The names of all that have ever taken part."""
        self._too_few: str | None = None

    def listen(self) -> tuple[str, ...]:
        """The options of Locust's master."""
        return ("--master-bind-host", self.wanted.host, "--master-bind-port", str(self.wanted.port))

    def make_order(
        self, argv: Sequence[str], environment: Mapping[str, str], files: Mapping[str, bytes]
    ) -> WorkersOrder:
        """What the master of the next measurement is told."""
        least = 1 if self.wanted.allow_missing else self.wanted.count
        return WorkersOrder(self.wanted.count, self.expected, least, WAIT_S, tuple(argv), environment, files)

    def require(self) -> None:
        """Raise `WorkersMissingError` if the last measurement had to be left out for lack of load workers."""
        if self._too_few is not None:
            instead = "" if self.wanted.allow_missing else "; --allow-missing-workers goes on with those that are left"
            raise WorkersMissingError(f"{self._too_few}{instead}")

    def note(self, found: Sequence[LoadResult] | LoadFailure) -> None:
        """Remember who took part in a measurement, and who was lost."""
        if isinstance(found, LoadFailure):
            gone = {*self.missing, *found.lost}
            self._too_few = found.reason if found.too_few else None
        else:
            took_part = {name for result in found for name in result.load_workers}
            gone = {*self.expected, *self.missing} - took_part if len(took_part) < self.wanted.count else set()
            self.expected = tuple(sorted(took_part))
            self.known |= took_part
        self.missing = tuple(sorted(gone))
        if self.wanted.allow_missing:
            # They may come back, but nothing waits for them.
            self.expected = tuple(name for name in self.expected if name not in gone)


@contextmanager
def gather(wanted: WantedWorkers | None, token: str, say: Callable[[str], None]) -> Iterator[LoadHosts | None]:
    """Wait for all load workers, and send them home at the end of the block.

    Raises `LoadError` if they do not come, and `UsageError` if another run of this host waits at the same address.
    """
    if wanted is None:
        yield None
        return
    with addresses.reserve(wanted.host, wanted.port, "--listen"), _gather(wanted, token, say) as hosts:
        yield hosts


@contextmanager
def _gather(wanted: WantedWorkers, token: str, say: Callable[[str], None]) -> Iterator[LoadHosts]:
    found: list[LoadWorker] = []
    hosts: LoadHosts | None = None
    try:
        _call_roll(wanted, token, say, found)
        yield (hosts := LoadHosts(wanted, found))
    finally:
        names = hosts.known if hosts else {worker.name for worker in found}
        with _start(wanted, token, HOME_S, count=len(names), names=sorted(names)) as process:
            process.wait()


def _call_roll(wanted: WantedWorkers, token: str, say: Callable[[str], None], found: list[LoadWorker]) -> None:
    many = plural(wanted.count, "load worker")
    say(f"Waiting for {many}: harness worker --master {wanted.master}")
    with _start(wanted, token, FIRST_WAIT_S, count=wanted.count) as process:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        for line in process.stdout:
            told = json.loads(line)
            if "failed" in told:
                raise LoadError(f"--listen: expected to listen on {wanted.master}, found {told['failed']}")
            if "why" in told:
                say(f"! {told['why']}")
                continue
            worker = msgspec.convert(told["worker"], LoadWorker)
            found.append(worker)
            say(f"{worker.name}: {worker.cpu_model}, {plural(worker.cpus, 'CPU')}, {worker.python}")
        status = process.wait()
    if status != 0:
        names = join([worker.name for worker in found]) if found else "none"
        raise LoadError(f"--load-workers: expected {many} within {FIRST_WAIT_S:g} s, found {names}")


@contextmanager
def _start(
    wanted: WantedWorkers, token: str, wait_s: float, count: int, names: list[str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Call the roll in a process of its own, since it imports Locust; it is ended with the block."""
    told = {"host": wanted.host, "port": wanted.port, "count": count, "wait_s": wait_s, "names": names}
    with subprocess.Popen(
        (sys.executable, "-m", "harness.load.roll_call", json.dumps(told)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env={**inherited.clean(os.environ), guard.VARIABLE: token},
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()
