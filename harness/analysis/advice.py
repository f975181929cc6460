"""What to say while a run goes on: the cause of trouble and its remedy, in one line each. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from harness.analysis.budget import TYPICAL, Variances, count_rounds_for
from harness.analysis.verdict import DISTURBED_FROM
from harness.model.loads import Capacity, Saturate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.model.records import Record

IDLE_CPU_ALONE = 0.10
"""A server that uses this share of a core while it is not its turn disturbs the others, and is measured alone."""
REMEDIES = (
    ("found 401", "--header 'Authorization: …' may let the requests in"),
    ("found 403", "--header 'Authorization: …' may let the requests in"),
    ("found 400", "the app may expect its own host name: --header 'Host: shop.example'"),
    ("found 429", "the app limits how often it is asked: turn that off while it is measured"),
    ("unanswered", "--users sends fewer requests at once, --request-timeout waits longer"),
    ("too large", "--max-body allows longer bodies"),
)
"""What may help, by the kind of an error or what its example says."""
GOAL = 0.02
"""Advice says how many rounds make ratios as precise as this."""


class Advice(NamedTuple):
    """One line of advice; what has been said about a `topic` is not said again."""

    topic: str
    text: str


def advise(records: Sequence[Record]) -> Iterator[Advice]:
    """Advice after a measurement, whose records these are."""
    measured = [each for each in records if each.result is not None]
    if not measured:
        return
    yield from _advise_on_machine(measured)
    yield from _advise_on_errors(measured)
    limited = [each for each in measured if each.verdict == "client-limited"]
    if len(limited) * 2 > len(measured):
        remedies = "use --load-processes, fewer CPUs for the servers (--server-cpus), or "
        closed = isinstance(limited[0].case.load, Saturate)
        remedies += "an open loop that all can serve (--load rate=R)" if closed else "a lower rate"
        number = f"{len(limited)} of {len(measured)} candidates"
        yield Advice("client-limited", f"the load generator is the limit for {number}: {remedies}")
    for each in measured:
        if (each.idle_cpu_ratio or 0.0) >= IDLE_CPU_ALONE:
            used = f"{each.idle_cpu_ratio:.0%} of a core"
            yield Advice(
                f"idle {each.case.label}",
                f"{each.case.label} uses {used} while it is not its turn: from the next round on it is measured alone",
            )


def _advise_on_errors(records: Sequence[Record]) -> Iterator[Advice]:
    """What may help against the errors of a measurement, by their first examples; each remedy once."""
    # A search for a capacity goes on until it meets errors.
    fixed = [each for each in records if not isinstance(each.case.load, Capacity)]
    errors = [each.result.errors for each in fixed if each.result is not None]
    told = " ".join(f"{kind} {text}" for each in errors for kind, text in each.examples.items())
    for remedy in dict.fromkeys(remedy for sign, remedy in REMEDIES if sign in told):
        yield Advice(remedy, f"requests without a right answer: {remedy}")


def _advise_on_machine(records: Sequence[Record]) -> Iterator[Advice]:
    """Steal and other processes are the same for all cases of a measurement."""
    first = records[0]
    shares = (
        ("other processes", "other processes use {} of the servers' CPUs", first.other_cpu_ratio),
        ("steal", "the host takes {} of the CPU time", first.steal_ratio),
        (
            "quota",
            "a CPU quota pauses servers or harness for {} of the time",
            first.paused_ratio,
        ),
    )
    for topic, words, share in shares:
        if first.disturbed and share is not None and share > DISTURBED_FROM:
            marked = f"{words.format(f'{share:.0%}')}: absolute numbers will be marked"
            closed = isinstance(first.case.load, Saturate)
            yield Advice(topic, f"{marked}, {_say_rounds(len(first.slice_cpu_s))}" if closed else marked)


def _say_rounds(cycles: int) -> str:
    """How many rounds the ratios need, if they vary as is usual on a disturbed machine: twice as much."""
    variances = Variances(4 * TYPICAL.of_cycles, 2 * TYPICAL.of_starts)
    rounds = count_rounds_for(variances, cycles, GOAL)
    if rounds is None:
        return f"ratios will not reach ±{GOAL:.0%}"
    return f"ratios need about {rounds} rounds for ±{GOAL:.0%} (--precision {GOAL:.0%})"
