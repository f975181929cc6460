"""`harness check`: runs checks on servers, and reports what each server does."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.catalog import listing, packages
from harness.check import junit as check_junit
from harness.check import pages, report
from harness.check.runner import Runner, checks
from harness.check.suites.run import SUITES, run_suites
from harness.check.target import Launcher, command_lines
from harness.cli.app import MISSED_GATE, app
from harness.cli.options import OutFolder, OwnServers, choose_settings, file_option, format_option, with_options
from harness.cli.terminal import Screen, show_check_progress, show_check_run, show_faulty_checks
from harness.cli.tries import FAULTY, find_status, make_results_folder, name_run
from harness.host import certificates, cpus, facts, files, guard, inherited
from harness.model.errors import UsageError
from harness.model.protocols import PROTOCOLS
from harness.plan.options import ABOUT_SERVERS, read_settings
from harness.plan.servers import choose_started_servers, prepare_servers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.check.model import Check
    from harness.check.report import CheckRun
    from harness.check.suites.model import Suite, SuiteRun
    from harness.model.protocols import Protocol
    from harness.model.targets import Server


@app.command("check")
@with_options(given=choose_settings("server"))
def check_(
    *,
    servers: OwnServers = "uvicorn,hypercorn,daphne,granian",
    given: dict[str, Any],
    protocols: Annotated[
        str, typer.Option(help=f"Comma-separated, of {', '.join(PROTOCOLS)}; or all.", metavar="A,B")
    ] = "all",
    checks_: Annotated[
        str, typer.Option("--checks", help="Comma-separated names of checks, or all.", metavar="A,B")
    ] = "all",
    fail_on: Annotated[
        str, typer.Option(help="Exit with 1 if one of these checks fails, or any for all checks.", metavar="A,B")
    ] = "",
    against: Annotated[
        str,
        typer.Option(help=f"Independent suites to run too, if installed: any of {', '.join(SUITES)}.", metavar="A,B"),
    ] = "",
    junit: Annotated[Path | None, file_option("--junit", "Write the results to this file, in JUnit's XML.")] = None,
    out: OutFolder = Path("results"),
    format_: Annotated[str, format_option("text", "json")] = "text",
) -> None:
    """Check what each server does: framing, limits, malformed requests, streaming, disconnects, ASGI, shutdown.

    The exit status is 0 once all checks were tried, also if some failed, unless --fail-on names them. It is not 0 if a
    server does not start.
    """
    settings = read_settings({"servers": servers, **given}, Path.cwd(), only=ABOUT_SERVERS)
    named: Sequence[Server] = choose_started_servers(settings, settings.servers)
    spoken: Sequence[Protocol] = listing.choose("protocols", PROTOCOLS, protocols.split(","))
    asked: Sequence[Check] = listing.choose("checks", checks(), checks_.split(","))
    gating = "all" if fail_on == "any" else fail_on
    gates = {each.name for each in listing.choose("fail-on", asked, gating.split(","))} if fail_on else set()
    suites: Sequence[Suite] = listing.choose("against", tuple(SUITES.values()), against.split(",")) if against else ()
    _demand_checks(spoken, asked, named=protocols != "all")
    # JSON is printed to stdout, so the progress goes to stderr.
    screen = Screen(stderr=format_ == "json")
    chosen, absent = prepare_servers(settings, named, [], sys.executable, screen.say)
    runner = Runner(chosen, spoken, asked, absent, lambda _: None)
    started = datetime.now(UTC)
    folder = make_results_folder(out, started, "check")
    # Servers run in a folder of the probe's, where no files lie.
    kept_out = inherited.list_kept_out(os.environ, [])
    screen.kept_out(kept_out)
    beside: list[SuiteRun] = []
    whole = _run(screen, runner, suites, beside)
    found = _check_run(started, runner, kept_out, tuple(beside), whole=whole)
    with files.writing(out):
        page = pages.write(found, folder)
    if junit is not None:
        files.replace_file(junit, check_junit.render(found).encode())
    if format_ == "json":
        Screen().write(report.encode(found).decode())
    else:
        show_check_run(screen, found, page)
    status = exit_status(found, gates)
    if status == FAULTY:
        show_faulty_checks(Screen(stderr=True), found.results)
    raise typer.Exit(status)


def _demand_checks(protocols: Sequence[Protocol], asked: Sequence[Check], *, named: bool) -> None:
    """Raise `UsageError` if no check uses a protocol that was named, or none uses any of them."""
    silent = [protocol for protocol in protocols if not any(protocol in check.protocols for check in asked)]
    if silent and (named or len(silent) == len(protocols)):
        known = [protocol for protocol in PROTOCOLS if any(protocol in check.protocols for check in asked)]
        raise UsageError(
            f"--protocols: expected any of {', '.join(known)}, over which the chosen checks are tried, "
            f"found {', '.join(silent)}"
        )


def _run(screen: Screen, runner: Runner, suites: Sequence[Suite], beside: list[SuiteRun]) -> bool:
    """Run all checks, then all suites, whose runs are added to `beside`; False if that was interrupted."""
    total = sum(len(runner.jobs(tls=tls)) for _ in runner.servers for tls in (False, True))
    with guard.guard() as token, certificates.issue() as tls:
        launcher = Launcher(sys.executable, tls, token, cpus.available())
        try:
            with show_check_progress(screen, total) as watch:
                runner.watch = watch
                runner.run(launcher)
            for run in run_suites(suites, runner, launcher, screen.say):
                beside.append(run)  # noqa: PERF402 - those before an interruption are kept
        except KeyboardInterrupt:
            return False
    return True


def _check_run(
    started: datetime, runner: Runner, kept_out: tuple[str, ...], suites: tuple[SuiteRun, ...], *, whole: bool
) -> CheckRun:
    installed = {server.name: version for server in runner.servers if (version := listing.version_of(server))}
    commands = {
        server.name: command_lines(server, runner.protocols, sys.executable)
        for server in runner.servers
        if server.name not in runner.not_installed
    }
    python = str(facts.describe_python())
    asked = tuple(report.CheckInfo.of(check) for check in runner.checks)
    return report.CheckRun(
        schema=report.CHECK_SCHEMA,
        id=name_run(started),
        started_at=started.isoformat(timespec="seconds"),
        argv=tuple(sys.argv),
        setting=report.Setting(python, platform.platform(), installed, commands, packages.installed(), kept_out),
        checks=asked,
        results=tuple(runner.entries),
        faults=report.find_faults(asked, runner.entries),
        whole=whole,
        suites=suites,
    )


def exit_status(found: CheckRun, gates: set[str]) -> int:
    """The exit status: 1 if everything was tried and a check failed that --fail-on names, else that of all tries."""
    status = find_status({entry.outcome for entry in found.results}, {"pass", "fail"}, whole=found.whole)
    missed = any(entry.outcome == "fail" and entry.check in gates for entry in found.results)
    return MISSED_GATE if status == 0 and missed else status
