"""Starts load processes: asks the fork server of the run, which has imported Locust already, for each of them."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

from harness.host import cgroups, guard, inherited, logs
from harness.model.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import IO


class ForkServer:
    """Starts load processes, one at a time, that carry a token in their environment; `harness/load/fork_server.py`.

    Its own process is started for the first of them, and once more if it has ended since. It ends with this object's
    block, and with this process, whose end closes its standard input.
    """

    def __init__(self, token: str) -> None:
        self._token = token
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    @contextmanager
    def start(
        self, argv: Sequence[str], cpus: frozenset[int], log: Path, environment: Mapping[str, str]
    ) -> Iterator[LoadProcess]:
        """Run a command, `python -m locust …`, on these CPUs as long as the block lasts; nothing of it is left.

        `log` is where it writes, `environment` are variables that it has beside those of the fork server. Raises
        `LoadError` if it does not start.
        """
        told = {"argv": argv[2:], "cpus": sorted(cpus), "log": str(log), "environment": dict(environment)}
        order = json.dumps(told).encode() + b"\n"
        started = self._fork(order, log) or self._fork(order, log)
        if started is None:
            raise LoadError("expected a process that imports Locust, found that it has ended")
        try:
            yield started
        finally:
            started.end()

    def _fork(self, order: bytes, log: Path) -> LoadProcess | None:
        """None if the fork server has ended, before or meanwhile."""
        orders, answers = self._connect(log)
        with suppress(BrokenPipeError):
            orders.write(order)
        pid = _read_number(answers)
        if pid is None:
            self._end()
            return None
        return LoadProcess(pid, answers)

    def _connect(self, log: Path) -> tuple[IO[bytes], IO[bytes]]:
        """The pipes of the fork server, which is started if there is none."""
        if self._process is None:
            environment = {**inherited.clean(os.environ), **cgroups.tell_load(), guard.VARIABLE: self._token}
            with logs.Log(log).open() as stderr:
                self._process = subprocess.Popen(
                    (sys.executable, "-m", "harness.load.fork_server"),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    env=environment,
                    start_new_session=True,
                    bufsize=0,
                )
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        return self._process.stdin, self._process.stdout

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


class LoadProcess:
    """A process that runs Locust, and leads a process group."""

    def __init__(self, pid: int, answers: IO[bytes]) -> None:
        self.pid = pid
        self._answers = answers
        self._status: int | None = None

    def poll(self) -> int | None:
        """Its exit status once it has ended, negative for a signal."""
        ready, _, _ = select.select([self._answers], [], [], 0.0)
        if self._status is None and ready:
            self._await_end()
        return self._status

    def end(self) -> None:
        """Kill its group and wait for its end."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        if self._status is None:
            self._await_end()

    def _await_end(self) -> None:
        status = _read_number(self._answers)
        # Without a status, the fork server itself was killed.
        self._status = -signal.SIGKILL if status is None else status


def _read_number(answers: IO[bytes]) -> int | None:
    """The number in the next line; None at the end of the file."""
    line = answers.readline()
    return int(line) if line else None
