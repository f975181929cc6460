"""Does the server matter for this app? In sentences and in a table. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.analysis.naming import Levels
from harness.model.loads import Rate
from harness.report.cells import Cell, estimated, factor, interval
from harness.report.sections import Row, Table, title
from harness.text.numbers import NOTHING, TOO_FEW, count, is_telling, join, percent, significant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from harness.model.server_share import HalfRate, ServerPart, ServerShare, Spread
    from harness.model.summaries import Estimate

QUESTION = "Does the server matter for this app?"
_MS = 1_000.0


@dataclass(frozen=True)
class Answer:
    """What the report shows of one app in one comparison."""

    title: str
    sentences: str
    table: Table


def list_answers(shares: Sequence[ServerShare]) -> list[Answer]:
    """An answer for each app in each comparison."""
    levels = Levels.of(each.comparison for each in shares)
    several = len({each.app for each in shares}) > 1
    return [
        Answer(
            f"{each.app}, {title(each.comparison, levels)}" if several else title(each.comparison, levels),
            describe(each),
            _tabulate(each),
        )
        for each in shares
    ]


def describe(share: ServerShare) -> str:
    """Whose the CPU time is, what choosing another server changes, and how it looks at half of the slowest's rate."""
    sentences = (_describe_parts(share), _describe_choice(share), _describe_missing(share), _describe_half_rate(share))
    return " ".join(filter(None, sentences))


def _describe_parts(share: ServerShare) -> str:
    """`Of 3.10 ms CPU a request, the server is 0.0310 to 0.131 ms …`."""
    known = [each for each in share.parts if each.cpu_us_per_request is not None]
    unknown = [each.server for each in share.parts if each.throughput_rps is not None and each not in known]
    if not known:
        names = join(unknown) if unknown else "these servers"
        return (
            f"How much of the CPU time is the server's is unknown, as the processes of {names} are (--pid, --cgroup)."
        )
    of = _span([each.cpu_us_per_request for each in known])
    both = [each for each in known if each.share is not None]
    if not both:
        return f"A request takes {of} CPU; how much of that is the server's is unknown."
    own = _span([each.reference_cpu_us_per_request for each in both])
    shares = [min(each.share.value, 1.0) for each in both if each.share is not None]
    least, most = percent(min(shares)), percent(max(shares))
    of_it = least if least == most else f"{least} to {most}"
    rest = "; your app is the rest" if max(shares) < 1 else ""
    return f"Of {of} CPU a request, the server is {own}, or {of_it} (the reference app under the same servers){rest}."


def _span(estimates: Iterable[Estimate | None]) -> str:
    """The least and the greatest in ms, and how far their intervals reach."""
    known = [each for each in estimates if each is not None]
    least, most = min(each.median for each in known), max(each.median for each in known)
    low, high = min(each.low for each in known), max(each.high for each in known)
    shown = f"{_to(least, most)} ms"
    if all(each.low == each.high for each in known):
        return shown
    reach = f"95 %: {_to(low, high)}" if all(is_telling(each.low, each.high) for each in known) else TOO_FEW
    return f"{shown} ({reach})"


def _to(least_us: float, most_us: float) -> str:
    ends = [significant(each / _MS) for each in (least_us, most_us)]
    return " to ".join(dict.fromkeys(ends))


def _describe_choice(share: ServerShare) -> str:
    """By how much choosing another server changes the throughput, and what says so."""
    measured = _describe_spread(share)
    gain = share.gain_by_cpu
    match share.limit:
        case "waiting":
            used = [each.cpus_used for each in share.parts if each.cpus_used is not None]
            why = f"The app waits more than it computes ({_range(used)} CPUs used), so CPU does not set its throughput."
            return " ".join(filter(None, [why, measured]))
        case "cpu" if gain is not None and math.isfinite(gain):
            free = f"a server that costs nothing would raise throughput by at most {percent(gain)}."
            if share.spread is None or share.most_change is None or not _is_telling(share.spread):
                return " ".join(filter(None, [f"CPU sets the throughput: {free}", measured]))
            bound = f"Choosing another of these changes throughput by at most {percent(share.most_change)}."
            beyond = "That is more than the reference app's CPU explains: your requests give servers more to do."
            more = share.spread.ratio.low - 1 > gain
            return " ".join([bound, f"By CPU, {free}", measured, *([beyond] if more else [])])
        case "unknown" if not isinstance(share.comparison.load, Rate) and any(each.cpus_used for each in share.parts):
            why = "others took CPU time, the load generator was the limit, or the servers were not equally busy"
            return " ".join(filter(None, [f"Whether CPU sets the throughput cannot be told: {why}.", measured]))
        case "cpu" if gain is not None:
            return " ".join(filter(None, ["The server is nearly all of it, so it matters which one it is.", measured]))
    return measured


def _describe_spread(share: ServerShare) -> str:
    """The fastest ÷ the slowest, as it was measured; a tie is no difference."""
    if share.spread is None:
        return ""
    ratio = share.spread.ratio
    if not _is_telling(share.spread):
        return "There are too few rounds to tell by how much the throughput of these servers differs."
    times = f"{factor(ratio.value)} times as many requests as {share.spread.slowest} ({interval(ratio, factor)})"
    least = "" if share.limit == "cpu" else f", at most {percent(ratio.high - 1)} more"
    seen = "" if ratio.low > 1 else "; no difference seen"
    return f"Measured, {share.spread.fastest} answers {times}{least}{seen}."


def _is_telling(spread: Spread) -> bool:
    return is_telling(spread.ratio.low, spread.ratio.high)


def _describe_missing(share: ServerShare) -> str:
    """Under which servers the reference app has no number, and why."""
    failed = [f"{each.server}: {each.reason}" for each in share.parts if each.reason]
    return f"The reference app has no number under {'; '.join(failed)}." if failed else ""


def _describe_half_rate(share: ServerShare) -> str:
    """Response times and CPU at half of the slowest server's rate, and why a server has none."""
    halves = {each.server: each.at_half_rate for each in share.parts if each.at_half_rate is not None}
    if not halves:
        return ""
    sound = {name: each for name, each in halves.items() if each.verdict == "valid"}
    others = (
        f"{name} is {each.verdict} ({each.reasons[0] if each.reasons else 'no reason given'})"
        for name, each in halves.items()
        if name not in sound
    )
    figures = []
    for percentile in ("p99", "p50"):
        times = {name: found for name, each in sound.items() if (found := _of(each, percentile))}
        if times and len(times) == len(sound):
            figures.append(f"{percentile} is {_ends(times)} ms")
            break
    cpu = {name: each.cpu_us_per_request for name, each in sound.items() if each.cpu_us_per_request is not None}
    if cpu:
        figures.append(f"CPU a request {_ends(cpu)} ms")
    rate = _rate(next(iter(halves.values())).offered_rps)
    parts = [*([", ".join(figures)] if figures else []), *others]
    return f"At {rate} requests/s, half of what the slowest reaches, {'; '.join(parts)}." if parts else ""


def _of(half: HalfRate, percentile: str) -> Estimate | None:
    found: Estimate | None = getattr(half.latency_us, percentile)
    return found


def _ends(estimates: dict[str, Estimate]) -> str:
    """`5.10 (granian) to 7.02 (daphne)`."""
    ordered = sorted(estimates.items(), key=lambda item: item[1].median)
    ends = dict.fromkeys((ordered[0], ordered[-1]))
    return " to ".join(f"{significant(each.median / _MS)} ({name})" for name, each in ends)


def _rate(rps: float) -> str:
    return count(rps) if rps >= 1_000 else f"{rps:g}"  # noqa: PLR2004 - a rate of three digits is written in full


def _range(values: Sequence[float]) -> str:
    return " to ".join(dict.fromkeys(f"{each:.2f}" for each in (min(values), max(values))))


def _tabulate(share: ServerShare) -> Table:
    columns: list[tuple[str, Callable[[ServerPart], Cell]]] = [
        ("Server", lambda each: Cell(each.server)),
        ("Requests/s", lambda each: estimated(each.throughput_rps)),
        ("CPU ms/request", lambda each: estimated(each.cpu_us_per_request, unit=_MS)),
        ("of it the server", lambda each: estimated(each.reference_cpu_us_per_request, unit=_MS)),
        ("Share", _share_cell),
        ("CPUs used", lambda each: Cell(NOTHING if each.cpus_used is None else f"{each.cpus_used:.2f}")),
    ]
    rates = [each.at_half_rate.offered_rps for each in share.parts if each.at_half_rate]
    if rates:
        at = f"at {_rate(rates[0])}/s"
        columns += [
            (f"p50 ms {at}", lambda each: _half_cell(each, lambda half: half.latency_us.p50)),
            (f"p99 ms {at}", lambda each: _half_cell(each, lambda half: half.latency_us.p99)),
            (f"CPU ms/request {at}", lambda each: _half_cell(each, lambda half: half.cpu_us_per_request)),
        ]
    rows = (Row(each.server, each.verdict, tuple(cell(each) for _, cell in columns)) for each in share.parts)
    return Table(tuple(name for name, _ in columns), tuple(rows))


def _share_cell(part: ServerPart) -> Cell:
    if part.share is None:
        return Cell(NOTHING)
    return Cell(percent(part.share.value), interval(part.share, percent))


def _half_cell(part: ServerPart, figure: Callable[[HalfRate], Estimate | None]) -> Cell:
    half = part.at_half_rate
    if half is None:
        return Cell(NOTHING)
    return estimated(figure(half), unit=_MS) if half.verdict == "valid" else Cell(NOTHING, half.verdict)
