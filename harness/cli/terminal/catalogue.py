"""The servers, apps and scenarios to choose from, on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.catalog.listing import version_of
from harness.cli.terminal.grids import Column, Grid, Row, order_of_leaving
from harness.model.protocols import PROTOCOLS
from harness.text.numbers import NOTHING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.cli.terminal.screen import Screen
    from harness.model.targets import App, Scenario, Server


def show_catalogue(
    screen: Screen,
    servers: Sequence[Server],
    apps: Sequence[App],
    scenarios: Sequence[Scenario],
    not_installed: Mapping[str, str],
) -> None:
    """Print the servers, apps and scenarios to choose from."""
    rows = []
    for server in servers:
        marks = ["yes" if protocol in server.protocols else NOTHING for protocol in PROTOCOLS]
        version = None if server.name in not_installed else version_of(server)
        rows.append(Row.of(server.name, version or NOTHING, server.interface.upper(), *marks))
    spoken = (Column(protocol, justify="left") for protocol in PROTOCOLS)
    _show_words(screen, "Servers", ("server", "version", "runs"), rows, *spoken)
    rows = []
    for app in apps:
        interfaces = "ASGI" if app.wsgi_target is None else "ASGI, WSGI"
        answers = "all" if app.scenarios is None else ", ".join(sorted(app.scenarios))
        version = None if app.name in not_installed else version_of(app)
        rows.append(Row.of(app.name, version or NOTHING, interfaces, answers))
    _show_words(screen, "\nApps", ("app", "version", "runs", "answers"), rows)
    for name, text in not_installed.items():
        screen.say(f"{name}: {text}")
    rows = [
        Row.of(each.name, ", ".join(one for one in PROTOCOLS if one in each.protocols), each.summary)
        for each in scenarios
    ]
    _show_words(screen, "\nScenarios", ("scenario", "protocols", "what its users do"), rows)
    screen.left_out("a wider terminal shows them")


def _show_words(screen: Screen, title: str, words: Sequence[str], rows: Sequence[Row], *more: Column) -> None:
    """Print a table of words; versions are left out first, and then what is run."""
    leaving = order_of_leaving("version", "runs")
    columns = (*(Column(each, words=True, leaves=leaving.get(each, 0)) for each in words), *more)
    (grid,) = screen.fit([Grid(title, columns, tuple(rows))])
    screen.table(grid)
