"""Processes that drills start beside servers: each runs a module of this room, and gets a line of JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from harness.host import guard

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PACKAGES = Path(__file__).parents[2]


class Child(NamedTuple):
    """A process with pipes to its standard streams."""

    process: subprocess.Popen[bytes]
    input: IO[bytes]
    output: IO[bytes]

    def last_words(self) -> str:
        """Kill the process; the last line that it wrote to stderr."""
        self.process.kill()
        _, errors = self.process.communicate()
        lines = errors.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "that it ended"


@contextmanager
def running(module: str, specification: Mapping[str, Any], token: str) -> Iterator[Child]:
    """A process of a module, told its specification; killed at the end of the block."""
    path = os.pathsep.join([str(_PACKAGES), *filter(None, [os.environ.get("PYTHONPATH")])])
    with subprocess.Popen(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path, guard.VARIABLE: token},
        start_new_session=True,  # Ctrl-C is meant for the harness alone
    ) as process:
        try:
            assert process.stdin is not None  # noqa: S101 - for mypy
            assert process.stdout is not None  # noqa: S101
            process.stdin.write(json.dumps(specification).encode() + b"\n")
            process.stdin.flush()
            yield Child(process, process.stdin, process.stdout)
        finally:
            process.kill()
