"""How and where a run was measured. Pure."""

from __future__ import annotations

import shlex
from collections import Counter
from typing import TYPE_CHECKING

from harness.analysis.naming import CONTROL_SUFFIX
from harness.analysis.summarise import RANKED_FROM_ROUNDS
from harness.model.loads import (
    ANSWERED_LEAST,
    SEARCH_CONFIRMATIONS,
    SEARCH_FIRST_RPS,
    SEARCH_LONGEST_S,
    SEARCH_RESOLUTION,
    SWEEP_OWN_SHARES,
    Capacity,
)
from harness.model.plan import TOGETHER
from harness.model.protocols import PROTOCOL_NAMES
from harness.report.link import describe_link
from harness.report.sections import is_sweep
from harness.text.numbers import TOO_FEW, WIDEST, count, join, percent, plural, significant, tolerance

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.model.machine import Machine
    from harness.model.plan import Compression
    from harness.model.records import Record, ServerStart
    from harness.model.run_info import Environment, Host, RunInfo
    from harness.model.summaries import CaseSummary

SLICES_FROM_SCHEMA = 2
"""Runs of an earlier schema were measured in windows, one server at a time."""


def describe_method(run: RunInfo, summaries: Sequence[CaseSummary] = (), trials: Sequence[Record] = ()) -> list[str]:
    """How it was measured, one or two sentences a line."""
    where, conditions = run.environment, run.conditions
    cut, load = (", cut short", "Load, as planned") if run.complete is False else ("", "Load")
    lines = [
        f"{_rounds(run)}{cut}: each starts every server anew, in an order shuffled with seed {conditions.seed}.",
        *(_describe_slices(run, summaries) if run.schema >= SLICES_FROM_SCHEMA else _describe_windows(run)),
        f"{load}: {conditions}. A user is one request in flight, on every protocol.",
        "Response time runs from when a request was due to be sent to the last byte of its answer.",
        _describe_compression(conditions.compression),
        *_further(run, summaries, trials),
        "Percentiles come from all rounds' histograms, merged. One that fewer than ten requests exceed is left out.",
        f"Only valid numbers from at least {RANKED_FROM_ROUNDS} rounds are ranked.",
        "Candidates share a rank unless the interval of their ratio excludes 1.",
        f"An interval whose ends differ by more than a factor of {WIDEST} is not shown: {TOO_FEW}.",
        "CPU is user and system time of all of a server's processes.",
        f"Servers ran on {_cpus(where.server_cpus)}, {_describe_load_hosts(run)}.",
    ]
    return [*lines, *_describe_ceilings(run, summaries), *describe_link(run)]


def _describe_compression(compression: Compression) -> str:
    if compression == "off":
        return "No request asked for compression."
    return f"Each request asked for compression: {compression}."


def _describe_ceilings(run: RunInfo, summaries: Sequence[CaseSummary]) -> list[str]:
    """What the load generator can do, and where nobody knows."""
    lines = []
    if run.ceilings:
        ceilings = [f"{significant(rate)} on {PROTOCOL_NAMES[protocol]}" for protocol, rate in run.ceilings.items()]
        users = plural(max(run.conditions.users), "user")
        lines.append(
            f"The load generator's ceiling with {users}, in requests/s against a server that does nothing: "
            f"{join(ceilings)}."
        )
    measured = dict.fromkeys(each.case.protocol for each in summaries if each.measured)
    if unknown := [PROTOCOL_NAMES[protocol] for protocol in measured if protocol not in run.ceilings]:
        lines.append(
            f"Its ceiling on {join(unknown)} is not known, as that server is slower or does not speak it, or others "
            "took its CPU; there, its CPU time alone says whether it limits a result."
        )
    return lines


def _describe_slices(run: RunInfo, summaries: Sequence[CaseSummary]) -> list[str]:
    """How servers took turns, and which requests count."""
    conditions = run.conditions
    together = conditions.together or TOGETHER
    lengths = sorted(each.slice_s for each in summaries if each.slice_s is not None)
    turn = f"slice of {_range(lengths)}" if lengths else "slice"
    counted = f"{conditions.duration_s:g} s that count"
    return [
        f"Up to {together} servers run at the same time and take turns: one of them is under load, the others are idle."
        if together > 1
        else "One server runs at a time.",
        f"A turn is a {turn} after a lead-in that does not count. A cycle is a turn of each, in random order.",
        f"Each measurement: an unmeasured pass, {conditions.warmup_s:g} s of warm-up, then cycles up to {counted}.",
        "Every answer is checked. Every request that began in a slice counts, however long it takes.",
        f"A request without an answer after {conditions.request_timeout_s:g} s is an error.",
        "Throughput counts each request by the share of its time that lies in the slice.",
        "Medians over rounds with 95 % intervals. Ratios: in each round the median over the cycles, then over rounds.",
        "Differs from start to start: standard deviation over starts, beyond what the cycles vary by.",
        "Memory is that of all of a server's processes, and does not depend on what runs beside them.",
    ]


def _describe_windows(run: RunInfo) -> list[str]:
    """How runs of the former schema were measured."""
    conditions = run.conditions
    return [
        (
            f"Each trial: an unmeasured pass, {conditions.warmup_s:g} s of warm-up, then a window of "
            f"{conditions.duration_s:g} s. One server ran at a time."
        ),
        "Every answer is checked. Only requests that begin and end inside the window count.",
        "Medians over rounds with 95 % intervals, ratios paired by round.",
        "Memory is the proportional set size of all of a server's processes.",
    ]


def _range(lengths_s: Sequence[float]) -> str:
    """`200 ms`, `200 ms to 1.5 s`."""
    least, most = (_time(each) for each in (lengths_s[0], lengths_s[-1]))
    return least if least == most else f"{least} to {most}"


def _time(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def describe_machines(run: RunInfo) -> list[str]:
    """What was measured on, a line for each machine."""
    where = run.environment
    servers, load = _cpus(where.server_cpus), _cpus(where.load_cpus)
    if not run.hosts:
        return [f"Machine: {_describe(where.machine)}; servers on {servers}, {_describe_load_hosts(run)}."]
    load = _describe_load_hosts(run) if run.load_workers else load
    return [f"{_describe_host(each)}; {servers if each.role == 'server' else load}." for each in run.hosts]


def _describe_host(host: Host) -> str:
    role = "Server host" if host.role == "server" else "Load host"
    named = f"{role} {host.name}" if host.name else role
    return f"{named}: {_describe(host.machine)}{', on the same machine' if host.shares_machine else ''}"


def _facts(host: Host) -> str:
    """What else is known of a host than its hardware."""
    listens = "" if host.address is None else f"; servers listened on {host.address or 'an address that is left out'}"
    clock = "" if host.clock_error_us is None else f"; its clock is known to ±{host.clock_error_us / 1000:.3g} ms"
    return f"harness {host.version}, {host.python}{listens}{clock}"


def _describe(machine: Machine) -> str:
    processor, system = machine.processor, machine.system
    kind = ", a virtual machine" if system.hypervisor else ""
    cpus = len(processor.cpus) or len(machine.limits.affinity) or 1
    memory_gb = (machine.ram.total_bytes or 0) / 1e9
    return (
        f"{processor.model or 'unknown'} × {cpus}{kind}, {memory_gb:.1f} GB, {system.os or 'unknown'}, "
        f"kernel {system.kernel or 'unknown'}"
    )


def _describe_load_hosts(run: RunInfo) -> str:
    """Where load came from."""
    if not run.load_workers:
        return f"the load generator on {_cpus(run.environment.load_cpus)}"
    hosts = Counter(f"{each.host or 'another host'} ({each.cpu_model} × {each.cpus})" for each in run.load_workers)
    parts = [f"{plural(number, 'load worker')} on {host}" for host, number in hosts.items()]
    return f"load came from {join(parts)}"


def describe_environment(
    run: RunInfo, summaries: Sequence[CaseSummary] = (), starts: Sequence[ServerStart] = ()
) -> list[tuple[str, str]]:
    """Names and values of all that the numbers depend on."""
    where = run.environment
    return [
        ("Command", shlex.join(run.argv)),
        ("Run", run.id),
        ("Started", run.started_at),
        *([("Host", where.host)] if where.host else []),
        ("CPU", f"{where.cpu_model} × {where.cpu_count}"),
        ("Memory", f"{where.memory_bytes / 1e9:.1f} GB"),
        ("System", f"{where.system}, kernel {where.kernel}"),
        ("Python", where.python),
        *((_describe_host(each).partition(":")[0], _facts(each)) for each in run.hosts),
        *(
            (f"Load worker {each.name}", f"{each.kernel}, {each.python}, harness {each.harness}, Locust {each.locust}")
            for each in run.load_workers
        ),
        *_other_interpreters(where),
        ("Servers", _versions(where.server_versions) or "versions unknown"),
        *([("Server arguments", _listed_texts(where.server_args))] if where.server_args else []),
        *([("Apps", _versions(where.app_versions))] if where.app_versions else []),
        *_active(summaries, starts),
        *([("No effect on the catalogue's servers and load", ", ".join(where.kept_out))] if where.kept_out else []),
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


def _further(run: RunInfo, summaries: Sequence[CaseSummary], trials: Sequence[Record]) -> list[str]:
    """What is particular to a search, a sweep, a precision and a control."""
    lines = []
    if isinstance(run.conditions.load, Capacity):
        lines += _describe_search(run.conditions.load, trials)
    if is_sweep(run):
        shares = join([percent(share) for share in SWEEP_OWN_SHARES])
        lines.append(
            f"Sweep: each candidate is offered {shares} of the rate that it reached in a closed loop, and rates that "
            "all candidates share, as far as they do not overload it. A rate that was not kept has no latency: it "
            "would only say how long it was measured."
        )
    if run.conditions.precision is not None:
        lines.append(
            "± is half the width of the widest interval: of the ratios of throughput and CPU to the baseline, or of "
            "the case's own throughput and CPU where there is nothing to divide by."
        )
    if run.conditions.control:
        twice = [each.name.removesuffix(CONTROL_SUFFIX) for each in summaries if each.case.control]
        names = list(dict.fromkeys(twice)) or [run.baseline.server]
        lines.append(
            f"Control: {join(names)}, {'each ' if len(names) > 1 else ''}entered a second time with its own processes; "
            "any difference between the two entries is an error of the measurement."
        )
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
    """The event loop and modules of each candidate, as its app found them at run time, its control included."""
    names = {(each.case.server, each.case.app): each.name for each in summaries if not each.case.control}
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


def _listed_texts(texts: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {text}" for name, text in texts.items())


def _listed(seen: Mapping[str, Iterable[str]]) -> str:
    return "; ".join(f"{name}: {', '.join(sorted(seen[name]))}" for name in sorted(seen))


def _cpus(numbers: Sequence[int]) -> str:
    return f"CPU{'s' if len(numbers) > 1 else ''} {join([str(each) for each in numbers])}" if numbers else "any CPU"
