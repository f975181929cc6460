"""From a selection to all that will be done: cases, exclusions, a seeded order, an estimate. Pure."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from harness.model import Case, Exclusion, Life, Plan, Selection, Server, Stint

if TYPE_CHECKING:
    from collections.abc import Iterator

_LIFE_S = 1.0
"""Start, readiness and stop of a server, seen over the catalogue's."""
_TRIAL_S = 1.0
"""Start of the generator, the pass before the window and the end, beside warm-up and window."""


def make_plan(selection: Selection) -> Plan:
    """The same selection gives the same plan; the seed orders it."""
    possible: list[Case] = []
    exclusions: list[Exclusion] = []
    by_name = {server.name: server for server in selection.servers}
    for case in cases(selection):
        reason = why_not(case, by_name[case.server], selection)
        if reason is None:
            possible.append(case)
        else:
            exclusions.append(Exclusion(case, reason))
    shuffle = random.Random(selection.seed)  # noqa: S311 - an order to be repeated, no secret
    rounds = tuple(one_round(possible, shuffle) for _ in range(selection.rounds))
    return Plan(rounds, tuple(exclusions), estimate_s(rounds, selection))


def cases(selection: Selection) -> Iterator[Case]:
    """Every combination that makes sense to ask for: a scenario is asked only in protocols that it can speak."""
    for scenario in selection.scenarios:
        for protocol in selection.protocols:
            if protocol not in scenario.protocols:
                continue
            for app in selection.apps:
                for server in selection.servers:
                    yield Case(
                        server.name,
                        app.name,
                        scenario.name,
                        protocol,
                        selection.load,
                        selection.users,
                        selection.streams,
                        selection.workers,
                    )


def why_not(case: Case, server: Server, selection: Selection) -> str | None:
    """Why a case cannot be measured; None when it can."""
    if server.name in selection.not_installed:
        return selection.not_installed[server.name]
    if case.protocol not in server.protocols:
        return server.unsupported.get(case.protocol, f"{server.name} does not speak {case.protocol}")
    if server.max_workers is not None and case.workers > server.max_workers:
        return f"{server.name} has no more than {server.max_workers} worker, asked for {case.workers}"
    return None


def one_round(possible: list[Case], shuffle: random.Random) -> tuple[Stint, ...]:
    """Each life once, in a new order, and within it each of its cases once, in a new order."""
    lives: dict[Life, list[Case]] = {}
    for case in possible:
        lives.setdefault(case.life, []).append(case)
    return tuple(
        Stint(life, tuple(shuffle.sample(lives[life], len(lives[life]))))
        for life in shuffle.sample(list(lives), len(lives))
    )


def estimate_s(rounds: tuple[tuple[Stint, ...], ...], selection: Selection) -> float:
    """How long a run will take, in seconds."""
    trial_s = _TRIAL_S + selection.warmup_s + selection.duration_s
    return sum(_LIFE_S + len(stint.cases) * trial_s for stints in rounds for stint in stints)
