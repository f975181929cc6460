"""`harness timeline`: the last releases of a server, measured against each other in one run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec.structs import replace

from harness.catalog import listing
from harness.catalog.releases import find_releases
from harness.cli.app import app
from harness.cli.options import ConfigFile, hiding_secrets, with_options
from harness.cli.run import carry_out, conclude
from harness.cli.terminal import Screen
from harness.host import cpus, guard, process
from harness.model.errors import ServerError, UsageError
from harness.plan.apps import find_app
from harness.plan.options import list_options, read_settings
from harness.plan.servers import list_servers, make_versions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.model.targets import Server
    from harness.plan.settings import Settings

_CHOSEN = frozenset({"servers", "server", "url", "pid", "cgroup", "allow_remote", "resume"})
"""Options of `harness run` that say what is measured, which is given otherwise here."""
_LEAST = 2


@app.command("timeline")
@with_options("Options of harness run", given=[each for each in list_options() if each.key not in _CHOSEN])
def timeline_(
    server: Annotated[str, typer.Argument(help="A server from `harness list`.", metavar="SERVER")],
    *,
    last: Annotated[int, typer.Option(help="How many releases, at least 2.", metavar="N")] = 6,
    config_file: ConfigFile = None,
    given: dict[str, Any],
) -> None:
    """Measure the last releases of a server against each other in one run.

        harness timeline granian --last 6

    They take turns as any servers do, with the newest as the baseline and its
    control. Each has a virtual environment of its own, which pip makes from the
    package index that it is configured for. Pre-releases and yanked ones are
    left out; one that cannot be installed or started is told, and the others
    are measured.

    Exit status: as of harness run.
    """
    if last < _LEAST:
        raise UsageError(f"--last: expected {_LEAST} or more, found {last}")
    settings = read_settings(given, Path.cwd(), config_file)
    with hiding_secrets(settings):
        found = _find_server(settings, server)
        screen = Screen()
        releases = _make_releases(settings, found, last, screen)
        baseline = settings.baseline or _choose_baseline(settings, releases, screen)
        asked = replace(settings, servers=tuple(each.name for each in releases), baseline=baseline)
        directory, results = carry_out(asked, screen)
    from harness.charts import releases as chart  # noqa: PLC0415 - matplotlib takes 0.4 s, for this command alone

    for line in chart.tell(results.comparisons):
        screen.paragraph(line)
    conclude(directory, results, screen)


def _find_server(settings: Settings, name: str) -> Server:
    """The server; raises `UsageError` for one that has no releases, and for an app of one's own."""
    found = listing.find("server", list_servers(settings), name)
    if found.template or found.runs_at is not None or not found.requires:
        raise UsageError(f"SERVER: expected a server of the catalogue, which has releases, found {name}")
    if settings.app is not None:
        raise UsageError(f"--app: expected an app of the catalogue, by --apps, found {settings.app}")
    return found


def _make_releases(settings: Settings, server: Server, last: int, screen: Screen) -> tuple[Server, ...]:
    """The releases that can be installed, the oldest first; raises `UsageError` for fewer than two."""
    _, python = find_app(settings)
    releases = find_releases(server, last, python)
    for line in releases.left_out:
        screen.say(f"! left out: {line}")
    screen.say(f"Releases of {server.name}: {', '.join(releases.found)}")
    made = make_versions(settings, server, releases.found, screen.say)
    if len(made) < _LEAST:
        raise UsageError(
            f"SERVER: expected {_LEAST} releases of {server.name} that can be installed, found {len(made)}"
        )
    return made


def _choose_baseline(settings: Settings, releases: Sequence[Server], screen: Screen) -> str:
    """The newest release that starts: without a baseline that answers, nothing would have a ratio."""
    chosen, python = find_app(settings)
    with guard.guard() as token, guard.temporary_folder() as folder:
        for each in reversed(releases):
            launch = process.make_launch(each, each.target(chosen) or "", 1, None, python)
            log = folder / f"{each.name}.log"
            try:
                running = process.start(
                    each, chosen, launch, cpus=cpus.available(), log=log, token=token, deadline_s=settings.ready_within
                )
            except ServerError as error:
                screen.say(f"! not the baseline: {str(error).removesuffix(f'; its log is {log}')}")
            else:
                running.stop()
                return each.name
    return releases[-1].name
