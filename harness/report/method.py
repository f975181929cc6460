"""How a run was measured, and where, in words."""

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
from harness.report.cells import count, join, percent
from harness.report.rows import is_sweep

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.model.results import Environment, Record, RunInfo, ServerStart
    from harness.model.summaries import CaseSummary


def method(run: RunInfo, trials: Sequence[Record] = ()) -> list[str]:
    """How it was measured, a sentence or two per line."""
    where, conditions = run.environment, run.conditions
    cut, load = (", cut short", "Load, as planned") if run.complete is False else ("", "Load")
    lines = [
        f"{_rounds(run)}{cut}: each starts every server afresh, in an order shuffled with seed {conditions.seed}.",
        (
            f"Each trial: an unmeasured pass, {conditions.warmup_s:g} s of warm-up, "
            f"a window of {conditions.duration_s:g} s."
        ),
        "Every answer is checked. Only requests that begin and end inside the window count.",
        f"{load}: {run.conditions}. A user is one request in flight, on every protocol alike.",
        "Response time runs from when a request was due to be sent to the last byte of its answer.",
        *_further(run, trials),
        "Percentiles come from all rounds' histograms, merged. One that fewer than ten requests exceed is left out.",
        "Medians over rounds with 95 % intervals, ratios paired by round. Only valid numbers are ranked.",
        "Candidates share a rank unless the interval of their ratio excludes 1.",
        "CPU is user and system time of all of a server's processes. Memory is their proportional set size.",
        f"Servers ran on {_cpus(where.server_cpus)}, the load generator on {_cpus(where.load_cpus)}.",
    ]
    if run.ceilings:
        ceilings = [f"{count(rate)} on {PROTOCOL_NAMES[protocol]}" for protocol, rate in run.ceilings.items()]
        lines.append(
            f"Requests/s that the load generator reaches against a server that does nothing: {join(ceilings)}."
        )
    return lines


def environment(
    run: RunInfo, summaries: Sequence[CaseSummary] = (), starts: Sequence[ServerStart] = ()
) -> list[tuple[str, str]]:
    """Names and values of what the numbers depend on."""
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
    """Those of servers that run in another Python than the harness."""
    others: dict[str, list[str]] = {}
    for server, interpreter in where.interpreters.items():
        if not interpreter.startswith(f"{where.python} "):
            others.setdefault(interpreter, []).append(server)
    return (
        [("Python of servers", "; ".join(f"{join(names)}: {what}" for what, names in others.items()))] if others else []
    )


def _rounds(run: RunInfo) -> str:
    conditions = run.conditions
    rounds = "1 round" if conditions.rounds == 1 else f"{conditions.rounds} rounds"
    if is_sweep(run):
        return f"{rounds} in a closed loop, then {rounds} in open loops"
    if conditions.precision is not None:
        goal = f"±{100 * conditions.precision:g} %"
        return f"{conditions.rounds} rounds, then up to {conditions.max_rounds} for what has not reached {goal}"
    return rounds


def _further(run: RunInfo, trials: Sequence[Record]) -> list[str]:
    """What is particular to the load, to a precision and to a second entry of the baseline."""
    lines = []
    if isinstance(run.conditions.load, Capacity):
        lines += _of_a_search(run.conditions.load, trials)
    if is_sweep(run):
        shares = join([percent(share) for share in SWEEP_OWN_SHARES])
        lines.append(
            f"Sweep: each is offered {shares} of the rate that it reached in a closed loop, and rates that all share "
            "as far as they do not overload it. An offered rate that is not answered has no latency to speak of."
        )
    if run.conditions.precision is not None:
        lines.append(
            "± is half the width of the widest interval of its ratios of throughput and CPU to the baseline; "
            "of its own throughput and CPU where the baseline has no valid number."
        )
    if run.conditions.control:
        name = run.baseline.server
        lines.append(f"Control (A/A): {name} is measured a second time; any difference found is the harness's error.")
    return lines


def _of_a_search(load: Capacity, trials: Sequence[Record]) -> list[str]:
    """How `harness.run.search` finds a capacity, and what it took."""
    level = load.level
    step = percent(SEARCH_RESOLUTION)
    lines = [
        f"Capacity: the highest offered rate that meets {level}, at least {percent(ANSWERED_LEAST)} answered.",
        f"A search doubles the rate from {count(SEARCH_FIRST_RPS)} requests/s until one misses the level.",
        "In later rounds it begins at half of what the earlier ones found. Where the first rate misses, it halves.",
        f"Then it bisects, until the lowest rate that missed is at most {step} above the highest that met.",
        f"At low rates a trial looks longer, up to {SEARCH_LONGEST_S:g} s, until its requests carry the percentile.",
        f"A further trial confirms that rate or lowers it by {step}, {SEARCH_CONFIRMATIONS} times at the most.",
    ]
    probes = [trial.probe for trial in trials if trial.probe is not None]
    if probes:
        lines.append(f"{len(probes)} trials were made in {sum(probe.final for probe in probes)} searches.")
    return lines


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _active(summaries: Sequence[CaseSummary], starts: Sequence[ServerStart]) -> list[tuple[str, str]]:
    """What each candidate really ran with, as its app saw it from within."""
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
    return f"CPU{'s' if len(numbers) > 1 else ''} {join([str(number) for number in numbers])}" if numbers else "any CPU"
