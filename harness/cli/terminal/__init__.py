"""All that the commands print. Colours and progress bars appear on a terminal only."""

from harness.cli.terminal.calibration import show_ceiling, show_rate_ratios
from harness.cli.terminal.catalogue import show_catalogue
from harness.cli.terminal.checks import show_check_progress, show_check_run, show_faulty_checks
from harness.cli.terminal.comparison import show_comparison
from harness.cli.terminal.diagnosis import show_checks, show_machine, show_noise
from harness.cli.terminal.drills import show_drill_progress, show_drill_run, show_faulty_drills
from harness.cli.terminal.history import show_history
from harness.cli.terminal.output import find_loss, survive_readers
from harness.cli.terminal.plan import show_plan
from harness.cli.terminal.progress import show_run_progress
from harness.cli.terminal.ranking import show_ranking
from harness.cli.terminal.screen import Screen

__all__ = [
    "Screen",
    "find_loss",
    "show_catalogue",
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
    "show_plan",
    "show_ranking",
    "show_rate_ratios",
    "show_run_progress",
    "survive_readers",
]
