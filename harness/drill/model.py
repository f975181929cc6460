"""What a drill is, what one repetition of it saw, and what that means for a deployment."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

from harness.model.summaries import Estimate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from harness.drill.site import Site

End = Literal["right", "refused", "reset", "unanswered", "error"]
"""How a request ended: the right answer; no connection, so that nothing was sent; an end of the connection with the
request in flight; nothing within the request timeout; any other answer."""
ENDS: tuple[End, ...] = get_args(End)

Grade = Literal["good", "fair", "bad"]
"""No danger; no danger, but somebody who deploys it should know; a danger: requests are lost, or users locked out."""
Outcome = Literal["seen", "n/a", "no-start", "error"]
"""The drill was carried out; the server cannot do it; it did not start; the drill could not be carried
out."""
Unit = Literal["s", "ms", "bytes", "/s", ""]


@dataclass(frozen=True)
class Requests:
    """Requests of one kind under open load: one is due every 1 ÷ `rate_rps` seconds, however others end."""

    name: str
    path: str
    rate_rps: float
    status: int | None = None
    """The right answer's status; None means that of the first answer, before the load."""
    body: str | None = None
    """The right answer's body in Latin-1; None means that any complete body will do."""
    headers: tuple[tuple[str, str], ...] = ()
    users: int = 0
    """In a closed loop: so many are in flight all the time, whatever the rate; 0 in an open loop."""


@dataclass(frozen=True)
class Exchange:
    """One request: when it was due, when it ended, and how. Times are of `time.monotonic_ns`, one for all processes."""

    requests: str
    """The name of its `Requests`."""
    intended_ns: int
    ended_ns: int
    end: End
    detail: str = ""
    """What was found instead of the right answer."""

    @property
    def latency_ms(self) -> float:
        """From the time at which it was due: a delay before sending counts too."""
        return (self.ended_ns - self.intended_ns) / 1e6


@dataclass(frozen=True)
class Tally:
    """Requests of one kind by how they ended: every one is in exactly one of the numbers."""

    name: str
    right: int = 0
    refused: int = 0
    reset: int = 0
    unanswered: int = 0
    error: int = 0
    details: Mapping[str, int] = field(default_factory=dict)
    """What was found instead of right answers, and how often."""

    @classmethod
    def of(cls, name: str, exchanges: Iterable[Exchange]) -> Tally:
        """Count exchanges."""
        exchanges = list(exchanges)
        ends = Counter(each.end for each in exchanges)
        details = Counter(each.detail for each in exchanges if each.end != "right")
        return cls(name, **{end: ends[end] for end in ENDS}, details=dict(details))

    @classmethod
    def total(cls, name: str, tallies: Iterable[Tally]) -> Tally:
        """Add up tallies, such as those of several repetitions."""
        tallies = list(tallies)
        sums = {end: sum(getattr(each, end) for each in tallies) for end in ENDS}
        details: Counter[str] = Counter()
        for each in tallies:
            details.update(each.details)
        return cls(name, **sums, details=dict(details))

    @property
    def lost(self) -> int:
        """Requests that were sent and got no right answer: a client cannot know whether they took effect."""
        return self.reset + self.unanswered + self.error

    @property
    def all(self) -> int:
        return self.right + self.refused + self.lost


@dataclass(frozen=True)
class Observation:
    """What one repetition of a drill saw of one server."""

    tallies: tuple[Tally, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)
    """By the names of the drill's `figures`; a number that was not reached in time is missing."""
    facts: tuple[str, ...] = ()
    """What else was seen, in words, such as `the whole server ended with exit status 0`."""
    lag_ms: float = 0.0
    """The longest time by which the client sent a request later than it was due; the runner fills it in."""


@dataclass(frozen=True)
class Figure:
    """A number that a drill finds: its name in files, its title in tables, its unit."""

    name: str
    title: str
    unit: Unit = "s"
    charted: bool = False
    """Does the chart show it? Where no figure of a drill is shown, the chart has the requests that were lost."""


@dataclass(frozen=True)
class Words:
    """What was seen, said for somebody who deploys this server."""

    grade: Grade
    cell: str
    """For a table: at most some twenty characters, such as `12 reset`."""
    meaning: str
    """What it means for a deployment: whole sentences."""
    option: str = ""
    """Which option of that server changes it, or that none does; empty where nothing needs to be changed."""


@dataclass(frozen=True)
class Seen:
    """All repetitions of a drill on one server."""

    observations: Sequence[Observation]

    def tally(self, name: str) -> Tally:
        """The requests of this name over all repetitions."""
        return Tally.total(name, (each for one in self.observations for each in one.tallies if each.name == name))

    def number(self, name: str) -> Estimate | None:
        """The median of a figure over repetitions, with the least and the greatest; None without any.

        Least and greatest of n hold the median of many repetitions with a probability of 1 − 2^(1−n), whatever the
        distribution (`coverage`).
        """
        return _estimate([one.numbers[name] for one in self.observations if name in one.numbers])

    def count(self, name: str, end: End) -> Estimate | None:
        """How many requests of this name ended so, in one repetition."""
        return _estimate([getattr(each, end) for one in self.observations for each in one.tallies if each.name == name])

    @property
    def names(self) -> list[str]:
        """The names of all tallies, in order."""
        return list(dict.fromkeys(each.name for one in self.observations for each in one.tallies))

    @property
    def facts(self) -> dict[str, int]:
        """Each fact, with the number of repetitions that saw it."""
        return dict(Counter(fact for one in self.observations for fact in one.facts))


def _estimate(values: Sequence[float]) -> Estimate | None:
    return Estimate(statistics.median(values), min(values), max(values)) if values else None


def coverage(repetitions: int) -> float:
    """The probability that least and greatest of this many values hold the median of their distribution."""
    return 1 - 2.0 ** (1 - repetitions)


@dataclass(frozen=True)
class Drill:
    """One experiment. A file in `experiments/` exports it as `DRILL`.

    `run` carries out one repetition. It raises `NotApplicable` for a server that cannot do it, and `ServerError` for
    one that does not start; any other exception is a bug in the drill. `explain` is pure: it gets the server's
    distribution, such as `gunicorn`, and what all repetitions saw.
    """

    name: str
    title: str
    procedure: str
    """What is done and counted, in a sentence or two."""
    figures: tuple[Figure, ...]
    run: Callable[[Site], Observation]
    explain: Callable[[str, Seen], Words]
    order: float = math.inf
    """Place in tables."""


class NotApplicable(Exception):  # noqa: N818 - nothing is wrong
    """The server cannot do this drill; the message is the reason, such as `no worker processes`."""


def percentile_ms(exchanges: Iterable[Exchange], percent: float) -> float | None:
    """A percentile of the response times of right answers, by nearest rank; None without any."""
    times = sorted(each.latency_ms for each in exchanges if each.end == "right")
    return times[max(0, math.ceil(len(times) * percent / 100) - 1)] if times else None


@dataclass(frozen=True)
class Entry:
    """A drill on one server: what was seen in all repetitions, and what it means."""

    server: str
    drill: str
    outcome: Outcome
    reason: str = ""
    """Why it was not seen."""
    argv: tuple[str, ...] = ()
    """The command line of the first repetition."""
    observations: tuple[Observation, ...] = ()
    words: Words | None = None
    """None unless the drill was seen."""

    @property
    def seen(self) -> Seen:
        return Seen(self.observations)
