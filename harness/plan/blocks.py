"""The blocks of a round: which servers run together, and what is measured on them, in a random order. Pure."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.model.plan import Block, Candidate, Case, Round, ServerConfig

if TYPE_CHECKING:
    import random
    from collections.abc import Collection, Iterable, Sequence


def make_round(
    possible: Sequence[Case],
    baseline: Candidate,
    together: int,
    duration_s: float,
    shuffle: random.Random,
    *,
    levels_apart: bool = False,
) -> Round:
    """Everything once, in an order of its own: blocks of servers that run together, and what they are measured on.

    Servers that are started alike (workers, TLS) share blocks. Where there are more than fit one block, each block
    holds the reference and its control, and a share of the others. With `levels_apart`, each number of users is
    measured by itself, since custom users do not wait for their turn.
    """
    groups: dict[tuple[int, bool], list[Case]] = {}
    for case in possible:
        groups.setdefault((case.workers, case.config.tls), []).append(case)
    blocks = [
        _make_block(configs, cases, duration_s, shuffle, levels_apart=levels_apart)
        for cases in groups.values()
        for configs in _divide(cases, find_reference(cases, baseline).config, together, shuffle)
    ]
    return tuple(shuffle.sample(blocks, len(blocks)))


def find_reference(cases: Sequence[Case], baseline: Candidate) -> Case:
    """The case that every block of a comparison holds: the baseline's, or the first where that is not measured."""
    return next((case for case in cases if case.candidate == baseline), cases[0])


def keep_cases(blocks: Iterable[Block], wanted: Collection[Case]) -> Round:
    """Reduce a round to the measurements with wanted cases, and the servers that they need."""
    found = []
    for block in blocks:
        kept = ((case for case in cases if case in wanted) for cases in block.measurements)
        measurements = tuple(cases for cases in map(tuple, kept) if cases)
        needed = {case.config for cases in measurements for case in cases}
        if measurements:
            found.append(
                replace(block, configs=tuple(filter(needed.__contains__, block.configs)), measurements=measurements)
            )
    return tuple(found)


def separate(blocks: Round, alone: Collection[ServerConfig]) -> Round:
    """Give these servers blocks of their own, after the others."""
    if not alone:
        return blocks
    every = {case for block in blocks for cases in block.measurements for case in cases}
    together = keep_cases(blocks, {case for case in every if case.config not in alone})
    apart = [keep_cases(blocks, {case for case in every if case.config == config}) for config in alone]
    return (*together, *(block for own in apart for block in own))


def _divide(
    cases: Sequence[Case], reference: ServerConfig, together: int, shuffle: random.Random
) -> list[list[ServerConfig]]:
    """Distribute servers over blocks, as evenly as possible; of two apps, a server has both in one block."""
    configs = list(dict.fromkeys(case.config for case in cases))
    if len(configs) <= together:
        return [configs]
    compared_with = (reference, replace(reference, control=True))
    # Each block needs a place for one of the others.
    common = [each for each in compared_with if each in configs][: together - 1]
    others = [each for each in configs if each not in common]
    room = together - len(common)
    in_pairs = room > 1 and len({each.app for each in configs}) == 2  # noqa: PLR2004
    groups: dict[object, list[ServerConfig]] = {}
    for each in others:
        groups.setdefault(each.server if in_pairs else each, []).append(each)
    every = list(groups.values())
    shuffled = shuffle.sample(every, len(every))
    count = math.ceil(len(others) / room)
    while max(map(len, blocks := _deal(shuffled, count))) > room:
        count += 1
    return [[*common, *own] for own in blocks]


def _deal(groups: Iterable[Sequence[ServerConfig]], count: int) -> list[list[ServerConfig]]:
    """Put each group into the block that has the fewest."""
    blocks: list[list[ServerConfig]] = [[] for _ in range(count)]
    for group in groups:
        min(blocks, key=len).extend(group)
    return blocks


def _make_block(
    configs: list[ServerConfig],
    cases: Sequence[Case],
    duration_s: float,
    shuffle: random.Random,
    *,
    levels_apart: bool,
) -> Block:
    """The block of these servers, with everything that can be measured on them in a random order."""
    measurements: dict[object, list[Case]] = {}
    for case in cases:
        if case.config in configs:
            # Users and rates take turns too; the generator's processes are the same for all.
            level = case.users if levels_apart else None
            alike = case.scenario, case.protocol, case.streams, case.distance, level
            measurements.setdefault(alike, []).append(case)
    own = [tuple(each) for each in measurements.values()]
    ordered = tuple(shuffle.sample(own, len(own)))
    return Block(tuple(shuffle.sample(configs, len(configs))), ordered, duration_s)
