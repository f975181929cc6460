"""What a comparison of two runs says, in words for people and as JSON for programs. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from harness.analysis.naming import BY_SERVER, Levels
from harness.model.plan import Candidate, Case
from harness.report.summary import to_plain
from harness.text.numbers import NOTHING, TOO_FEW, is_telling, plural, significant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.analysis.comparison import CasePair, Difference, Finding, Judgement, Origin, RunComparison
    from harness.analysis.conditions import Contrast
    from harness.analysis.gates import GateResult, Metric
    from harness.model.plan import ServerConfig
    from harness.model.summaries import Estimate, Ratio

COLUMNS = ("Case", "Figure", "A", "B", "B against A", "Detectable", "Finding")
MARKS: Mapping[GateResult, str] = {"missed": "✗", "not checked": "?", "not clear": "?", "met": "✓"}
"""The worst first: a gate has the mark of the worst of its outcomes."""

_FIGURES: Mapping[Metric, tuple[str, float]] = {
    "throughput": ("requests/s", 1),
    "p50": ("p50 ms", 1e3),
    "p90": ("p90 ms", 1e3),
    "p95": ("p95 ms", 1e3),
    "p99": ("p99 ms", 1e3),
    "cpu": ("CPU µs/request", 1),
    "memory": ("peak MB", 1e6),
    "ready": ("start-up s", 1),
    "errors": ("errors %", 0.01),
}
"""The name of each figure with its unit, and how many of the metric's units make one of it."""

_WHOLE_PERCENT = 99.95
"""From here on a change is written without a tenth."""


@dataclass(frozen=True)
class Row:
    """One figure of one case."""

    cells: tuple[str, ...]
    """One for each of `COLUMNS`."""
    finding: Finding
    first: bool
    """Is it the first of its case?"""


@dataclass(frozen=True)
class GateLine:
    """The result of a gate over all cases."""

    mark: str
    gate: str
    summary: str
    details: tuple[str, ...]
    """The cases that did not meet it, and why."""


@dataclass(frozen=True)
class Page:
    """Everything that is shown, in this order."""

    title: str
    headline: tuple[str, ...]
    sides: tuple[str, str]
    gates: tuple[GateLine, ...]
    rows: tuple[Row, ...]
    uncompared: tuple[str, ...]
    changes: tuple[str, ...]
    notes: tuple[str, ...]
    environment: tuple[tuple[str, str, str], ...]
    controls: tuple[str, ...] = ()
    """What A measured twice differs by."""


def make_page(comparison: RunComparison) -> Page:
    """Put a comparison into words."""
    name = CaseNames(comparison)
    return Page(
        title=_title(comparison),
        headline=tuple(_headline(comparison)),
        sides=(_side("A", comparison.a), _side("B", comparison.b)),
        gates=tuple(_gate_lines(comparison.gates, name)),
        rows=tuple(_rows(comparison, name)),
        uncompared=tuple(_uncompared(comparison, name)),
        changes=tuple(_changes(comparison.changes)),
        controls=tuple(_control(name(pair.a.case), pair) for pair in comparison.controls),
        notes=tuple(_notes(comparison)),
        environment=tuple(_environment(comparison)),
    )


def encode(comparison: RunComparison) -> bytes:
    """The comparison as JSON; `schema` goes up on an incompatible change."""
    return msgspec.json.format(msgspec.json.encode(to_plain(comparison)), indent=2)


def write_contrast(each: Contrast) -> str:
    """`granian 2.8.6 → 2.8.7`."""
    return f"{each.name} {each.a or 'none'} → {each.b or 'none'}".lstrip()


def write_change(ratio: Ratio) -> str:
    """`−7.1 % (−9.0 … −5.2)`; without brackets if there is no interval."""
    if ratio.low == ratio.high:
        return f"{_percent(ratio.value)} %"
    telling = is_telling(ratio.low, ratio.high)
    interval = f"{_percent(ratio.low)} … {_percent(ratio.high)}" if telling else TOO_FEW
    return f"{_percent(ratio.value)} % ({interval})"


def _percent(ratio: float) -> str:
    share = 100 * (ratio - 1)
    text = f"{share:+,.{0 if abs(share) >= _WHOLE_PERCENT else 1}f}".replace("-", "−")
    return "0.0" if text in {"+0.0", "−0.0"} else text


class CaseNames:
    """Names cases and starts by what differs between those compared, and by nothing else."""

    def __init__(self, comparison: RunComparison) -> None:
        entries = [*(pair.a for pair in comparison.cases), *comparison.only_a, *comparison.only_b]
        cases = [each.case for each in entries]
        self._server = comparison.a.server is None
        self._apps = comparison.a.app is None and len({case.app for case in cases}) > 1
        self._loads = len({case.load for case in cases}) > 1
        self._levels = Levels.of(cases)

    def __call__(self, about: Case | ServerConfig) -> str:
        parts = [about.scenario, about.protocol] if isinstance(about, Case) else ["start"]
        candidate = Candidate(about.server, about.app, about.control)
        parts += [BY_SERVER.name(candidate)] if self._server else []
        parts += [about.app] if self._apps else []
        if isinstance(about, Case):
            parts += self._levels.names(about)
            parts += [about.load.text] if self._loads else []
        else:
            parts += [plural(about.workers, "worker")] if self._levels.workers else []
            parts += ["TLS"] if about.tls else []
        return " · ".join(parts)


def _title(comparison: RunComparison) -> str:
    outcomes = {each.gate: _worst(_of(comparison.gates, each.gate)) for each in comparison.gates}
    of_all = plural(len(outcomes), "gate")
    for outcome, mark in MARKS.items():
        if number := sum(each == outcome for each in outcomes.values()):
            return f"{mark} {number} of {of_all} {outcome}"
    findings = [each.finding for each in comparison.differences]
    if not any(each != "not compared" for each in findings):
        return "Nothing could be compared"
    worse, better = findings.count("worse"), findings.count("better")
    found = f"{worse} worse, {better} better" if worse or better else "no difference seen"
    names = comparison.b.candidate, comparison.a.candidate
    named = None not in names and len(set(names)) > 1
    return f"{names[0]} against {names[1]}: {found}" if named else f"B against A: {found}"


def _headline(comparison: RunComparison) -> Iterable[str]:
    findings = [each.finding for each in comparison.differences if each.finding != "not compared"]
    if findings:
        worse, better, none = (findings.count(each) for each in ("worse", "better", "no difference seen"))
        compared = plural(len(findings), "figure")
        yield f"{compared} compared: {worse} worse, {better} better, {none} with no difference seen."
    if comparison.unlike:
        yield f"The runs were made under different conditions: {'; '.join(map(write_contrast, comparison.unlike))}."


def _side(name: str, origin: Origin) -> str:
    candidate = f"{origin.candidate} in " if origin.candidate else ""
    return f"{name}: {candidate}run {origin.run}, started {origin.started_at} ({origin.label})"


def _of(gates: Iterable[Judgement], gate: str) -> list[Judgement]:
    return [each for each in gates if each.gate == gate]


def _worst(judgements: Sequence[Judgement]) -> GateResult:
    return next(outcome for outcome in MARKS if any(each.outcome == outcome for each in judgements))


def _gate_lines(gates: Sequence[Judgement], name: CaseNames) -> Iterable[GateLine]:
    """One for each gate. Outcomes are counted, and those other than `met` are also listed one by one."""
    for gate in dict.fromkeys(each.gate for each in gates):
        own = _of(gates, gate)
        counts = [(outcome, sum(each.outcome == outcome for each in own)) for outcome in MARKS]
        summary = ", ".join(f"{outcome} in {number}" for outcome, number in counts if number)
        details = (_detail(each, name) for outcome in MARKS for each in own if each.outcome == outcome != "met")
        yield GateLine(MARKS[_worst(own)], gate, summary, tuple(details))


def _detail(each: Judgement, name: CaseNames) -> str:
    where = f"{name(each.about)}: " if each.about else ""
    return f"{where}{each.outcome}: {explain(each)}"


def explain(each: Judgement) -> str:
    """The change that a gate was judged by, or why it was not; of errors, which are counted, the counts."""
    estimated = each.ratio is not None and each.outcome != "not checked" and each.metric != "errors"
    change = write_change(each.ratio) if estimated and each.ratio else ""
    return "; ".join(filter(None, [change, each.reason]))


def _control(title: str, pair: CasePair) -> str:
    """`plaintext · h1: requests/s +0.2 % (−1.0 … +1.4), CPU µs/request …`, or why there is none."""
    if not pair.differences:
        return f"{title}: {_verdicts(pair)}"
    changes = (
        f"{_FIGURES[each.metric][0]} {write_change(each.ratio)}" for each in pair.differences if each.ratio is not None
    )
    return f"{title}: {', '.join(changes)}"


def _rows(comparison: RunComparison, name: CaseNames) -> Iterable[Row]:
    for pair in comparison.cases:
        for number, each in enumerate(pair.differences):
            yield _row(name(pair.a.case), each, first=number == 0)
    for start in comparison.starts:
        yield _row(name(start.a), start.difference, first=True)


def _row(title: str, each: Difference, *, first: bool) -> Row:
    figure, unit = _FIGURES[each.metric]
    a, b = _figure(each.a, unit), _figure(each.b, unit)
    detectable = NOTHING
    if each.told_from is not None:
        factor = 1 + each.told_from
        detectable = f"{_percent(1 / factor)} / {_percent(factor)} %" if is_telling(1, factor**2) else TOO_FEW
    cells = (title, figure, a, b, write_change(each.ratio) if each.ratio else NOTHING, detectable, each.finding)
    return Row(cells, each.finding, first)


def _figure(estimate: Estimate | None, unit: float) -> str:
    return significant(estimate.median / unit) if estimate else NOTHING


def _uncompared(comparison: RunComparison, name: CaseNames) -> Iterable[str]:
    for pair in comparison.cases:
        if pair.differences:
            yield from _reasons(name(pair.a.case), pair.differences)
        else:
            yield f"{name(pair.a.case)}: {_verdicts(pair)}"
    for start in comparison.starts:
        yield from _reasons(name(start.a), [start.difference])
    for side, entries in (("A", comparison.only_a), ("B", comparison.only_b)):
        for entry in entries:
            yield f"{name(entry.case)}: only in {side} ({entry.verdict})"
    if any(comparison.own_rates):
        of_a, of_b = comparison.own_rates
        yield f"rates that only one side has ({of_a} of A, {of_b} of B): they depend on what each server reached"


def _reasons(title: str, differences: Sequence[Difference]) -> Iterable[str]:
    """Why figures were not compared, a line for each reason. A reason that applies to some figures only names these."""
    for reason in dict.fromkeys(each.reason for each in differences if each.reason):
        names = [_FIGURES[each.metric][0] for each in differences if each.reason == reason]
        figures = f"{', '.join(names)}: " if len(names) < len(differences) else ""
        yield f"{title}: {figures}{reason}"


def _verdicts(pair: CasePair) -> str:
    if (pair.a.verdict, pair.a.reasons) == (pair.b.verdict, pair.b.reasons):
        return f"{pair.a.verdict} on both sides: {', '.join(pair.a.reasons)}"
    doubts = ((side, entry) for side, entry in (("A", pair.a), ("B", pair.b)) if entry.verdict != "valid")
    return "; ".join(f"{side} is {entry.verdict}: {', '.join(entry.reasons)}" for side, entry in doubts)


def _changes(changes: Sequence[Contrast]) -> Iterable[str]:
    """A line for each kind of change."""
    for kind in dict.fromkeys(each.kind for each in changes):
        yield f"{kind}: {', '.join(write_contrast(each) for each in changes if each.kind == kind)}"


def _notes(comparison: RunComparison) -> Iterable[str]:
    if compared := sum(each.finding != "not compared" for each in comparison.differences):
        yield (
            "Brackets hold 95 % intervals in percent; a difference is seen where the interval excludes 0. "
            "Detectable: the smallest differences that this comparison could have detected. "
            f"Where nothing differs, chance alone shows a difference in one figure of 20: in about {compared / 20:.1g} "
            f"of {compared}."
        )
    if comparison.paired:
        yield (
            "Both sides come from one run, so they are paired, cycle by cycle where they took turns: what affected "
            "both cancels out. B against A is the median of the rounds' ratios, which may differ from the ratio of the "
            "two medians."
        )
        return
    yield (
        f"The runs were made at different times, {comparison.a.started_at} and {comparison.b.started_at}. What changed "
        "on the machine in between is part of every difference, and the intervals do not include it. One run with both "
        f"sides pairs its rounds; for two versions of a server: {_one_run(comparison.changes)}"
    )


def _one_run(changes: Iterable[Contrast]) -> str:
    """The command that measures both versions in one run: of the server whose version changed, if one did."""
    versions = ((each.name.partition("@")[0], each.a, each.b) for each in changes if each.kind == "server")
    name, a, b = next((each for each in versions if all(each)), ("NAME", "OLD", "NEW"))
    return f"harness run --servers {name}@{a},{name}@{b}"


def _environment(comparison: RunComparison) -> Iterable[tuple[str, str, str]]:
    """What the figures depend on. Of the many facts about the machine, only those that differ are listed."""
    apart = {each.name for each in comparison.unlike}
    a, b = comparison.a, comparison.b
    yield "command", a.command, b.command
    yield "commit of the harness", _fact(a.git_commit), _fact(b.git_commit)
    if a.app_commit or b.app_commit:
        yield "commit of the app", _fact(a.app_commit), _fact(b.app_commit)
    yield "host", a.host, b.host
    yield "system", a.system, b.system
    for name in {**comparison.conditions_a, **comparison.conditions_b}:
        if name in apart or not name.startswith("machine "):
            yield name, _fact(comparison.conditions_a.get(name)), _fact(comparison.conditions_b.get(name))


def _fact(value: object) -> str:
    return NOTHING if value is None else str(value)
