"""Standard output and error that outlive their readers, as in `harness run | head -1`."""

from __future__ import annotations

import io
import os
import sys
from typing import Any

STDOUT, STDERR = 1, 2


class Output(io.FileIO):
    """A stream whose text is dropped from the moment on at which nobody can take it: a closed pipe, a full disk.

    A command then goes on, and ends with the exit status that it would have had.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.lost: str | None = None
        """Why text was dropped; None as long as none was."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data) or 0
        except OSError as error:
            self.lost = error.strerror
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            return len(data)


def survive_readers() -> None:
    """Let standard output and error outlive their readers."""
    for name, descriptor in (("stdout", STDOUT), ("stderr", STDERR)):
        stream = getattr(sys, name)
        if stream is not None:
            at_once = name == "stderr" or stream.isatty()
            buffered = io.BufferedWriter(Output(descriptor))
            setattr(sys, name, io.TextIOWrapper(buffered, stream.encoding, "backslashreplace", None, at_once))


def find_loss() -> str | None:
    """Why text to standard output was dropped; None if none was."""
    output = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return output.lost if isinstance(output, Output) else None
