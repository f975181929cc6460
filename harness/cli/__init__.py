"""The command line: one file for each command, or for a few that belong together."""

from harness.cli import (
    agent,
    calibrate,
    check,
    compare,
    doctor,
    drill,
    history,
    publish,
    report,
    run,
    serve,
    show,
    timeline,
    worker,
)
from harness.cli.app import app

__all__ = [
    "agent",
    "app",
    "calibrate",
    "check",
    "compare",
    "doctor",
    "drill",
    "history",
    "publish",
    "report",
    "run",
    "serve",
    "show",
    "timeline",
    "worker",
]
