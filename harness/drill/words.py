"""Phrases that several drills use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from harness.text.numbers import count, join, plural, significant, span

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.drill.model import Seen, Tally, Unit

PAUSE_MS = 500.0
"""Users notice a longer pause."""
BAD_ENDS = ("reset", "unanswered", "error")


def list_lost(tally: Tally) -> str:
    """`3 reset and 1 unanswered`: the requests that were lost, by how they ended."""
    found = {end: getattr(tally, end) for end in BAD_ENDS}
    return join([f"{count(number)} {end}" for end, number in found.items() if number] or ["none"])


def seconds(value: float) -> str:
    """`0.52 s`, `52 ms`."""
    return f"{significant(value)} s" if value >= 1 else f"{significant(1000 * value)} ms"


def span_lost(seen: Seen, *, refused: bool = False) -> str:
    """`3 lost`, `0 to 12 lost`: the least and the most of one repetition, `refused` too where nobody else serves."""
    lost = [sum(each.lost + each.refused * refused for each in one.tallies) for one in seen.observations]
    return f"{span(lost)} lost"


def describe_pause(seen: Seen, figure: str, noun: str) -> str:
    """That requests had to wait, if a figure in ms says that users noticed in any repetition; else empty."""
    p99 = seen.number(figure)
    if p99 is None or p99.high <= PAUSE_MS:
        return ""
    worst = f" in the worst of {count_times(seen, noun)}" if len(seen.observations) > 1 else ""
    return f"1 request in 100 waited {seconds(p99.high / 1000)} or longer{worst}"


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
