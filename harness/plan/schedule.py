"""From a selection to a plan: cases, exclusions, a seeded order and an estimate. Pure."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from harness.model.errors import UsageError
from harness.model.loads import (
    LEAST_RPS,
    SWEEP_COMMON_LEAST,
    SWEEP_OWN_SHARES,
    Capacity,
    Rate,
    Saturate,
    Sweep,
)
from harness.model.plan import (
    REFERENCE_APP,
    TOGETHER,
    Candidate,
    Case,
    Exclusion,
    Plan,
    Round,
    Selection,
)
from harness.plan.blocks import find_reference, make_round
from harness.plan.cases import find_obstacle, list_cases

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.model.plan import Comparison, Reference
    from harness.model.targets import App, Server

MOST_CASES = 100_000
"""A run measures at most this many cases in all of its rounds; that takes days."""
_START_S = 0.25
"""A server takes about this long until it answers."""
_STOP_S = 0.4
"""The servers of a block take about this long to stop, all at the same time."""
_MEASUREMENT_S = 1.0
"""The load processes of a measurement take about this long to start and to end."""
_CONNECTION_S = 0.003
"""A user takes about this long to connect."""
_ROUND_TRIPS = 10
"""Connecting, the pass before everything and the warm-up of a candidate take about so many round trips of the link."""
_TURN = 1.2
"""A slice takes about this much longer than its counted time, for the lead-in and what is in flight at its end."""
_SEARCH_TRIALS = 10
"""A search has about this many trials: three doublings, four bisections and a few confirmations."""
_SWEEP_TRIALS = 12
"""A sweep has about this many trials after the closed loop: those at own rates and about half of the common rates."""
_ASIDE_FROM_ROUNDS = 3
"""In fewer rounds nothing can be said about how much the server matters, so it is not measured unless asked for."""
_ASIDE_SHARE, _ASIDE_MOST_S = 1 / 3, 600.0
"""It is measured if it adds at most this share to the time of a run, or if the run stays as short as this."""
_REFERENCE_ROUNDS, _REFERENCE_DURATION_S = 5, 0.5
"""The reference app answers so fast that this is enough for a narrow interval of its CPU time."""
_HALF_RATE_ROUNDS = 3
"""Of the rounds at half of the slowest server's rate."""


def make_plan(selection: Selection) -> Plan:
    """Plan a run; the same selection gives the same plan, in an order fixed by the seed.

    A sweep is planned in two steps, since its rates depend on what the servers reach in a closed loop: the plan has the
    rounds in a closed loop, and `plan_sweep` makes those that follow. The estimate includes both. So it is with what
    tells how much the server matters (`plan_half_rate`).
    Raises `UsageError` for more than `MOST_CASES`.
    """
    possible: list[Case] = []
    exclusions: list[Exclusion] = []
    conditions = selection.conditions
    _check_size(selection)
    servers = {server.name: server for server in selection.servers}
    apps = {app.name: app for app in selection.apps}
    sweep = isinstance(conditions.load, Sweep)
    for case in list_cases(selection, Saturate() if sweep else conditions.load):
        reason = find_obstacle(case, servers[case.server], apps[case.app], selection)
        if reason is None:
            possible.append(case)
        else:
            exclusions.append(Exclusion(case, reason))
    if conditions.control:
        possible += add_controls(possible, selection.baseline)
    shuffle = random.Random(conditions.seed)  # noqa: S311 - a reproducible order, not a secret
    together = count_together(selection)
    duration_s = conditions.duration_s
    baseline = selection.baseline
    levels_apart = _has_custom_users(selection)

    def make(number: range) -> tuple[Round, ...]:
        return tuple(
            make_round(possible, baseline, together, duration_s, shuffle, levels_apart=levels_apart) for _ in number
        )

    rounds = make(range(conditions.rounds))
    adaptive = conditions.precision is not None and not sweep
    more = range(conditions.rounds, conditions.max_rounds) if adaptive else range(0)
    plan = Plan(rounds, tuple(exclusions), estimate_duration_s(rounds, selection), make(more))
    return plan if selection.reference is None else _add_aside(plan, possible, selection, selection.reference)


def _add_aside(plan: Plan, possible: Sequence[Case], selection: Selection, reference: Reference) -> Plan:
    """Add what tells how much the server matters, if it is asked for or time allows: with the most users only.

    That is the reference app under the same servers, in the first rounds of the plan, and the apps at half of the
    slowest server's rate, in rounds of their own after all others.
    """
    conditions = selection.conditions
    shuffle = random.Random(conditions.seed)  # noqa: S311 - a reproducible order, not a secret
    near = min(conditions.rtt_s)
    most = {scenario.name: max(selection.levels(scenario)) for scenario in selection.scenarios}
    compared = [
        case for case in possible if not case.control and case.users == most[case.scenario] and case.rtt_s == near
    ]
    references = list_reference_cases(compared, selection, reference)
    duration_s = min(conditions.duration_s, _REFERENCE_DURATION_S)
    first = references[0].candidate if references else selection.baseline
    asides = [
        make_round(references, first, count_together(selection), duration_s, shuffle)
        for _ in plan.rounds[:_REFERENCE_ROUNDS]
    ]
    closed = isinstance(conditions.load, Saturate) and not _has_custom_users(selection)
    at_half_rate = tuple(compared) if closed else ()
    half_rate_rounds = min(len(plan.rounds), _HALF_RATE_ROUNDS) if at_half_rate else 0
    half = [_make_half_rate_round(at_half_rate, selection, shuffle)] * half_rate_rounds
    aside_s = estimate_duration_s([*asides, *half], selection)
    short = aside_s <= _ASIDE_SHARE * plan.estimate_s or aside_s + plan.estimate_s <= _ASIDE_MOST_S
    if not reference.always and (len(plan.rounds) < _ASIDE_FROM_ROUNDS or not short):
        return replace(plan, aside_s=aside_s)
    rounds = tuple((*own, *aside) for own, aside in zip_longest(plan.rounds, asides, fillvalue=()))
    return replace(
        plan,
        rounds=rounds,
        estimate_s=plan.estimate_s + aside_s,
        at_half_rate=at_half_rate,
        half_rate_rounds=half_rate_rounds,
        aside_s=aside_s,
    )


def list_reference_cases(compared: Iterable[Case], selection: Selection, reference: Reference) -> list[Case]:
    """The reference app under each server that is started with an app of its own choice, as each case is measured."""
    servers = {server.name: server for server in selection.servers}
    scenarios = {protocol: scenario for scenario in reversed(reference.scenarios) for protocol in scenario.protocols}
    return list(
        dict.fromkeys(
            replace(case, app=REFERENCE_APP, scenario=scenarios[case.protocol].name, aside=True)
            for case in compared
            if case.protocol in scenarios and _can_serve(servers[case.server], reference.app)
        )
    )


def _can_serve(server: Server, app: App) -> bool:
    """Can it be started with this app? A command without `{target}` names its app itself."""
    named = not server.template or any("{target}" in word for word in server.template)
    return server.runs_at is None and named and server.target(app) is not None


def plan_half_rate(plan: Plan, selection: Selection, reached_rps: Mapping[Case, float]) -> tuple[Round, ...]:
    """Plan the rounds at half of the rate in requests/s that the slowest case of each comparison reached."""
    by_comparison: dict[Comparison, dict[Case, float]] = {}
    for case in plan.at_half_rate:
        if case in reached_rps:
            by_comparison.setdefault(case.comparison, {})[case] = reached_rps[case]
    cases = [
        replace(case, load=Rate(float(f"{max(LEAST_RPS, min(rates.values()) / 2):.3g}")), aside=True)
        for rates in by_comparison.values()
        for case in rates
    ]
    shuffle = random.Random(selection.conditions.seed)  # noqa: S311 - a reproducible order, not a secret
    return tuple(_make_half_rate_round(cases, selection, shuffle) for _ in range(plan.half_rate_rounds if cases else 0))


def _make_half_rate_round(cases: Sequence[Case], selection: Selection, shuffle: random.Random) -> Round:
    conditions = selection.conditions
    return make_round(cases, selection.baseline, count_together(selection), conditions.duration_s, shuffle)


def _check_size(selection: Selection) -> None:
    """Raise `UsageError` for a run that would never end."""
    conditions = selection.conditions
    rounds = conditions.max_rounds if conditions.precision is not None else conditions.rounds
    every = (selection.servers, selection.apps, selection.scenarios, selection.protocols)
    cases = math.prod(map(len, (*every, conditions.workers, conditions.users, conditions.rtt_s)))
    if cases * rounds > MOST_CASES:
        raise UsageError(
            f"--rounds: expected at most {MOST_CASES} measurements, of every server, app, scenario, protocol and "
            f"number of workers, users and round-trip time in every round; found {cases} in each of {rounds} rounds"
        )


def plan_sweep(selection: Selection, reached_rps: Mapping[Case, float]) -> tuple[Round, ...]:
    """Plan the open loops of a sweep, given the rate in requests/s that each case reached in a closed loop."""
    rates = {
        case: _list_own_rates(rps) | _list_common_rates(case, rps, reached_rps) for case, rps in reached_rps.items()
    }
    possible = [replace(case, load=Rate(rps)) for case, own in rates.items() for rps in sorted(own)]
    conditions = selection.conditions
    shuffle = random.Random(conditions.seed)  # noqa: S311 - a reproducible order, not a secret
    together = count_together(selection)
    baseline, duration_s = selection.baseline, conditions.duration_s
    return tuple(make_round(possible, baseline, together, duration_s, shuffle) for _ in range(conditions.rounds))


def count_together(selection: Selection) -> int:
    """How many candidates run at the same time.

    Custom Locust users are measured one server at a time, because they cannot be stopped while it is another's turn.
    """
    return 1 if _has_custom_users(selection) else selection.conditions.together or TOGETHER


def _has_custom_users(selection: Selection) -> bool:
    return not all(each.ours for each in selection.scenarios)


def add_controls(possible: Sequence[Case], baseline: Candidate) -> list[Case]:
    """The controls of all comparisons: the baseline again, or where it is not measured, what takes its place."""
    by_comparison: dict[Comparison, list[Case]] = {}
    for case in possible:
        by_comparison.setdefault(case.comparison, []).append(case)
    references = (find_reference(cases, baseline) for cases in by_comparison.values())
    return [replace(case, control=True) for case in references]


def estimate_duration_s(rounds: Sequence[Round], selection: Selection) -> float:
    """Estimate how long a run takes in seconds; with a precision, how long it takes at least."""
    conditions = selection.conditions
    repeats = _SEARCH_TRIALS if isinstance(conditions.load, Capacity) else 1
    if isinstance(conditions.load, Sweep):
        repeats += _SWEEP_TRIALS
    total_s = 0.0
    for block in (block for each in rounds for block in each):
        total_s += _START_S * len(block.configs) + _STOP_S
        for cases in block.measurements:
            connecting_s = max(case.users for case in cases) * _CONNECTION_S
            far_s = _ROUND_TRIPS * cases[0].rtt_s
            once_s = _MEASUREMENT_S + len({case.config for case in cases}) * (
                conditions.warmup_s + connecting_s + far_s
            )
            total_s += repeats * (once_s + len(cases) * block.duration_s * _TURN)
    return total_s


def _list_own_rates(reached_rps: float) -> set[float]:
    return {max(1.0, float(round(share * reached_rps))) for share in SWEEP_OWN_SHARES}


def _list_common_rates(case: Case, own_rps: float, reached_rps: Mapping[Case, float]) -> set[float]:
    """Rates of the 1-2-5 series that are common to the candidates of a comparison, up to what this one reached."""
    rivals = [rps for other, rps in reached_rps.items() if other.comparison == case.comparison]
    lowest, highest = SWEEP_COMMON_LEAST * min(rivals), min(own_rps, max(rivals))
    decades = range(math.floor(math.log10(lowest)), math.ceil(math.log10(highest)) + 1)
    series = (factor * 10.0**decade for decade in decades for factor in (1, 2, 5))
    return {rps for rps in series if lowest <= rps <= highest}
