"""From a selection to all that will be done: cases, exclusions, a seeded order, an estimate. Pure."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

from harness.model.loads import SWEEP_COMMON_LEAST, SWEEP_OWN_SHARES, Capacity, Load, Rate, Saturate, Sweep
from harness.model.plan import Candidate, Case, Exclusion, Plan, PlannedStart, Round, Selection, ServerConfig

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from harness.model.targets import App, Server

_LIFE_S = 1.0
"""Start, readiness and stop of a server, seen over the catalogue's."""
_TRIAL_S = 1.0
"""Start of the generator, the pass before the window and the end, beside warm-up and window."""
_SEARCH_TRIALS = 10
"""Trials of a search for a capacity: three doublings, four bisections and a confirmation or two."""
_SWEEP_TRIALS = 12
"""Trials of a sweep: its own shares, and about half of the common rates."""


def make_plan(selection: Selection) -> Plan:
    """The same selection gives the same plan; the seed orders it.

    A sweep is planned in two steps, as its rates depend on what the servers reach: its plan is that of rounds in a
    closed loop, and `swept` makes the rounds that follow. The estimate is that of both.
    """
    possible: list[Case] = []
    exclusions: list[Exclusion] = []
    conditions = selection.conditions
    servers = {server.name: server for server in selection.servers}
    apps = {app.name: app for app in selection.apps}
    sweep = isinstance(conditions.load, Sweep)
    for case in cases(selection, Saturate() if sweep else conditions.load):
        reason = why_not(case, servers[case.server], apps[case.app], selection)
        if reason is None:
            possible.append(case)
        else:
            exclusions.append(Exclusion(case, reason))
    shuffle = random.Random(conditions.seed)  # noqa: S311 - an order to be repeated, no secret
    rounds = tuple(one_round(possible, shuffle) for _ in range(conditions.rounds))
    adaptive = conditions.precision is not None and not sweep
    more = range(conditions.rounds, conditions.max_rounds) if adaptive else ()
    further = tuple(one_round(possible, shuffle) for _ in more)
    return Plan(rounds, tuple(exclusions), estimate_s(rounds, selection), further)


def swept(selection: Selection, reached_rps: Mapping[Case, float]) -> tuple[Round, ...]:
    """The rounds of a sweep, given the rate that each case reached in a closed loop."""
    rates = {case: _own_rates(rps) | _common_rates(case, rps, reached_rps) for case, rps in reached_rps.items()}
    possible = [replace(case, load=Rate(rps)) for case, own in rates.items() for rps in sorted(own)]
    shuffle = random.Random(selection.conditions.seed)  # noqa: S311 - an order to be repeated, no secret
    return tuple(one_round(possible, shuffle) for _ in range(selection.conditions.rounds))


def only(starts: Iterable[PlannedStart], wanted: Collection[Case]) -> Round:
    """What is left of a round when only these cases are to be measured."""
    left = ((start.config, tuple(case for case in start.cases if case in wanted)) for start in starts)
    return tuple(PlannedStart(life, own) for life, own in left if own)


def cases(selection: Selection, load: Load) -> Iterator[Case]:
    """Every combination that makes sense: a scenario is measured only over protocols that it can speak."""
    conditions = selection.conditions
    candidates = [Candidate(server.name, app.name) for app, server in product(selection.apps, selection.servers)]
    if conditions.control:
        candidates.append(replace(selection.baseline, control=True))
    for scenario, protocol in product(selection.scenarios, selection.protocols):
        if protocol in scenario.protocols:
            for workers, candidate in product(conditions.workers, candidates):
                yield Case(
                    candidate.server,
                    candidate.app,
                    scenario.name,
                    protocol,
                    load,
                    conditions.users,
                    conditions.streams,
                    workers,
                    candidate.control,
                )


def why_not(case: Case, server: Server, app: App, selection: Selection) -> str | None:
    """Why a case cannot be measured; None when it can."""
    return next(_obstacles(case, server, app, selection), None)


def _obstacles(case: Case, server: Server, app: App, selection: Selection) -> Iterator[str]:
    """All that keeps a case from being measured, what is easiest to change first."""
    for name in (server.name, app.name):
        if name in selection.not_installed:
            yield selection.not_installed[name]
    if app.scenarios is not None and case.scenario not in app.scenarios:
        yield f"{app.name} does not answer {case.scenario}"
    if case.protocol not in server.protocols:
        yield server.unsupported.get(case.protocol, f"{server.name} does not speak {case.protocol}")
    if server.max_workers is not None and case.workers > server.max_workers:
        yield f"{server.name} has no more than {server.max_workers} worker, asked for {case.workers}"
    if server.target(app) is None:
        yield f"{server.name} serves WSGI only, and {app.name} has no WSGI twin"
    if server.event_loop == "trio" and app.on_trio is not None and case.scenario not in app.on_trio:
        yield f"{server.name} runs on trio, and {app.name} needs asyncio for {case.scenario}"


def one_round(possible: list[Case], shuffle: random.Random) -> Round:
    """Each life once, in a new order, and within it each of its cases once, in a new order."""
    starts: dict[ServerConfig, list[Case]] = {}
    for case in possible:
        starts.setdefault(case.config, []).append(case)
    return tuple(
        PlannedStart(life, tuple(shuffle.sample(starts[life], len(starts[life]))))
        for life in shuffle.sample(list(starts), len(starts))
    )


def estimate_s(rounds: tuple[Round, ...], selection: Selection) -> float:
    """How long a run will take, in seconds; with a precision to reach, the least."""
    trial_s = _TRIAL_S + selection.conditions.warmup_s + selection.conditions.duration_s
    trials = _SEARCH_TRIALS if isinstance(selection.conditions.load, Capacity) else 1
    if isinstance(selection.conditions.load, Sweep):
        trials += _SWEEP_TRIALS
    return sum(_LIFE_S + len(start.cases) * trials * trial_s for starts in rounds for start in starts)


def _own_rates(reached_rps: float) -> set[float]:
    return {max(1.0, float(round(share * reached_rps))) for share in SWEEP_OWN_SHARES}


def _common_rates(case: Case, own_rps: float, reached_rps: Mapping[Case, float]) -> set[float]:
    """Rates from the 1-2-5 series that the candidates of a comparison share, up to what this one reached."""
    rivals = [rps for other, rps in reached_rps.items() if other.comparison == case.comparison]
    lowest, highest = SWEEP_COMMON_LEAST * min(rivals), min(own_rps, max(rivals))
    decades = range(math.floor(math.log10(lowest)), math.ceil(math.log10(highest)) + 1)
    series = (factor * 10.0**decade for decade in decades for factor in (1, 2, 5))
    return {rps for rps in series if lowest <= rps <= highest}
