"""The command `harness`: runs a verb, and says faults in one line."""

from __future__ import annotations

import signal
import sys
import traceback
from typing import TYPE_CHECKING

import typer

from harness.cli import app
from harness.model.errors import HarnessError, UsageError

if TYPE_CHECKING:
    from types import FrameType

BAD_USAGE = 2
FAULT = 3
INTERRUPTED = 130
DEFECT = 70
"""A fault of the program itself; `EX_SOFTWARE` of sysexits.h, as 1 says that a gate was missed."""


def main() -> None:
    """Run the command line; the exit status is that of the design: 0, 1, 2, 3, 4, 70 or 130."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        status = app(standalone_mode=False)
    except UsageError as error:
        status = _complain(str(error), BAD_USAGE)
    except typer.TyperException as error:
        status = _complain(error.format_message(), BAD_USAGE)
    except HarnessError as error:
        status = _complain(str(error), FAULT)
    except (KeyboardInterrupt, typer.Abort):
        status = INTERRUPTED
    except Exception:  # noqa: BLE001 - whatever it is, it is not what 1 stands for
        traceback.print_exc()
        status = _complain("a fault of its own, which should not be; please report it with what stands above", DEFECT)
    sys.exit(status)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM ends a run as Ctrl-C does: servers stopped, records kept."""
    raise KeyboardInterrupt


def _complain(message: str, status: int) -> int:
    print(f"harness: {message}", file=sys.stderr)
    return status


if __name__ == "__main__":
    main()
