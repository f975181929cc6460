"""The command within the process of the tests."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.__main__ import main
from tests.command import Command, Done


@pytest.fixture
def harness_here(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Call the command within this process: for what starts no others, importing the harness is most of the time."""
    before = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)}

    def run(*arguments: str, cwd: Path) -> Done:
        monkeypatch.chdir(cwd)
        monkeypatch.setattr(sys, "argv", ["harness", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        sys.stdout.flush()
        return Done(int(end.value.code or 0), *capfd.readouterr())

    for name in ("stdout", "stderr"):  # the command replaces them
        monkeypatch.setattr(sys, name, getattr(sys, name))
    yield run
    for number, handler in before.items():
        signal.signal(number, handler)
