"""The command line: one file for each command, or for a few that belong together."""

from harness.cli import calibrate, check, compare, doctor, drill, publish, run, serve, show, worker
from harness.cli.app import app

__all__ = ["app", "calibrate", "check", "compare", "doctor", "drill", "publish", "run", "serve", "show", "worker"]
