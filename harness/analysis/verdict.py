"""The verdict on one trial: can its number be used? Pure.

Every limit is a constant here. Every reason states a figure and its limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from harness.model.loads import ANSWERED_LEAST, Capacity, Rate, Saturate
from harness.model.protocols import TLS_PROTOCOLS
from harness.model.records import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from harness.analysis.link import LinkUse
    from harness.model.loads import Load
    from harness.model.plan import Case
    from harness.model.protocols import Protocol
    from harness.model.results import LoadResult

GENERATOR_CPU_LIMIT = 0.90
"""Above this share of its core, the generator's own queueing shows up in the latencies."""
NETWORK_LIMIT = 0.80
"""Above this share of what the link can carry, the link may be what limits the rate."""
PAUSED_LIMIT = 0.01
"""Above this share of the time, pauses of the generator by a CPU quota are among the slowest 1 % of the latencies."""
CEILING_LIMIT = 0.80
"""Above this share of its ceiling, the generator may be what limits the rate."""
SERVER_SATURATED = 0.95
"""A server that uses this share of its CPUs is saturated: no generator can get more than 5 % more out of it."""
SAMPLE_ERROR = 0.03
"""The server's share of its CPUs is known this closely: the end of a slice, in which it has less and less to do, is
part of it."""
IN_FLIGHT_LEAST = 0.50
"""If the requests in flight are fewer than this share of the users, the generator or its users spend most of their time
between requests."""
SLICE_RESIDENCES_LEAST = 2.0
"""Slices shorter than so many times what a request in flight takes are noted: they are chosen five times as long, by
what a short warm-up sees."""
ROUNDING_ERROR = 1e-9
"""Of sums of floating-point numbers."""
SEND_LAG_LIMIT_US = 1_000
"""The limit for the send lag at p99 while users were free: a generator this late adds its delay to the latencies."""
QUEUED_NOTED = 0.01
"""A reason says so if more than this share of the requests were due while no user was free."""
DISTURBED_FROM = 0.05
"""From this share on, CPU time that the host, other processes or a CPU quota took is reported: absolute numbers are
disturbed.

Ratios are left to their intervals and to the control: candidates that take turns lose alike.
"""
CLOCK_TICKS_ERROR_S = 0.04
"""The kernel counts CPU time in hundredths of a second: a difference of two counters between two readings may be off by
four of them."""
AGREED: Mapping[Protocol, str] = {
    "h1": "http/1.1",
    "h1-tls": "http/1.1",
    "h2": "h2",
    "h2c": "h2c",
    "ws": "websocket",
    "ws-tls": "websocket",
    "h3": "h3",
}
"""What client and server must have negotiated; over TLS, the TLS version comes before it."""

Finding = tuple[Verdict, str]
"""The verdict that one check alone would give, and the reason. With `valid`, the reason is only a note."""

GRAVITY: tuple[Verdict, ...] = get_args(Verdict)
"""Verdicts, from the best to the worst."""


@dataclass(frozen=True)
class Surroundings:
    """What is known about a trial besides its result; None where it was not measured."""

    server_cpu_ratio: float | None
    """CPU seconds of the server's processes ÷ seconds, while it was its turn."""
    server_cpus: int
    """How many CPUs the server may run on."""
    steal_ratio: float | None
    other_cpu_ratio: float | None
    """Share of the server's CPUs that processes not belonging to the server used."""
    ceiling_rps: float | None
    """The generator's ceiling for the protocol, in requests per second."""
    disjoint: bool
    """Did generator and server have separate CPUs?"""
    paused_ratio: float | None = None
    """Share of the time for which a CPU quota paused the server's container, or that of the harness."""
    observed_s: float = 1.0
    """How long the machine was observed, which limits how closely steal and other processes are known."""
    ended_workers: tuple[int, ...] = ()
    """The ids of the server's processes that ended during the measurement, if its first process still runs."""
    new_workers: int = 0
    """How many processes it started during the measurement."""
    link: LinkUse | None = None
    """What the link carried; None for the loopback."""
    load_workers: int = 0
    """How many load workers on other hosts the run has; 0 if load comes from this one."""
    missing_workers: tuple[str, ...] = ()
    """The names of those that did not take part."""


def judge(case: Case, result: LoadResult, around: Surroundings) -> tuple[Verdict, tuple[str, ...]]:
    """Return the verdict on a trial that has a result, and the reasons, worst first; the worst finding decides.

    In a search for a capacity, errors and a missed rate do not make a trial invalid: whether the service level was met
    is decided by the search.
    """
    if not result.checked:
        before = f"before anything counted, {_describe_errors(result)}; limit 0"
        return "invalid", (before, *_list_reasons(_check_workers(around)))
    load = case.load
    if result.requests == 0 and not isinstance(load, Capacity):
        why = [*_check_errors(load, result), *_check_stopped_users(case, result), *_check_workers(around)]
        return "invalid", (_explain_no_requests(result), *_list_reasons(why))
    findings = [
        *_check_errors(load, result),
        *_check_account(result),
        *_check_stopped_users(case, result),
        *_check_users(case, result),
        *_check_slices(result),
        *_note_missing_workers(result, around),
        *_check_rate(load, result),
        *_check_workers(around),
        *_note_changes(result),
        *_check_generator_and_machine(case, result, around),
    ]
    findings.sort(key=lambda finding: -GRAVITY.index(finding[0]))
    return findings[0][0] if findings else "valid", _list_reasons(findings)


def is_overloaded(case: Case, result: LoadResult, around: Surroundings) -> bool:
    """Was the offered rate more than the server can answer? False if generator or machine may be the reason."""
    if not result.checked or not _check_rate(case.load, result):
        return False
    if is_disturbed(around):
        return False
    return all(verdict == "valid" for verdict, _ in _check_generator_and_machine(case, result, around))


def is_disturbed(around: Surroundings) -> bool:
    """Did the host, other processes or a CPU quota take so much CPU time that absolute numbers are too low?"""
    error = CLOCK_TICKS_ERROR_S / around.observed_s
    shares = (around.steal_ratio, around.other_cpu_ratio, around.paused_ratio)
    return any((share or 0.0) > max(DISTURBED_FROM, error) for share in shares)


def _check_generator_and_machine(case: Case, result: LoadResult, around: Surroundings) -> list[Finding]:
    server_share = _server_share(case, around.server_cpu_ratio, around.server_cpus)
    return [
        *_check_send_lag(case, result),
        *_check_pauses(result),
        *_check_bottleneck(result, server_share, around.ceiling_rps),
        *_check_link(result, server_share, around.link),
        *_check_machine(around),
    ]


def _check_errors(load: Load, result: LoadResult) -> list[Finding]:
    if result.errors.total == 0:
        return []
    if isinstance(load, Capacity):
        return [("valid", f"{_describe_errors(result)}; the service level allows {_percent(load.error_share)}")]
    return [("invalid", f"{_describe_errors(result)}; limit 0")]


def _explain_no_requests(result: LoadResult) -> str:
    waiting = f", {result.unanswered} had none within the time limit" if result.unanswered else ""
    return f"0 requests got a right answer{waiting}; limit 1"


def _describe_errors(result: LoadResult) -> str:
    """How many requests failed, their share, and the first kind with its example."""
    errors = result.errors
    share = errors.total / max(result.finished, errors.total, 1)
    kind, count = next(iter(errors.by_kind.items()), ("unknown", errors.total))
    example = f" ({errors.examples[kind]})" if kind in errors.examples else ""
    return f"requests without a right answer: {errors.total:,} ({_percent(share)}), first {count:,} × {kind}{example}"


def _note_changes(result: LoadResult) -> list[Finding]:
    """A note on requests whose bodies changed during the run, which the app may do as it likes."""
    if not result.changes:
        return []
    names = ", ".join(sorted(result.changes))
    (name, example), *_ = sorted(result.changes.items())
    checked = "checked by status, type and length only"
    return [("valid", f"bodies that changed during the run, {checked}: {names} ({name}: {example})")]


def _note_missing_workers(result: LoadResult, around: Surroundings) -> list[Finding]:
    """A note where options allow fewer load workers: those that were left had all of the users."""
    if len(result.load_workers) >= around.load_workers:
        return []
    who = f"; missing: {', '.join(around.missing_workers)}" if around.missing_workers else ""
    return [("valid", f"load came from {len(result.load_workers)} of {around.load_workers} load workers{who}")]


def _check_account(result: LoadResult) -> list[Finding]:
    """Check that every request that was started is finished: one that its user abandoned has an unknown end."""
    lost = result.started - result.finished - result.abandoned
    findings: list[Finding] = []
    if lost:
        findings.append(("invalid", f"{lost:,} of {result.started:,} started requests are unaccounted for; limit 0"))
    if result.abandoned:
        findings.append(("invalid", f"{result.abandoned:,} requests were abandoned by users that ended; limit 0"))
    return findings


def _check_stopped_users(case: Case, result: LoadResult) -> list[Finding]:
    """Check that no user ended by itself, because the load was less then than was asked for."""
    if result.stopped_users == 0:
        return []
    return [("invalid", f"{result.stopped_users:,} of {case.users} users ended before the measurement did; limit 0")]


def _check_users(case: Case, result: LoadResult) -> list[Finding]:
    """Check what only our own users record; custom users are trusted, and a note says so."""
    if not result.verified:
        unchecked = "custom Locust users: responses were checked only as far as that file checks them"
        return [("valid", unchecked), *_check_think_time(case, result)]
    return [*_check_negotiated(case.protocol, result.connections.negotiated), *_check_in_flight(case, result)]


def _check_negotiated(protocol: Protocol, negotiated: str) -> list[Finding]:
    agreed = " ".join(part for part in negotiated.split() if not part.startswith("TLS"))
    encrypted = negotiated.startswith("TLS")
    if agreed == AGREED[protocol] and encrypted == (protocol in TLS_PROTOCOLS):
        return []
    wanted = f"TLS with {AGREED[protocol]}" if protocol in TLS_PROTOCOLS else AGREED[protocol]
    return [("invalid", f"negotiated {negotiated or 'nothing'}, asked for {wanted}")]


def _check_in_flight(case: Case, result: LoadResult) -> list[Finding]:
    """Check that the users of a closed loop had requests in flight: at most one each, and half of them at least."""
    if not isinstance(case.load, Saturate) or not result.slices:
        return []
    seen = f"{result.in_flight:.3g} requests in flight with {case.users} users"
    if result.in_flight > case.users * (1 + ROUNDING_ERROR):
        return [("invalid", f"{seen}; limit one for each")]
    if result.in_flight < case.users * IN_FLIGHT_LEAST:
        return [("client-limited", f"{seen}; limit {_percent(IN_FLIGHT_LEAST)} of them")]
    return []


def _check_think_time(case: Case, result: LoadResult) -> list[Finding]:
    """Check that custom users spend their time on requests and do not wait between them."""
    if result.in_flight >= case.users * IN_FLIGHT_LEAST:
        return []
    seen = f"{result.in_flight:.2g} requests in flight with {case.users} users"
    limit = f"limit {_percent(IN_FLIGHT_LEAST)} of them"
    return [("client-limited", f"{seen}: their think time limits the rate; {limit}")]


def _check_slices(result: LoadResult) -> list[Finding]:
    """A note where slices, whose length options may limit, are too short for the answers."""
    residence_s = result.service.mean_residence_us / 1e6
    longest_s = max((each.counted_s for each in result.slices), default=0.0)
    if result.errors.total or longest_s >= SLICE_RESIDENCES_LEAST * residence_s:
        return []
    text = f"slices of {longest_s:.3g} s are {longest_s / residence_s:.2g} times what a request in flight takes"
    return [("valid", f"{text}; noted below {SLICE_RESIDENCES_LEAST:g} times, see --slice and --duration")]


def _check_workers(around: Surroundings) -> list[Finding]:
    """Notes on worker processes that ended, which a server may recycle; what it cost is in the errors."""
    ended = around.ended_workers
    findings: list[Finding] = []
    for pids, fate in (
        (ended[: around.new_workers], "and {} replaced during the measurement"),
        (ended[around.new_workers :], "during the measurement and {} not replaced by its end"),
    ):
        if pids:
            who = f"worker process{'es' if pids[1:] else ''} {', '.join(map(str, pids))}"
            findings.append(("valid", f"{who} ended {fate.format('were' if pids[1:] else 'was')}"))
    return findings


def _check_rate(load: Load, result: LoadResult) -> list[Finding]:
    """Check that an open loop sent all that was due, and that it was answered at that rate."""
    if not isinstance(load, Rate):
        return []
    findings: list[Finding] = []
    answered = sum(each.answers for each in result.slices)
    due = sum(each.requests for each in result.slices) + result.errors.total + result.dropped
    # One request more or less may be in flight when a slice begins and when it ends.
    if answered < ANSWERED_LEAST * due - len(result.slices):
        text = f"{_percent(answered / due)} of the offered {load.rps:,.0f} requests/s were answered"
        findings.append(("invalid", f"{text}; limit {_percent(ANSWERED_LEAST)}"))
    if result.dropped:
        findings.append(("invalid", f"{result.dropped:,} requests found the queue full and were not sent; limit 0"))
    return findings


def _check_send_lag(case: Case, result: LoadResult) -> list[Finding]:
    """Check that an open loop sent requests when they were due."""
    if isinstance(case.load, Saturate):
        return []
    queued_share = result.queued / max(result.started, 1)
    if queued_share > QUEUED_NOTED:
        text = f"{_percent(queued_share)} of the requests were due when all {case.users} users waited for an answer"
        return [("valid", f"{text}; noted from {_percent(QUEUED_NOTED)}")]
    if (lag_us := result.send_lag.percentile(99)) > SEND_LAG_LIMIT_US:
        text = f"the generator sent {lag_us:,} µs late at p99 while users were free"
        return [("client-limited", f"{text}; limit {SEND_LAG_LIMIT_US:,} µs")]
    return []


def _check_pauses(result: LoadResult) -> list[Finding]:
    """Check that no CPU quota paused the generator: however busy the server is, its pauses are in the latencies."""
    if result.paused_ratio <= PAUSED_LIMIT:
        return []
    paused = f"a CPU quota paused the generator for {_percent(result.paused_ratio)} of the time"
    return [("client-limited", f"{paused}; limit {_percent(PAUSED_LIMIT)}, give its container whole CPUs")]


def _server_share(case: Case, server_cpu_ratio: float | None, server_cpus: int) -> float | None:
    """How busy the server was: 1.0 is all its workers can use: one CPU each, or all CPUs if there are fewer."""
    if server_cpu_ratio is None:
        return None
    return server_cpu_ratio / max(1, min(case.workers, server_cpus))


def _check_bottleneck(result: LoadResult, server_share: float | None, ceiling_rps: float | None) -> list[Finding]:
    """Check that the server limits the rate, and not the generator.

    By the utilisation law (Denning & Buzen 1978), rate = share of time busy × capacity for generator and server alike,
    so the one whose share is nearer to 1 is the bottleneck. The generator's share is known in two ways: from its CPU
    time, and as rate ÷ its ceiling. Above a limit the trial is client-limited, unless the server was at least as busy,
    or so busy (`SERVER_SATURATED`) that the rate is within 5 % of the server's own limit; both within the error of the
    samples. Without server samples we cannot rule the generator out.
    """
    ceiling_share = result.throughput_rps / ceiling_rps if ceiling_rps else 0.0
    generator_share = max(result.cpu_ratio, ceiling_share)
    if server_share is not None and server_share + SAMPLE_ERROR >= min(generator_share, SERVER_SATURATED):
        return []
    beside = "" if server_share is None else f", the server {_percent(server_share)} of its own"
    findings: list[Finding] = []
    if result.cpu_ratio >= GENERATOR_CPU_LIMIT:
        busiest = max(result.load_workers, key=lambda name: result.load_workers[name], default=None)
        used = f"{f'load worker {busiest}' if busiest else 'generator'} used {_percent(result.cpu_ratio)} of its core"
        findings.append(("client-limited", f"{used}{beside}; limit {_percent(GENERATOR_CPU_LIMIT)}"))
    if ceiling_share >= CEILING_LIMIT:
        # The ceiling is the highest rate of a short test, and no law: above it, a share would mean nothing.
        share = f"{_percent(ceiling_share)} of" if ceiling_share < 1 else "as fast as"
        reached = f"{share} the generator's ceiling of {ceiling_rps:,.0f} requests/s"
        findings.append(("client-limited", f"{reached}; limit {_percent(CEILING_LIMIT)}"))
    return findings


def _check_link(result: LoadResult, server_share: float | None, link: LinkUse | None) -> list[Finding]:
    """Check that the server limits the rate, and not the link, in the same way as for the generator."""
    if link is None:
        return []
    found = []
    for used, limit, words in (
        (link.bytes_per_s, link.limit_bytes_per_s, "{} MB/s"),
        (link.packets_per_s, link.limit_packets_per_s, "{} packets/s"),
    ):
        if used is not None and limit and (share := used / limit) >= NETWORK_LIMIT:
            size = 1e6 if "MB" in words else 1
            carried = f"the link carried {words.format(f'{used / size:,.0f}')}, {_percent(share)} of what it can"
            found.append((share, f"{carried}; limit {_percent(NETWORK_LIMIT)}"))
    if link.line_cpu_ratio is not None:
        # On one CPU, line and generator wait for each other.
        beside = 0.0 if link.line_has_cpu else result.cpu_ratio
        if (share := link.line_cpu_ratio + beside) >= GENERATOR_CPU_LIMIT:
            shared = "" if link.line_has_cpu else " and the generator on its CPU"
            busy = f"the delay line{shared} used {_percent(share)} of a core"
            found.append((share, f"{busy}; limit {_percent(GENERATOR_CPU_LIMIT)}"))
    saturated = -1.0 if server_share is None else server_share + SAMPLE_ERROR
    return [("network-limited", text) for share, text in found if saturated < min(share, SERVER_SATURATED)]


def _check_machine(around: Surroundings) -> list[Finding]:
    """Notes on what others took; they make absolute numbers disturbed, and no trial invalid."""
    error = CLOCK_TICKS_ERROR_S / around.observed_s
    noted = max(DISTURBED_FROM, error)
    shares = (
        (around.steal_ratio, "the host took {} of the CPU"),
        (around.other_cpu_ratio, "other processes used {} of the server's CPUs"),
        (around.paused_ratio, "a CPU quota paused servers or harness for {} of the time"),
    )
    findings: list[Finding] = [
        ("valid", f"{words.format(_percent(share))}: absolute numbers are disturbed; noted from {_percent(noted)}")
        for share, words in shares
        if share is not None and share > noted
    ]
    if not around.disjoint:
        beside = "Locust's master" if around.load_workers else "generator"
        findings.append(("valid", f"{beside} and server shared CPUs; each needs 1 of its own"))
    return findings


def _list_reasons(findings: Iterable[Finding]) -> tuple[str, ...]:
    return tuple(text for _, text in findings)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
