"""Commands that run on hosts of tests while the test looks at what they print."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.command import HARNESS
from tests.hosts.namespaces import Host

WITHIN_S = 60.0
"""More than any step of these tests takes on a slow machine."""


class Command:
    """A command whose lines are kept."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def await_line(self, text: str) -> str:
        """Wait for a line with this text."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._find(text), WITHIN_S)
            found = self._find(text)
            assert found, f"expected a line with {text}, found {self.text}"
            return found

    def _find(self, text: str) -> str:
        return next((line for line in self.lines if text in line), "")

    def end(self, within_s: float = WITHIN_S) -> int:
        """Wait for its end; its exit status."""
        status = self.process.wait(within_s)
        self._reader.join(WITHIN_S)
        return status

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@contextmanager
def harness_on(
    host: Host, *arguments: str, cwd: Path, environment: Mapping[str, str] | None = None, before: tuple[str, ...] = ()
) -> Iterator[Command]:
    """Run the command on a host; it is killed at the end of the block, as is all that it has started."""
    process = subprocess.Popen(
        [*host.enter, *before, *HARNESS, *arguments],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield Command(process)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def await_load(host: Host, packets: int = 1000) -> None:
    """Wait until a host has sent so many packets more, which only load is."""
    before, until_s = host.count_packets(), time.monotonic() + WITHIN_S
    while host.count_packets() < before + packets:
        assert time.monotonic() < until_s, f"expected load from {host.name}, found none"
        time.sleep(0.02)
