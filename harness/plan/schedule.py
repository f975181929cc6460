"""From a selection to a plan: cases, exclusions, a seeded order and an estimate. Pure."""

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

_START_S = 1.0
"""A server start, from exec to the end of the last process, takes about this long without its trials."""
_TRIAL_S = 1.0
"""A trial takes about this long in addition to warm-up and window, for the start and end of the generator."""
_SEARCH_TRIALS = 10
"""A search has about this many trials: three doublings, four bisections and a few confirmations."""
_SWEEP_TRIALS = 12
"""A sweep has about this many trials after the closed loop: those at own rates and about half of the common rates."""


def make_plan(selection: Selection) -> Plan:
    """Plan a run; the same selection gives the same plan, in an order fixed by the seed.

    A sweep is planned in two steps, since its rates depend on what the servers reach in a closed loop: the plan has the
    rounds in a closed loop, and `plan_sweep` makes those that follow. The estimate includes both.
    """
    possible: list[Case] = []
    exclusions: list[Exclusion] = []
    conditions = selection.conditions
    servers = {server.name: server for server in selection.servers}
    apps = {app.name: app for app in selection.apps}
    sweep = isinstance(conditions.load, Sweep)
    for case in list_cases(selection, Saturate() if sweep else conditions.load):
        reason = find_obstacle(case, servers[case.server], apps[case.app], selection)
        if reason is None:
            possible.append(case)
        else:
            exclusions.append(Exclusion(case, reason))
    shuffle = random.Random(conditions.seed)  # noqa: S311 - a reproducible order, not a secret
    rounds = tuple(shuffle_round(possible, shuffle) for _ in range(conditions.rounds))
    adaptive = conditions.precision is not None and not sweep
    more = range(conditions.rounds, conditions.max_rounds) if adaptive else ()
    further = tuple(shuffle_round(possible, shuffle) for _ in more)
    return Plan(rounds, tuple(exclusions), estimate_duration_s(rounds, selection), further)


def plan_sweep(selection: Selection, reached_rps: Mapping[Case, float]) -> tuple[Round, ...]:
    """Plan the open loops of a sweep, given the rate in requests/s that each case reached in a closed loop."""
    rates = {
        case: _list_own_rates(rps) | _list_common_rates(case, rps, reached_rps) for case, rps in reached_rps.items()
    }
    possible = [replace(case, load=Rate(rps)) for case, own in rates.items() for rps in sorted(own)]
    shuffle = random.Random(selection.conditions.seed)  # noqa: S311 - a reproducible order, not a secret
    return tuple(shuffle_round(possible, shuffle) for _ in range(selection.conditions.rounds))


def keep_cases(starts: Iterable[PlannedStart], wanted: Collection[Case]) -> Round:
    """Reduce a round to the wanted cases and the server starts that they need."""
    left = ((start.config, tuple(case for case in start.cases if case in wanted)) for start in starts)
    return tuple(PlannedStart(config, cases) for config, cases in left if cases)


def list_cases(selection: Selection, load: Load) -> Iterator[Case]:
    """List every combination in which the scenario supports the protocol."""
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
    if server.max_workers is not None and case.workers > server.max_workers:
        yield f"{server.name} has at most {server.max_workers} worker, asked for {case.workers}"
    if server.target(app) is None:
        yield f"{server.name} serves WSGI only, and {app.name} has no WSGI callable"
    if server.event_loop == "trio" and app.on_trio is not None and case.scenario not in app.on_trio:
        yield f"{server.name} runs on trio, and {app.name} needs asyncio for {case.scenario}"


def shuffle_round(possible: list[Case], shuffle: random.Random) -> Round:
    """Order the server configurations at random, and within each its cases."""
    starts: dict[ServerConfig, list[Case]] = {}
    for case in possible:
        starts.setdefault(case.config, []).append(case)
    return tuple(
        PlannedStart(config, tuple(shuffle.sample(starts[config], len(starts[config]))))
        for config in shuffle.sample(list(starts), len(starts))
    )


def estimate_duration_s(rounds: tuple[Round, ...], selection: Selection) -> float:
    """Estimate how long a run takes in seconds; with a precision, how long it takes at least."""
    trial_s = _TRIAL_S + selection.conditions.warmup_s + selection.conditions.duration_s
    trials = _SEARCH_TRIALS if isinstance(selection.conditions.load, Capacity) else 1
    if isinstance(selection.conditions.load, Sweep):
        trials += _SWEEP_TRIALS
    return sum(_START_S + len(start.cases) * trials * trial_s for starts in rounds for start in starts)


def _list_own_rates(reached_rps: float) -> set[float]:
    return {max(1.0, float(round(share * reached_rps))) for share in SWEEP_OWN_SHARES}


def _list_common_rates(case: Case, own_rps: float, reached_rps: Mapping[Case, float]) -> set[float]:
    """Rates of the 1-2-5 series that are common to the candidates of a comparison, up to what this one reached."""
    rivals = [rps for other, rps in reached_rps.items() if other.comparison == case.comparison]
    lowest, highest = SWEEP_COMMON_LEAST * min(rivals), min(own_rps, max(rivals))
    decades = range(math.floor(math.log10(lowest)), math.ceil(math.log10(highest)) + 1)
    series = (factor * 10.0**decade for decade in decades for factor in (1, 2, 5))
    return {rps for rps in series if lowest <= rps <= highest}
