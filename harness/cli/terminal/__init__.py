"""All that the commands print. Colours and progress bars appear on a terminal only."""

from harness.cli.terminal.calibration import show_ceiling, show_rate_ratios
from harness.cli.terminal.checks import show_check_progress, show_check_run, show_faulty_checks
from harness.cli.terminal.comparison import show_comparison
from harness.cli.terminal.diagnosis import show_checks, show_machine, show_noise
from harness.cli.terminal.drills import show_drill_progress, show_drill_run, show_faulty_drills
from harness.cli.terminal.history import show_history
from harness.cli.terminal.output import find_loss, survive_readers
from harness.cli.terminal.screen import Screen

__all__ = [
    "Screen",
    "find_loss",
    "show_ceiling",
    "show_check_progress",
    "show_check_run",
    "show_checks",
    "show_comparison",
    "show_drill_progress",
    "show_drill_run",
    "show_faulty_checks",
    "show_faulty_drills",
    "show_history",
    "show_machine",
    "show_noise",
    "show_rate_ratios",
    "survive_readers",
]
