"""How and where a run was measured. Pure."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from harness.model.loads import (
    ANSWERED_LEAST,
    SEARCH_CONFIRMATIONS,
    SEARCH_FIRST_RPS,
    SEARCH_LONGEST_S,
    SEARCH_RESOLUTION,
    SWEEP_OWN_SHARES,
    Capacity,
)
from harness.model.protocols import PROTOCOL_NAMES
from harness.report.sections import is_sweep
from harness.text.numbers import count, join, percent, plural, significant, tolerance

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.model.results import Environment, Record, RunInfo, ServerStart
    from harness.model.summaries import CaseSummary


def describe_method(run: RunInfo, trials: Sequence[Record] = ()) -> list[str]:
    """How it was measured, one or two sentences a line."""
    where, conditions = run.environment, run.conditions
    cut, load = (", cut short", "Load, as planned") if run.complete is False else ("", "Load")
    warmup, window = f"{conditions.warmup_s:g} s of warm-up", f"a window of {conditions.duration_s:g} s"
    lines = [
        f"{_rounds(run)}{cut}: each starts every server anew, in an order shuffled with seed {conditions.seed}.",
        f"Each trial: an unmeasured pass, {warmup}, then {window}.",
        "Every answer is checked. Only requests that begin and end inside the window count.",
        f"{load}: {conditions}. A user is one request in flight, on every protocol.",
        "Response time runs from when a request was due to be sent to the last byte of its answer.",
        *_further(run, trials),
        "Percentiles come from all rounds' histograms, merged. One that fewer than ten requests exceed is left out.",
        "Medians over rounds with 95 % intervals, ratios paired by round. Only valid numbers are ranked.",
        "Candidates share a rank unless the interval of their ratio excludes 1.",
        "CPU is user and system time of all of a server's processes. Memory is their proportional set size.",
        f"Servers ran on {_cpus(where.server_cpus)}, the load generator on {_cpus(where.load_cpus)}.",
    ]
    if run.ceilings:
        ceilings = [f"{significant(rate)} on {PROTOCOL_NAMES[protocol]}" for protocol, rate in run.ceilings.items()]
        lines.append(
            f"Requests/s that the load generator reaches against a server that does nothing: {join(ceilings)}."
        )
    return lines


def describe_environment(
    run: RunInfo, summaries: Sequence[CaseSummary] = (), starts: Sequence[ServerStart] = ()
) -> list[tuple[str, str]]:
    """Names and values of all that the numbers depend on."""
    where = run.environment
    return [
        ("Command", shlex.join(run.argv)),
        ("Run", run.id),
        ("Started", run.started_at),
        ("Host", where.host),
        ("CPU", f"{where.cpu_model} × {where.cpu_count}"),
        ("Memory", f"{where.memory_bytes / 1e9:.1f} GB"),
        ("System", f"{where.system}, kernel {where.kernel}"),
        ("Python", where.python),
        *_other_interpreters(where),
        ("Servers", _versions(where.server_versions) or "versions unknown"),
        *([("Apps", _versions(where.app_versions))] if where.app_versions else []),
        *_active(summaries, starts),
        *([("Commit of the app", where.app_commit)] if where.app_commit else []),
        ("Commit of the harness", where.git_commit or "none"),
    ]


def _other_interpreters(where: Environment) -> list[tuple[str, str]]:
    """The Python of servers that do not run in the harness's own."""
    others: dict[str, list[str]] = {}
    for server, interpreter in where.interpreters.items():
        if not interpreter.startswith(f"{where.python} "):
            others.setdefault(interpreter, []).append(server)
    return (
        [("Python of servers", "; ".join(f"{join(names)}: {what}" for what, names in others.items()))] if others else []
    )


def _rounds(run: RunInfo) -> str:
    conditions = run.conditions
    rounds = plural(conditions.rounds, "round")
    if is_sweep(run):
        return f"{rounds} in a closed loop, then {rounds} in open loops"
    if conditions.precision is not None:
        goal = tolerance(conditions.precision)
        return f"{rounds}, then up to {conditions.max_rounds} for cases that have not reached {goal}"
    return rounds


def _further(run: RunInfo, trials: Sequence[Record]) -> list[str]:
    """What is particular to a search, a sweep, a precision and a control."""
    lines = []
    if isinstance(run.conditions.load, Capacity):
        lines += _describe_search(run.conditions.load, trials)
    if is_sweep(run):
        shares = join([percent(share) for share in SWEEP_OWN_SHARES])
        lines.append(
            f"Sweep: each candidate is offered {shares} of the rate that it reached in a closed loop, and rates that "
            "all candidates share, as far as they do not overload it. A rate that was not kept has no latency: it "
            "would only say how long the window was."
        )
    if run.conditions.precision is not None:
        lines.append(
            "± is half the width of the widest interval: of the ratios of throughput and CPU to the baseline, or of "
            "the case's own throughput and CPU where the baseline has no valid number."
        )
    if run.conditions.control:
        name = run.baseline.server
        lines.append(f"Control (A/A): {name} is measured a second time; any difference found is the harness's error.")
    return lines


def _describe_search(load: Capacity, trials: Sequence[Record]) -> list[str]:
    """How `harness.run.search` finds a capacity, and what it took."""
    level, step = load.level, percent(SEARCH_RESOLUTION)
    lines = [
        f"Capacity: the highest offered rate that meets {level}, at least {percent(ANSWERED_LEAST)} answered.",
        f"A search doubles the rate from {count(SEARCH_FIRST_RPS)} requests/s until one misses the level.",
        "Later rounds begin at half of what earlier rounds found. If the first rate misses, the search halves it.",
        f"Then it bisects, until the lowest rate that missed is at most {step} above the highest that met.",
        f"At low rates a trial lasts longer, up to {SEARCH_LONGEST_S:g} s, to have enough requests for the percentile.",
        f"A further trial confirms that rate or lowers it by {step}, at most {SEARCH_CONFIRMATIONS} times.",
    ]
    probes = [trial.probe for trial in trials if trial.probe is not None]
    if probes:
        searches = sum(probe.final for probe in probes)
        lines.append(f"{count(len(probes))} trials were made in {count(searches)} searches.")
    return lines


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _active(summaries: Sequence[CaseSummary], starts: Sequence[ServerStart]) -> list[tuple[str, str]]:
    """The event loop and modules of each candidate, as its app found them at run time."""
    names = {(each.case.server, each.case.app): each.name for each in summaries}
    loops: dict[str, set[str]] = {}
    modules: dict[str, set[str]] = {}
    for each in starts:
        name = names.get((each.config.server, each.config.app))
        if name is None or each.active is None:
            continue
        if each.active.loop is not None:
            loops.setdefault(name, set()).add(each.active.loop)
        if each.active.modules:
            modules.setdefault(name, set()).update(each.active.modules)
    return [(title, _listed(seen)) for title, seen in (("Event loops", loops), ("Loaded modules", modules)) if seen]


def _listed(seen: Mapping[str, Iterable[str]]) -> str:
    return "; ".join(f"{name}: {', '.join(sorted(seen[name]))}" for name in sorted(seen))


def _cpus(numbers: Sequence[int]) -> str:
    return f"CPU{'s' if len(numbers) > 1 else ''} {join([str(each) for each in numbers])}" if numbers else "any CPU"
