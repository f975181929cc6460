"""Runs suites beside our checks, on servers that are started as for the checks."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from harness.check.suites import autobahn, h2spec
from harness.check.suites.model import SuiteRun, compare
from harness.check.target import without_path
from harness.host import guard
from harness.model.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from harness.check.runner import Runner
    from harness.check.suites.model import Suite
    from harness.check.target import Launcher
    from harness.model.protocols import Protocol
    from harness.model.targets import Server

SUITES: dict[str, Suite] = {suite.name: suite for suite in (h2spec.SUITE, autobahn.SUITE)}
LIMIT_S = 900.0
"""A suite that takes longer is ended: Autobahn's cases of compression take minutes on slow servers."""


def find_program(suite: Suite) -> str | None:
    """The program that runs a suite, on the PATH or beside the interpreter; None if there is none."""
    beside = str(Path(sys.executable).parent)
    found = (shutil.which(name) or shutil.which(name, path=beside) for name in suite.programs)
    return next(filter(None, found), None)


def run_suites(
    suites: Sequence[Suite], runner: Runner, launcher: Launcher, say: Callable[[str], None]
) -> Iterator[SuiteRun]:
    """Run each suite that is installed on each server that speaks one of its protocols, beside the runner's entries."""
    for suite in suites:
        program = find_program(suite)
        if program is None:
            say(f"{suite.name} is not installed: {suite.source}")
            continue
        for server in runner.servers:
            spoken = next((each for each in suite.protocols if each in {*runner.protocols} & server.protocols), None)
            if spoken is not None and server.name not in runner.not_installed:
                say(f"{suite.name} on {server.name} …")
                yield _run(suite, program, server, spoken, launcher, runner)


def _run(
    suite: Suite,
    program: str,
    server: Server,
    protocol: Protocol,
    launcher: Launcher,
    runner: Runner,
) -> SuiteRun:
    name = Path(program).name
    entries = [each for each in runner.entries if (each.server, each.protocol) == (server.name, protocol)]
    try:
        with launcher.serving(server, protocol) as started, guard.temporary_folder() as folder:
            output = _carry_out(suite.command(program, started, folder), folder)
            try:
                cases = suite.read(folder)
            except (OSError, ValueError, LookupError) as error:
                raise ServerError(f"expected a report of {name}, found {error}; it said: {output}") from error
    except ServerError as error:
        return SuiteRun(suite.name, name, server.name, protocol, 0, (), (), without_path(error))
    failures = tuple(case for case in cases if not case.passed)
    disagreements = compare(suite, cases, entries, runner.checks)
    return SuiteRun(suite.name, name, server.name, protocol, len(cases), failures, disagreements)


def _carry_out(command: list[str], folder: Path) -> str:
    """Run a program to its end, or for `LIMIT_S`; returns the last line that it wrote."""
    with (folder / "output.log").open("w+b") as output:
        try:
            subprocess.run(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, timeout=LIMIT_S, check=False)
        except subprocess.TimeoutExpired:
            return f"nothing more within {LIMIT_S:g} s"
        output.seek(0)
        lines = output.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "nothing"
