"""Summaries of runs that never took place, for charts and reports to show; the same seed gives the same numbers."""

from __future__ import annotations

import math
import random
import statistics
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from harness.model.histogram import Histogram
from harness.model.loads import Rate, Sweep
from harness.model.machine import (
    Activity,
    Cpu,
    Limits,
    Machine,
    Network,
    Power,
    Processor,
    Python,
    Ram,
    System,
)
from harness.model.plan import Candidate, Case, Comparison, Conditions
from harness.model.protocols import Protocol
from harness.model.records import Verdict
from harness.model.results import Errors
from harness.model.run_info import Environment, RunInfo
from harness.model.summaries import CaseSummary, ComparisonSummary, Estimate, Latency, Memory, Ratio, Ratios, Stretch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

SPEED = {"granian": 9_400.0, "uvicorn": 9_100.0, "gunicorn": 7_900.0, "hypercorn": 3_900.0, "daphne": 2_900.0}
"""Requests per second of plaintext over HTTP/1.1; servers without an entry get one by their name's length."""
SCENARIO_COST = {"plaintext": 1.0, "json": 0.94, "echo": 0.72, "ws_echo": 1.15}
PROTOCOL_COST: Mapping[Protocol, float] = {"h1": 1.0, "h1-tls": 0.9, "h2": 0.55, "h2c": 0.6, "ws": 1.3, "ws-tls": 1.1}
USUAL_COMPARISONS: tuple[tuple[str, Protocol], ...] = (
    ("plaintext", "h1"),
    ("plaintext", "h2"),
    ("json", "h1"),
    ("json", "h2"),
    ("echo", "h1"),
    ("echo", "h2"),
    ("ws_echo", "ws"),
)


@dataclass(frozen=True)
class Fault:
    """What went wrong with a case: its verdict, the reasons, and the errors behind it."""

    verdict: Verdict
    reasons: tuple[str, ...]
    errors: Errors = field(default_factory=Errors)

    @property
    def has_numbers(self) -> bool:
        return self.verdict in {"client-limited", "invalid"}


def usual_faults(case: Case) -> Fault | None:
    """One case of every verdict that is not `valid`."""
    if case.server == "uvicorn" and case.protocol == "h2":
        return Fault("unsupported", ("uvicorn speaks no HTTP/2 without the package zttp",))
    if (case.server, case.scenario, case.protocol) == ("granian", "plaintext", "h1"):
        return Fault("client-limited", ("generator CPU at 99 % of one core", "97 % of the calibrated ceiling"))
    if (case.server, case.scenario, case.protocol) == ("daphne", "echo", "h2"):
        reason = "no trial came back: the verification pass expected status 200, found 500"
        return Fault("failed", (reason,), Errors(1, {"status": 1}, {"status": "POST /echo: 500 Server Error"}))
    if (case.server, case.scenario, case.protocol) == ("hypercorn", "json", "h2"):
        errors = Errors(214, {"reset": 200, "timeout": 14}, {"reset": "GOAWAY, last stream 1999", "timeout": "10 s"})
        return Fault("invalid", ("2.1 % of the requests had no right answer",), errors)
    return None


def no_faults(_case: Case) -> Fault | None:
    return None


def machine() -> Machine:
    """A virtual machine with two CPUs."""
    return Machine(
        processor=Processor(
            "AMD EPYC 7B13 64-Core Processor", (Cpu(0), Cpu(1)), None, None, (), None, None, None, None
        ),
        system=System("6.1.0-28-amd64", "Debian GNU/Linux 12 (bookworm)", hypervisor=True, product=None),
        ram=Ram(8 * 1024**3, None, None, None),
        limits=Limits((0, 1), True, None, None, None, None, None, None),
        network=Network(None, None, None, None, None),
        power=Power(None, None),
        activity=Activity(None, None, 0.0, None, None, ()),
        python=Python("CPython", "3.11.2", "GCC", None, None, debug=False, gil=True),
    )


def run_info(servers: Sequence[str] = ("uvicorn", "hypercorn", "daphne", "granian"), **conditions: Any) -> RunInfo:
    """A run of these servers, the first of them the baseline."""
    versions = {"uvicorn": "0.54.0", "hypercorn": "0.18.0", "daphne": "4.2.3", "granian": "2.8.7"}
    environment = Environment(
        host="bench-1",
        machine=machine(),
        packages={"uvloop": "0.23.0", "httptools": "0.9.0", "locust": "2.47.0", "gevent": "26.9.0"},
        server_cpus=(0,),
        load_cpus=(1,),
        git_commit="3f2c1d0",
        server_versions={server: versions.get(server, "1.2.3") for server in servers},
    )
    return RunInfo(
        id="20261120-101500",
        started_at="2026-11-20T10:15:00+00:00",
        argv=("harness", "run", "--scenarios", "plaintext,json,echo,ws_echo"),
        environment=environment,
        baseline=Candidate(servers[0], "asgi"),
        conditions=Conditions(seed=7, **conditions),
        ceilings={"h1": 11_800.0, "h2": 9_700.0, "ws": 15_200.0},
    )


def under(run: RunInfo, **conditions: Any) -> RunInfo:
    """The run under other conditions."""
    return replace(run, conditions=replace(run.conditions, **conditions))


def flat(comparisons: Iterable[ComparisonSummary]) -> list[CaseSummary]:
    """The summaries of all comparisons."""
    return [each for comparison in comparisons for each in comparison.summaries]


def grouped(summaries: Iterable[CaseSummary]) -> list[ComparisonSummary]:
    """The comparisons that these cases make, each with the best first, as analysis hands them on."""
    found: dict[Comparison, list[CaseSummary]] = {}
    for each in summaries:
        found.setdefault(each.case.comparison, []).append(each)
    return [
        ComparisonSummary(comparison, tuple(sorted(own, key=_place)), _reference(own))
        for comparison, own in found.items()
    ]


def _reference(summaries: Sequence[CaseSummary]) -> Candidate | None:
    """The candidate whose ratio is exactly 1, else uvicorn if there are ratios."""
    paired = [each for each in summaries if each.ratio_to_baseline and not each.case.control]
    exact = [each for each in paired if each.ratio_to_baseline and each.ratio_to_baseline.throughput == Ratio(1, 1, 1)]
    usual = [each for each in paired if each.case.server == "uvicorn"]
    return next((each.case.candidate for each in (*exact, *usual)), None)


def _place(summary: CaseSummary) -> tuple[float, float, str]:
    rank = summary.rank if summary.verdict == "valid" else None
    return rank or math.inf, -(summary.throughput_rps.median if summary.throughput_rps else -1.0), summary.name


def summaries(
    servers: Sequence[str] = ("uvicorn", "hypercorn", "daphne", "granian"),
    asked: Sequence[tuple[str, Protocol]] = USUAL_COMPARISONS,
    fault: Callable[[Case], Fault | None] = usual_faults,
    requests_per_case: int = 12_000,
    *,
    control: bool = False,
) -> list[ComparisonSummary]:
    """A comparison of these servers for each scenario and protocol, ranked and set against the first server.

    With a control, the first server is measured a second time.
    """
    chance = random.Random(20261120)
    found = []
    for scenario, protocol in asked:
        cases = [Case(server, "asgi", scenario, protocol) for server in servers]
        if control:
            cases.append(replace(cases[0], control=True))
        own = [_summary(chance, case, fault, requests_per_case) for case in cases]
        found += grouped(_ranked(own))
    return found


SHARES = (0.1, 0.25, 0.5, 0.7, 0.9, 1.05)
"""Of each server's own rate, in a sweep that never took place; the last overloads."""


def sweep(servers: Sequence[str] = ("uvicorn", "daphne"), *, control: bool = False) -> list[ComparisonSummary]:
    """A closed loop and open loops of plaintext over HTTP/1.1; p99 is 0.9 ms ÷ (1 − share), and 90 ms at the end."""
    found = []
    for closed in flat(summaries(servers, USUAL_COMPARISONS[:1], no_faults, 200, control=control)):
        assert closed.throughput_rps is not None
        found.append(replace(closed, rank=None))
        for share in SHARES:
            rate = float(round(share * closed.throughput_rps.median))
            kept = share < 1
            p99_us = 900 / (1 - share) if kept else 90_000.0
            tail = Latency(p50=_about(p99_us / 4), p99=_about(p99_us))
            found.append(
                replace(
                    closed,
                    case=replace(closed.case, load=Rate(rate)),
                    rank=None,
                    verdict="valid" if kept else "invalid",
                    reasons=() if kept else (f"88 % of the offered {rate:,.0f} requests/s were answered; limit 99 %",),
                    offered_rps=rate,
                    achieved_ratio=1.0 if kept else 0.88,
                    overloaded=not kept,
                    own_share=share,
                    latency_us=tail,
                    ratio_to_baseline=None,
                )
            )
    return [swept(found)]


def swept(summaries: Iterable[CaseSummary]) -> ComparisonSummary:
    """The one comparison that these cases of a sweep make."""
    own = tuple(summaries)
    return ComparisonSummary(replace(own[0].case.comparison, load=Sweep()), own)


def with_workers(
    counts: Sequence[int], each_more: float, servers: Sequence[str] = ("uvicorn",)
) -> list[ComparisonSummary]:
    """Plaintext over HTTP/1.1 by worker count; each worker after the first adds `each_more` of what the first does."""
    alone = flat(summaries(servers, USUAL_COMPARISONS[:1], no_faults, 200))
    return grouped(times(each, 1 + each_more * (count - 1), count) for count in counts for each in alone)


def with_users(
    factors: Mapping[int, Mapping[str, float]], *, protocol: Protocol = "h1", control: bool = False
) -> list[ComparisonSummary]:
    """Plaintext by number of users: for each number, what the servers answer ÷ what the first of them answers."""
    found = []
    for users, own in factors.items():
        alone = flat(summaries(list(own), [("plaintext", protocol)], no_faults, 200, control=control))
        base = next(each for each in alone if each.case.server == next(iter(own)))
        assert base.throughput_rps is not None
        order = sorted(own, key=lambda server: -own[server])
        for each in alone:
            ratio = own[each.case.server]
            rate = base.throughput_rps.median * ratio
            width = 0.0 if each.case.candidate == base.case.candidate else 0.03
            around = Ratio(ratio, ratio * (1 - width), ratio * (1 + width))
            found.append(
                replace(
                    each,
                    case=replace(each.case, users=users),
                    throughput_rps=_about(rate),
                    throughput_by_round_rps=(rate,) * 5,
                    cpu_us_per_request=_about(900_000 / rate),
                    ratio_to_baseline=Ratios(around, around, None),
                    rank=None if each.case.control else 1 + order.index(each.case.server),
                )
            )
    return grouped(found)


def at_distances(rates_rps: Mapping[float, Mapping[str, float]], server: str = "granian") -> list[ComparisonSummary]:
    """Plaintext on one server by round-trip time: what it answers over each protocol, in requests per second."""
    found = []
    for rtt_s, own in rates_rps.items():
        for protocol, rate in own.items():
            (each,) = flat(summaries([server], [("plaintext", protocol)], no_faults, 200))
            took_us = 1e6 * rtt_s + 1e6 / rate
            latency = Latency(_about(took_us), _about(1.1 * took_us), _about(1.2 * took_us), None, _about(2 * took_us))
            found.append(
                replace(
                    each,
                    case=replace(each.case, rtt_s=rtt_s),
                    throughput_rps=_about(rate),
                    throughput_by_round_rps=(rate, 0.99 * rate, 1.01 * rate),
                    throughput_rounds=(1, 2, 3),
                    latency_us=latency,
                )
            )
    return grouped(found)


def with_apps(servers: Sequence[str], apps: Sequence[str]) -> list[ComparisonSummary]:
    """Plaintext over HTTP/1.1 for each app on each server, named as a run names them."""
    found = []
    for app in apps:
        for each in flat(summaries(servers, USUAL_COMPARISONS[:1], no_faults, 200)):
            name = app if len(servers) == 1 else f"{app} on {each.name}"
            found.append(replace(each, case=replace(each.case, app=app), name=name))
    return grouped(found)


def timed(
    comparisons: Iterable[ComparisonSummary], *, rounds: int = 5, disturbed: Iterable[int] = (), tails: int = 4
) -> list[ComparisonSummary]:
    """The comparisons, each measured for 4 s in every round; `disturbed` are measurements by their number.

    Of each, so many slices have a p99 as `tails` says.
    """
    chance, bad = random.Random(7), set(disturbed)
    found = []
    for number, comparison in enumerate(comparisons):
        own = []
        for each in comparison.summaries:
            rate = each.throughput_rps.median if each.throughput_rps else math.inf
            stretches = tuple(
                Stretch(
                    rounds * number + of,
                    of,
                    4.0,
                    tuple((second + 0.5, rate * chance.gauss(1, 0.04)) for second in range(4)),
                    tuple((second + 0.5, 32e6 / rate * chance.gauss(1.8, 0.1)) for second in range(tails)),
                    disturbed=rounds * number + of in bad,
                )
                for of in range(rounds)
            )
            own.append(replace(each, timeline=stretches if each.measured else ()))
        found.append(replace(comparison, summaries=tuple(own)))
    return found


def times(summary: CaseSummary, factor: float, workers: int) -> CaseSummary:
    """The summary with that many workers, and its throughput times `factor`."""
    rounds = tuple(factor * each for each in summary.throughput_by_round_rps)
    case = replace(summary.case, workers=workers)
    return replace(summary, case=case, throughput_by_round_rps=rounds, throughput_rps=_estimate(rounds))


def _about(value: float) -> Estimate:
    return Estimate(value, value * 0.9, value * 1.1)


def _summary(chance: random.Random, case: Case, faults: Callable[[Case], Fault | None], requests: int) -> CaseSummary:
    fault = faults(case)
    name = f"{case.server} (control)" if case.control else case.server
    if fault and not fault.has_numbers:
        return CaseSummary(case, fault.verdict, fault.reasons, 0, 0, fault.errors, name=name)
    base = SPEED.get(case.server, 1_500.0 + 450 * len(case.server))
    speed = base * SCENARIO_COST.get(case.scenario, 0.5) * PROTOCOL_COST[case.protocol]
    rounds = tuple(speed * chance.gauss(1, 0.05) for _ in range(5))
    costs = tuple(0.9e6 / value * chance.gauss(1, 0.015) for value in rounds)
    scale_us = 32e6 / speed
    response = Histogram.of(int(scale_us * math.exp(chance.gauss(-0.04, 0.28))) for _ in range(requests))
    idle = int(chance.uniform(26e6, 48e6))
    peak = int(idle * chance.uniform(1.02, 1.5))
    return CaseSummary(
        case,
        fault.verdict if fault else "valid",
        fault.reasons if fault else (),
        rounds=5,
        requests=requests,
        errors=fault.errors if fault else Errors(),
        throughput_rps=_estimate(rounds),
        throughput_by_round_rps=rounds,
        throughput_rounds=tuple(range(1, 6)),
        latency_us=_latency(response),
        service_us=_latency(response),
        response=response,
        cpu_us_per_request=_estimate(costs),
        cpu_us_per_request_by_round=costs,
        cpu_rounds=tuple(range(1, 6)),
        memory_pss_bytes=Memory(idle, peak, Estimate(peak * 0.98, peak * 0.95, peak)),
        ready_s=Estimate(0.21, 0.19, 0.24),
        first_request_s=Estimate(0.0012, 0.001, 0.0015),
        stop_s=Estimate(0.11, 0.1, 0.12),
        connections=32 * 5,
        precision=0.031,
        name=name,
    )


def _estimate(values: Sequence[float]) -> Estimate:
    middle = statistics.median(values)
    margin = statistics.stdev(values) * 2.78 / math.sqrt(len(values))
    return Estimate(middle, middle - margin, middle + margin)


def _latency(histogram: Histogram) -> Latency:
    def at(percent: float) -> Estimate:
        value = histogram.percentile(percent)
        return Estimate(value, value * 0.97, value * 1.04)

    return Latency(at(50), at(90), at(99), at(99.9) if histogram.count >= 10_000 else None, at(100))


def _ranked(group: Sequence[CaseSummary]) -> list[CaseSummary]:
    """Ranks for the valid cases, shared where the intervals overlap, and ratios to the group's first server."""
    fastest_first = sorted(
        (each for each in group if each.verdict == "valid" and each.throughput_rps and not each.case.control),
        key=lambda each: -each.throughput_rps.median if each.throughput_rps else 0.0,
    )
    ranks: dict[str, int] = {}
    leader: Estimate | None = None
    for place, each in enumerate(fastest_first, start=1):
        own = each.throughput_rps
        if leader and own and own.high >= leader.low:
            ranks[each.case.server] = ranks[fastest_first[place - 2].case.server]
        else:
            ranks[each.case.server], leader = place, own
    return [_with(each, None if each.case.control else ranks.get(each.case.server), group[0]) for each in group]


def _with(summary: CaseSummary, rank: int | None, baseline: CaseSummary) -> CaseSummary:
    if not (summary.throughput_rps and baseline.throughput_rps and baseline.verdict == "valid"):
        return replace(summary, rank=rank)
    value = summary.throughput_rps.median / baseline.throughput_rps.median
    width = 0.0 if summary is baseline else 0.045
    speed = Ratio(value, value * (1 - width), value * (1 + width))
    cost = Ratio(1 / value, (1 - width) / value, (1 + width) / value)
    precision = 0.0 if summary is baseline else summary.precision
    return replace(summary, rank=rank, ratio_to_baseline=Ratios(speed, cost, None), precision=precision)
