"""Which cases there are, and why some of them cannot be measured. Pure."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from harness.model.plan import Case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.model.loads import Load
    from harness.model.plan import Selection
    from harness.model.targets import App, Server


def list_cases(selection: Selection, load: Load) -> Iterator[Case]:
    """List every combination in which the scenario supports the protocol."""
    conditions = selection.conditions
    for scenario, protocol in product(selection.scenarios, selection.protocols):
        if protocol in scenario.protocols:
            numbers = conditions.workers, selection.levels(scenario), conditions.distances
            for workers, users, far, app, server in product(*numbers, selection.apps, selection.servers):
                yield Case(
                    *(server.name, app.name, scenario.name, protocol, load, users, conditions.streams, workers),
                    rtt_s=far.rtt_s,
                    loss=far.loss,
                )


def find_obstacle(case: Case, server: Server, app: App, selection: Selection) -> str | None:
    """Say why a case cannot be measured; None if it can."""
    return next(_list_obstacles(case, server, app, selection), None)


def _list_obstacles(case: Case, server: Server, app: App, selection: Selection) -> Iterator[str]:
    """List every reason why a case cannot be measured, the easiest to fix first."""
    for name in (server.name, app.name):
        if name in selection.not_installed:
            yield selection.not_installed[name]
    if app.scenarios is not None and case.scenario not in app.scenarios:
        yield f"{app.name} does not answer {case.scenario}"
    if case.protocol not in server.protocols:
        yield server.unsupported.get(case.protocol, f"{server.name} does not speak {case.protocol}")
    if case.workers > 1 and server.template and not any("{workers}" in word for word in server.template):
        yield f"the command of {server.name} has no {{workers}}, asked for {case.workers}"
    if server.max_workers is not None and case.workers > server.max_workers:
        yield f"{server.name} has at most {server.max_workers} worker, asked for {case.workers}"
    if server.target(app) is None:
        yield f"{server.name} serves WSGI only, and {app.name} has no WSGI callable"
    if server.event_loop == "trio" and app.on_trio is not None and case.scenario not in app.on_trio:
        yield f"{server.name} runs on trio, and {app.name} needs asyncio for {case.scenario}"
