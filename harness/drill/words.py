"""Phrases that several drills use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from harness.text.numbers import count, join, plural, significant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.drill.model import Seen, Tally, Unit

BAD_ENDS = ("reset", "unanswered", "error")


def list_lost(tally: Tally) -> str:
    """`3 reset and 1 unanswered`: the requests that were lost, by how they ended."""
    found = {end: getattr(tally, end) for end in BAD_ENDS}
    return join([f"{count(number)} {end}" for end, number in found.items() if number] or ["none"])


def seconds(value: float) -> str:
    """`0.52 s`, `52 ms`."""
    return f"{significant(value)} s" if value >= 1 else f"{significant(1000 * value)} ms"


def count_times(seen: Seen, noun: str) -> str:
    """`3 stops`: the repetitions, as what they were."""
    return plural(len(seen.observations), noun)


def count_on(kind: Literal["new", "kept"], tally: Tally) -> int:
    """Requests that were reset on connections opened for them, or on those that had brought answers before."""
    return sum(number for detail, number in tally.details.items() if detail.startswith(f"{kind} connection"))


def choose_option(options: Mapping[str, str], family: str) -> str:
    """What a drill knows about this server's options."""
    return options.get(family, f"not known for {family}: see its documentation")


FORMS: Mapping[Unit, Callable[[float], str]] = {
    "s": seconds,
    "ms": lambda value: seconds(value / 1000),
    "bytes": lambda value: f"{significant(value / 1024)} KiB",
    "/s": lambda value: f"{significant(value)}/s",
    "": count,
}
"""How a number of each unit is written."""
