"""The answer of each comparison in a line: who is first, by how much, how sure that is, what would settle it. Pure."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Literal

from harness.analysis.summarise import RANKED_FROM_ROUNDS
from harness.model.protocols import PROTOCOL_NAMES
from harness.model.summaries import Ratio
from harness.report import sentences, sweep
from harness.report.cells import factor, interval
from harness.report.control import compared_ratios
from harness.text.numbers import is_telling, join, percent, plural, significant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.model.plan import Candidate, Preference
    from harness.model.run_info import RunInfo
    from harness.model.summaries import CaseSummary
    from harness.report.sections import Section

Clarity = Literal["clear", "tied", "too noisy", "open", ""]
"""One candidate is first; several are, and even a small difference would have shown; several are, and a large one would
not; the valid numbers do not say who is first; there is nothing to decide."""
MARKS: Mapping[Clarity, str] = {"clear": "✓", "tied": "=", "too noisy": "~", "open": "?", "": ""}
TIED_WITHIN = 0.10
"""Candidates are tied if a difference above this would have shown; else the measurement is too noisy to say so."""
MEANINGS: Mapping[Clarity, str] = {
    "clear": "one is first, and by more than chance explains",
    "tied": f"no difference was seen, and one above {percent(TIED_WITHIN)} would have been",
    "too noisy": f"no difference can be believed, and one above {percent(TIED_WITHIN)} may have been missed",
    "open": "one without a valid number may be faster",
}
NOTATION = (
    "1.5× A is 1.5 times A's requests/s, unless another figure is named. Brackets hold the 95 % interval. CPU is per "
    "request."
)
FINEST = 0.005
"""No command asks for a precision finer than this."""
MORE_ROUNDS = 4
"""So many times as many rounds halve an interval."""
_NAMED = 5
"""So many candidates are named; more are counted."""
_OF: Mapping[Preference, str] = {"throughput": "", "p99": "'s p99", "cpu": "'s CPU", "memory": "'s memory"}
_REPLACED = (
    *("--servers", "--apps", "--scenarios", "--protocols", "--users", "--workers", "--rtt"),
    *("--rounds", "--precision", "--max-rounds", "--baseline"),
)
"""Options that the command replaces."""
_OWN_REQUESTS = ("--app", "--path", "--openapi", "--locustfile", "--url")
"""With one of these, scenarios are not chosen by name."""


@dataclass(frozen=True)
class Decision:
    """What a comparison says to somebody who has to choose."""

    protocol: str
    place: str
    """The comparison within its protocol: `echo`, `echo with 8 users`."""
    anchor: str
    clarity: Clarity
    sentence: str
    command: str = ""
    """What would settle it; empty where it is settled, or where no command can."""

    @property
    def mark(self) -> str:
        return f"{MARKS[self.clarity]} {self.clarity}".strip()


def decide(run: RunInfo, section: Section) -> Decision:
    """The answer of one comparison."""
    protocol = PROTOCOL_NAMES[section.summary.comparison.protocol]
    place = section.title.replace(f" over {protocol}", "")

    def found(clarity: Clarity, sentence: str, command: str = "") -> Decision:
        return Decision(protocol, place, section.anchor, clarity, sentence, command)

    if sweep.has_rates(section):
        return found("", sweep.sentence(section))
    ranked, candidates = sentences.list_ranked(section), section.summary.candidates
    limited = sentences.list_limited(section)
    if not ranked:
        return _explain_unranked(run, section, limited, found)
    if ahead := sentences.list_ahead(section):
        return found("clear" if limited == ahead[:1] else "open", _describe_ahead(section, ahead, limited))
    leaders = sentences.list_leaders(section)
    if len(ranked) == 1:
        alone = len(candidates) == 1
        what = "was measured" if alone else "could be ranked"
        return found("" if alone else "open", f"only {leaders[0].name} {what}{_limited(limited)}")
    if len(leaders) > 1:
        return _decide_tie(run, section, leaders, limited, found)
    return _decide_lead(run, section, ranked, limited, found)


def _decide_lead(
    run: RunInfo,
    section: Section,
    ranked: Sequence[CaseSummary],
    limited: Sequence[CaseSummary],
    found: Callable[[Clarity, str, str], Decision],
) -> Decision:
    """One is first, unless the control differs from its own server by as much."""
    lead, false = _measure_lead(ranked, section.summary.ranked_by), _false_difference(section)
    if false and lead is not None and lead <= false:
        doubt = f"; but the control differs from its own server by {percent(false)}, which is no less"
        wish = f"--rounds {MORE_ROUNDS * run.conditions.rounds}"
        text = f"{_describe_lead(section, ranked)}{doubt}{_limited(limited)}"
        return found("open" if limited else "too noisy", text, _command(run, section, ranked[:2], wish))
    return found("open" if limited else "clear", f"{_describe_lead(section, ranked)}{_limited(limited)}", "")


def _explain_unranked(
    run: RunInfo, section: Section, limited: Sequence[CaseSummary], found: Callable[[Clarity, str, str], Decision]
) -> Decision:
    valid = (each for each in section.summary.candidates if each.verdict == "valid")
    few = [each for each in valid if 0 < each.rounds < RANKED_FROM_ROUNDS]
    if not few:
        return found("open", f"nobody can be ranked{_limited(limited)}", "")
    rounds = f"--rounds {max(RANKED_FROM_ROUNDS + 2, run.conditions.rounds)}"
    return found("too noisy", "too few rounds to tell", _command(run, section, few, rounds))


def _decide_tie(
    run: RunInfo,
    section: Section,
    leaders: Sequence[CaseSummary],
    limited: Sequence[CaseSummary],
    found: Callable[[Clarity, str, str], Decision],
) -> Decision:
    by, reference = section.summary.ranked_by, section.summary.reference
    size = _detectable(leaders, by, reference)
    size = None if size is None else max(size, _false_difference(section))
    others = len(leaders) - _NAMED
    names = [each.name for each in leaders] if others <= 1 else [each.name for each in leaders[:_NAMED]]
    text = f"{join([*names, *([f'{others} more'] if others > 1 else [])])} cannot be told apart"
    text += "" if size is None else f"; a difference above {percent(size)} would have shown"
    following = [each for each in sentences.list_ranked(section) if each not in leaders]
    if reference not in {each.case.candidate for each in leaders}:
        text += _against(leaders[0], by, _find(section, reference))
    text += _name_next(following, section)
    sure = size is not None and size <= TIED_WITHIN
    finer = min((size or TIED_WITHIN) / 2, TIED_WITHIN / 2)
    rounds = MORE_ROUNDS * run.conditions.rounds
    if by in {"throughput", "cpu"}:
        wish = f"--precision {100 * max(finer, FINEST):.1g}% --max-rounds {max(rounds, run.conditions.max_rounds)}"
    else:
        wish = f"--rounds {rounds}"
    clarity: Clarity = "open" if limited else "tied" if sure else "too noisy"
    return found(clarity, f"{text}{_limited(limited)}", _command(run, section, leaders, wish))


def ratio_of(summary: CaseSummary, by: Preference) -> Ratio | None:
    """The ratio to the reference in this figure; of memory none has an interval."""
    ratios = summary.ratio_to_baseline
    if ratios is None:
        return None
    return {"throughput": ratios.throughput, "p99": ratios.p99, "cpu": ratios.cpu, "memory": None}[by]


def _describe_lead(section: Section, ranked: Sequence[CaseSummary]) -> str:
    """`granian: 1.90× uvicorn (1.60 – 2.20), at 0.80× its CPU; next is hypercorn, 1.20× uvicorn`."""
    by, reference = section.summary.ranked_by, section.summary.reference
    leader, second = ranked[0], ranked[1]
    if leader.case.candidate == reference:
        share = _invert(ratio_of(second, by))
        cpu = _invert(ratio_of(second, "cpu"))
        if share is None:
            return f"{leader.name} is first, before {second.name}"
        return f"{leader.name}: {_times(share, second.name, by)}, the next{_cost(cpu, by)}"
    whole = _find(section, reference)
    share = ratio_of(leader, by)
    if whole is None or share is None:
        return f"{leader.name} is first, before {second.name}"
    text = f"{leader.name}: {_times(share, whole.name, by)}{_cost(ratio_of(leader, 'cpu'), by)}"
    return text + _name_next(ranked[1:], section)


def _describe_ahead(section: Section, ahead: Sequence[CaseSummary], limited: Sequence[CaseSummary]) -> str:
    """`granian: 8,931/s or more, where hypercorn, the next, reached 2,941/s; the load generator was the limit`."""
    following = sentences.list_leaders(section)
    names = [each.name for each in following]
    if len(names) > _NAMED:
        names = [*names[: _NAMED - 1], f"{len(names) - _NAMED + 1} more"]
    text = f"{join([each.name for each in ahead])}: {join([_rate(each) for each in ahead])} or more"
    text += f", where {join(names)}, the next, reached {_rate(following[0])}; {sentences.name_limits(ahead)}"
    return text + _limited([each for each in limited if each not in ahead])


def _rate(summary: CaseSummary) -> str:
    return "–" if summary.throughput_rps is None else f"{significant(summary.throughput_rps.median)}/s"


def _measure_lead(ranked: Sequence[CaseSummary], by: Preference) -> float | None:
    """How far the first two are apart: 0.05 for 5 %; None where no ratio says."""
    first, second = (ratio_of(each, by) for each in ranked[:2])
    return None if first is None or second is None or second.value <= 0 else abs(first.value / second.value - 1)


def _false_difference(section: Section) -> float:
    """By how much the control differs from its own server in the ranked figure; 0 where no difference was seen."""
    figure = {"throughput": "throughput", "p99": "p99", "cpu": "CPU", "memory": ""}[section.summary.ranked_by]
    ratios = [compared_ratios(each).get(figure) for each in section.summary.controls]
    false = [each for each in ratios if each and is_telling(each.low, each.high) and not each.low <= 1 <= each.high]
    return max((abs(each.value - 1) for each in false), default=0.0)


def _name_next(following: Sequence[CaseSummary], section: Section) -> str:
    """`; next is hypercorn, 1.20× uvicorn`; empty where nobody is, or that is the reference."""
    by, whole = section.summary.ranked_by, _find(section, section.summary.reference)
    ratio = ratio_of(following[0], by) if following else None
    if ratio is None or whole is None or following[0] is whole:
        return ""
    return f"; next is {following[0].name}, {factor(ratio.value)}× {whole.name}{_OF[by]}"


def _against(leader: CaseSummary, by: Preference, whole: CaseSummary | None) -> str:
    share = ratio_of(leader, by)
    return "" if whole is None or share is None else f"; {leader.name}: {_times(share, whole.name, by)}"


def _times(share: Ratio, name: str, by: Preference) -> str:
    """`1.90× uvicorn (1.60 – 2.20)`."""
    bounds = interval(share, factor)
    return f"{factor(share.value)}× {name}{_OF[by]}" + (f" ({bounds})" if bounds else "")


def _cost(cpu: Ratio | None, by: Preference) -> str:
    return "" if cpu is None or by == "cpu" else f", at {factor(cpu.value)}× its CPU"


def _invert(ratio: Ratio | None) -> Ratio | None:
    return None if ratio is None or ratio.low <= 0 else Ratio(1 / ratio.value, 1 / ratio.high, 1 / ratio.low)


def _find(section: Section, candidate: Candidate | None) -> CaseSummary | None:
    return next((each for each in section.summary.candidates if each.case.candidate == candidate), None)


def _detectable(leaders: Sequence[CaseSummary], by: Preference, reference: Candidate | None) -> float | None:
    """The difference between the first leader and any other that would have shown; None if their intervals do not say.

    Both are known as ratios to the reference. The error of the ratio of two such ratios is at most that of both
    together, since they share the reference's own.
    """
    widths = []
    for each in leaders:
        ratio = ratio_of(each, by)
        if each.case.candidate == reference:
            widths.append(0.0)
        elif ratio is None or ratio.low == ratio.high or not is_telling(ratio.low, ratio.high):
            return None
        else:
            widths.append(math.log1p(ratio.half_width))
    first, *others = widths
    return math.expm1(max(math.hypot(first, each) for each in others))


def _limited(limited: Sequence[CaseSummary]) -> str:
    """Who may be faster than the numbers say."""
    if not limited:
        return ""
    speeds = [f"{each.name} ({_rate(each)})" for each in limited]
    return f"; {join(speeds)} may be faster: {sentences.name_limits(limited)}"


def _command(run: RunInfo, section: Section, candidates: Sequence[CaseSummary], wish: str) -> str:
    """The command of the run for these candidates in this comparison alone; `wish` says how precise it is to be."""
    of = section.summary.comparison
    kept = ["harness", *_drop(_as_run(run), _REPLACED)]  # however it was called there
    own = {value.partition("=")[0] for name, value in _options(run.argv) if name in {"--server", "--url"}}
    servers = dict.fromkeys(each.case.server for each in candidates if each.case.server not in own)
    apps = dict.fromkeys(each.case.app for each in candidates)
    given = {name for name, _ in _options(run.argv)}
    options = [
        *(["--servers", ",".join(servers)] if servers else []),
        *(["--apps", ",".join(apps)] if "--apps" in given else []),
        *([] if given & {*_OWN_REQUESTS} else ["--scenarios", of.scenario]),
        *("--protocols", of.protocol),
        *("--users", str(of.users)),
        *(["--workers", str(of.workers)] if of.workers > 1 else []),
        *(["--rtt", f"{1000 * of.distance.rtt_s:g}ms"] if "--rtt" in given else []),
    ]
    return shlex.join([*kept, *options, *wish.split()])


def _as_run(run: RunInfo) -> list[str]:
    """The words of the command; those of `harness timeline` as `harness run` takes them, which names its releases."""
    words = list(run.argv[1:])
    if words[:1] != ["timeline"]:
        return words
    server = run.baseline.server.partition("@")[0]
    return ["run", *(word for word in _drop(words[1:], ["--last"]) if word != server)]


def _options(argv: Sequence[str]) -> list[tuple[str, str]]:
    """Each option of a command line with its value, whether that follows `=` or is the next word."""
    found = []
    for word, after in zip_longest(argv, argv[1:], fillvalue=""):
        if word.startswith("--"):
            name, same, value = word.partition("=")
            found.append((name, value if same else after))
    return found


def _drop(argv: Sequence[str], names: Sequence[str]) -> list[str]:
    """The command line without these options and their values."""
    kept: list[str] = []
    skip = False
    for word in argv:
        if skip:
            skip = False
        elif word in names:
            skip = True
        elif word.partition("=")[0] not in names:
            kept.append(word)
    return kept


def name_choices(sections: Sequence[Section]) -> str:
    """Who is among the first in every comparison of a protocol, for each protocol; empty for a single comparison.

    Comparisons in which nobody can be told first, as only one candidate has a number, do not count.
    """
    leaders: dict[str, list[list[str]]] = {}
    for each in sections:
        told = len(sentences.list_ranked(each)) > 1 or sentences.list_ahead(each)
        if told and not sweep.has_rates(each):
            protocol = PROTOCOL_NAMES[each.summary.comparison.protocol]
            leaders.setdefault(protocol, []).append([first.name for first in sentences.list_first(each)])
    if sum(map(len, leaders.values())) <= 1:
        return ""
    places: dict[str, list[str]] = {}
    for protocol, found in leaders.items():
        always = sorted(set(found[0]).intersection(*found[1:]))
        several = f"any of {len(always)}" if len(always) > _NAMED else " or ".join(always)
        places.setdefault(several, []).append(protocol)
    named = [f"{names} over {join(protocols)}" for names, protocols in places.items() if names]
    depends = f"over {join(places[''])} it depends on the comparison" if "" in places else ""
    if not named:
        return f"No candidate is among the first in every comparison: {depends}."
    return f"First, or sharing first place, in every comparison: {'; '.join(filter(None, [*named, depends]))}."


def explain_marks(decisions: Sequence[Decision]) -> str:
    """What the numbers and the marks of these answers mean."""
    kinds = {each.clarity for each in decisions}
    meanings = [f"{kind}: {meaning}" for kind, meaning in MEANINGS.items() if kind in kinds]
    return " ".join([NOTATION, *(f"{each[0].upper()}{each[1:]}." for each in meanings)]) if meanings else ""


def count_clear(decisions: Sequence[Decision]) -> str:
    """How many comparisons are clear, tied and so on: `5 clear, 2 tied, 1 too noisy`; empty for a single one."""
    kinds = [each.clarity for each in decisions if each.clarity]
    if len(kinds) <= 1:
        return ""
    parts = [f"{kinds.count(kind)} {kind}" for kind in MARKS if kind and kind in kinds]
    return f"Of {plural(len(kinds), 'comparison')}: {', '.join(parts)}."
