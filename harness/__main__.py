"""The command `harness`: runs a command and reports an error in one line."""

from __future__ import annotations

import os
import signal
import stat
import sys
import traceback
from itertools import pairwise
from typing import TYPE_CHECKING

import typer

from harness.cli import app
from harness.cli.app import BAD_USAGE, describe_error
from harness.cli.terminal import survive_readers
from harness.host import interruption
from harness.host.files import telling_of_full_disks
from harness.model.errors import HarnessError, UsageError
from harness.text.plain import neutralise

if TYPE_CHECKING:
    from types import FrameType

NOTHING_MEASURED = 3
INTERRUPTED = 130
INTERNAL_ERROR = 70
"""This is `EX_SOFTWARE` of sysexits.h; Python's own 1 would mean that a gate was missed."""


def main() -> None:
    """Run the command line and exit with 0, 1, 2, 3, 4, 70 or 130."""
    survive_readers()
    interruption.install()
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # `nohup` has it ignored
        signal.signal(signal.SIGHUP, _hang_up)
    try:
        _check_encoding(sys.argv[1:])
        _check_working_directory()
        with telling_of_full_disks():
            status = app(standalone_mode=False)
    except UsageError as error:
        status = _report_error(str(error), BAD_USAGE)
    except typer.TyperException as error:
        status = _report_error(describe_error(error), BAD_USAGE)
    except HarnessError as error:
        status = _report_error(str(error), NOTHING_MEASURED)
    except (KeyboardInterrupt, typer.Abort):
        status = INTERRUPTED
    except Exception:  # noqa: BLE001 - Python would exit with 1, which means that a gate was missed
        print(neutralise(traceback.format_exc()), file=sys.stderr)
        status = _report_error("internal error; please report it with the traceback above", INTERNAL_ERROR)
    sys.exit(status)


def _hang_up(number: int, frame: FrameType | None) -> None:
    """End a run when its terminal is closed, as on Ctrl-C, and write no more to a terminal that is gone."""
    # The kernel and the shell both send it: a second one must not cut the clean-up short.
    signal.signal(number, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        if stat.S_ISCHR(os.fstat(stream.fileno()).st_mode) and not stream.isatty():
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
    interruption.interrupt(number, frame)


def _check_working_directory() -> None:
    """Raise `UsageError` if it has been removed: files and apps could not be found from it."""
    try:
        os.getcwd()  # noqa: PTH109 - only whether there is one
    except FileNotFoundError:
        raise UsageError("expected a working directory, found that it has been removed; go to another one") from None


def _check_encoding(arguments: list[str]) -> None:
    """Raise `UsageError` for an argument that is not UTF-8: it could not be written to the results."""
    for before, argument in pairwise(["", *arguments]):
        try:
            argument.encode()
        except UnicodeEncodeError:
            own, equals, _ = argument.partition("=")
            name = own if argument.startswith("--") and equals else before if before.startswith("-") else "arguments"
            raise UsageError(f"{name}: expected text in UTF-8, found something else") from None


def _report_error(message: str, status: int) -> int:
    print(f"harness: {' '.join(neutralise(message).split())}", file=sys.stderr)
    return status


if __name__ == "__main__":
    main()
