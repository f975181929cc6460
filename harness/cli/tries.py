"""What the commands share that try servers one by one: the folder of their results, and their exit status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.cli.app import INTERRUPTED, NOTHING_MEASURED
from harness.host import files

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from pathlib import Path

FAULTY = 4
"""Exit status if a check or a drill has a bug; all others were tried."""
NOT_STARTED = 5
"""Exit status if an installed server did not start; all others were tried."""


def name_run(started: datetime) -> str:
    """`2026-11-30T14-05-09`."""
    return f"{started:%Y-%m-%dT%H-%M-%S}"


def make_results_folder(out: Path, started: datetime, command: str, *, private: bool = False) -> Path:
    """Create the folder for the results of a command, before anything is tried."""
    with files.writing(out):
        return files.make_new_folder(out / f"{name_run(started)}-{command}", private=private)


def find_status(outcomes: Collection[str], answers: Collection[str], *, whole: bool) -> int:
    """The exit status: 0 if everything was tried, or else the first of these that applies.

    130: interrupted; 4: a check or a drill has a bug; 5: a server did not start; 3: no outcome is among the `answers`.
    """
    if not whole:
        return INTERRUPTED
    if "error" in outcomes:
        return FAULTY
    if "no-start" in outcomes:
        return NOT_STARTED
    return 0 if set(answers) & set(outcomes) else NOTHING_MEASURED
