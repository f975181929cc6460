"""The command `harness`: runs a command and reports an error in one line."""

from __future__ import annotations

import signal
import sys
import traceback
from typing import TYPE_CHECKING

import typer

from harness.cli import app
from harness.cli.terminal import survive_readers
from harness.host.files import telling_of_full_disks
from harness.model.errors import HarnessError, UsageError
from harness.text.plain import neutralise

if TYPE_CHECKING:
    from types import FrameType

BAD_USAGE = 2
NOTHING_MEASURED = 3
INTERRUPTED = 130
INTERNAL_ERROR = 70
"""This is `EX_SOFTWARE` of sysexits.h; Python's own 1 would mean that a gate was missed."""


def main() -> None:
    """Run the command line and exit with 0, 1, 2, 3, 4, 70 or 130."""
    survive_readers()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with telling_of_full_disks():
            status = app(standalone_mode=False)
    except UsageError as error:
        status = _report_error(str(error), BAD_USAGE)
    except typer.TyperException as error:
        status = _report_error(error.format_message(), BAD_USAGE)
    except HarnessError as error:
        status = _report_error(str(error), NOTHING_MEASURED)
    except (KeyboardInterrupt, typer.Abort):
        status = INTERRUPTED
    except Exception:  # noqa: BLE001 - Python would exit with 1, which means that a gate was missed
        print(neutralise(traceback.format_exc()), file=sys.stderr)
        status = _report_error("internal error; please report it with the traceback above", INTERNAL_ERROR)
    sys.exit(status)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """End a run on SIGTERM as on Ctrl-C: servers are stopped and records kept."""
    raise KeyboardInterrupt


def _report_error(message: str, status: int) -> int:
    print(f"harness: {' '.join(neutralise(message).split())}", file=sys.stderr)
    return status


if __name__ == "__main__":
    main()
