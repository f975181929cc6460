"""May the number of one trial be believed? Pure.

Every limit has a name here, and every reason states its figure and its limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from harness.model.loads import ANSWERED_LEAST, Capacity, Rate, Saturate
from harness.model.protocols import TLS_PROTOCOLS
from harness.model.results import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from harness.model.loads import Load
    from harness.model.plan import Case
    from harness.model.protocols import Protocol
    from harness.model.results import LoadResult

GENERATOR_CPU_LIMIT = 0.90
"""Of its one core: beyond, queues in the generator are part of what it measures."""
CEILING_LIMIT = 0.80
"""Of the rate that the generator reaches against a server that does nothing."""
SERVER_SATURATED = 0.95
"""Of its cores: a server this busy has 5 % more to give, whatever drives it."""
SAMPLED_TO_S = 0.01
"""What the server used by either end of a window is known to: it is looked at ten times a second, and the rest drawn
straight between the looks."""
IN_FLIGHT_EXCESS = 0.02
"""More requests in flight than users cannot be; 2 % are left for clocks."""
IN_FLIGHT_LEAST = 0.50
"""Of the users: below, the generator spends its time between requests and not on them."""
SHORT_OF_WINDOW = 0.25
"""Of the window: a request this short can be missed by it hardly more often than a shorter one."""
SEND_LAG_LIMIT_US = 1_000
"""At p99, while users were free: a generator so late adds its own lateness to the response time."""
QUEUED_NOTED = 0.01
"""Of the requests: so many found no user free when they were due."""
STEAL_NOTED = 0.05
"""Of the machine: interleaved rounds and paired ratios still bear it."""
STEAL_LIMIT = 0.20
"""Of the machine: on two CPUs this can be nearly half of the server's."""
OTHER_CPU_NOTED = 0.05
"""Of the server's CPUs, used by processes other than its own: what the kernel gives them the server waits for."""
OTHER_CPU_LIMIT = 0.20
"""Of the server's CPUs."""
KNOWN_TO_S = 0.04
"""What the kernel says of a CPU's time is right to a hundredth of a second, at either end, of each of two figures."""
AGREED: Mapping[Protocol, str] = {
    "h1": "http/1.1",
    "h1-tls": "http/1.1",
    "h2": "h2",
    "h2c": "h2c",
    "ws": "websocket",
    "ws-tls": "websocket",
    "h3": "h3",
}
"""What the peers must have agreed on; with the TLS version before it where there is TLS."""

Finding = tuple[Verdict, str]
"""What one check found: the verdict that it alone would give (`valid`: to be told, no more), and the words."""

GRAVITY: tuple[Verdict, ...] = get_args(Verdict)
"""Verdicts from the one that is hoped for to the gravest."""


@dataclass(frozen=True)
class Surroundings:
    """What is known of a trial beside its result; None where it is not known."""

    server_cpu_s: float | None
    """CPU seconds of the server's processes inside the window."""
    server_cpus: int
    """How many CPUs the server may run on."""
    steal_ratio: float | None
    other_cpu_ratio: float | None
    """Share of the server's CPUs that other processes used."""
    ceiling_rps: float | None
    """The generator's calibrated rate for the protocol."""
    disjoint: bool
    """Had generator and server CPUs of their own?"""


def judge(case: Case, result: LoadResult, around: Surroundings) -> tuple[Verdict, tuple[str, ...]]:
    """Verdict on one trial that gave a result, and the reasons, the gravest first; the gravest finding decides.

    A trial of a search for a capacity is judged as a trial: whether it met the level is the search's to say, so errors
    and a rate that was not kept are no faults of it.
    """
    if not result.checked:
        return "invalid", (f"before the window, {_first_error(result)}; limit 0",)
    load = case.load
    if result.requests == 0 and not isinstance(load, Capacity):
        return "invalid", (_nothing(result), *_texts(_errors(load, result)))
    findings = [
        *_errors(load, result),
        *_account(result),
        *_of_our_users(case, result),
        *_kept(load, result),
        *_not_the_servers(case, result, around),
    ]
    findings.sort(key=lambda finding: -GRAVITY.index(finding[0]))
    return findings[0][0] if findings else "valid", _texts(findings)


def overloaded(case: Case, result: LoadResult, around: Surroundings) -> bool:
    """Was a given rate more than the server answers? Not so where generator or machine may have been the reason."""
    if not result.checked or not _kept(case.load, result):
        return False
    return all(verdict == "valid" for verdict, _ in _not_the_servers(case, result, around))


def disturbed(result: LoadResult, around: Surroundings) -> bool:
    """Did the host or other processes take so much of the window that its number says nothing?

    A request that was not answered right, or was lost, is the server's still.
    """
    if result.window_s == 0 or result.errors.total or _account(result):
        return False
    return any(verdict == "invalid" for verdict, _ in _machine(result.window_s, around))


def _not_the_servers(case: Case, result: LoadResult, around: Surroundings) -> list[Finding]:
    """What is found of the generator and of the machine."""
    server_share = _server_share(case, result, around.server_cpu_s, around.server_cpus)
    return [
        *_in_time(case, result),
        *_bottleneck(result, server_share, around.ceiling_rps),
        *_machine(result.window_s, around),
    ]


def _errors(load: Load, result: LoadResult) -> list[Finding]:
    if result.errors.total == 0:
        return []
    if isinstance(load, Capacity):
        return [("valid", f"{_first_error(result)}; the level allows {_percent(load.error_share)}")]
    return [("invalid", f"{_first_error(result)}; limit 0")]


def _nothing(result: LoadResult) -> str:
    waiting = f", {result.abandoned} were in flight at its end" if result.abandoned else ""
    longer = "; a longer --duration may hold some" if result.abandoned else ""
    return f"0 requests came back right in the window{waiting}; limit 1{longer}"


def _first_error(result: LoadResult) -> str:
    """How many requests failed, their share, and the first kind with its example."""
    errors = result.errors
    share = errors.total / max(result.finished, errors.total, 1)
    kind, count = next(iter(errors.by_kind.items()), ("unknown", errors.total))
    example = f" ({errors.examples[kind]})" if kind in errors.examples else ""
    return f"requests without a right answer: {errors.total:,} ({_percent(share)}), first {count:,} × {kind}{example}"


def _account(result: LoadResult) -> list[Finding]:
    """Every request that was started has an end."""
    lost = result.started - result.finished - result.abandoned
    if lost == 0:
        return []
    return [("invalid", f"{lost:,} of {result.started:,} started requests are unaccounted for; limit 0")]


def _of_our_users(case: Case, result: LoadResult) -> list[Finding]:
    """What is known only where the users were ours; of others their word is taken, and that is told."""
    if not result.verified:
        unchecked = "users of a Locust file of its own: what it does not check, nobody did"
        return [("valid", unchecked), *_pace(case, result)]
    return [*_negotiated(case.protocol, result.connections.negotiated), *_in_flight(case, result)]


def _negotiated(protocol: Protocol, negotiated: str) -> list[Finding]:
    agreed = " ".join(part for part in negotiated.split() if not part.startswith("TLS"))
    encrypted = negotiated.startswith("TLS")
    if agreed == AGREED[protocol] and encrypted == (protocol in TLS_PROTOCOLS):
        return []
    wanted = f"TLS with {AGREED[protocol]}" if protocol in TLS_PROTOCOLS else AGREED[protocol]
    return [("invalid", f"negotiated {negotiated or 'nothing'}, asked for {wanted}")]


def _in_flight(case: Case, result: LoadResult) -> list[Finding]:
    """Little's law for a closed loop: requests in flight = rate × mean service time (Little 1961).

    At most one per user, and more than half of the users. The edges of the window blur that by one request per user:
    one that began before it is counted in the rate, one that ends after it is not. So requests that last as long as the
    window are not seen at all, but for those that are in flight when it closes.
    """
    if not isinstance(case.load, Saturate):
        return []
    mean_s = result.service.mean_us / 1e6
    in_flight = result.throughput_rps * mean_s
    edges = mean_s / result.window_s
    seen = f"{in_flight:.3g} requests in flight (rate × mean service time) with {case.users} users"
    if in_flight > case.users * (1 + IN_FLIGHT_EXCESS + edges):
        return [("invalid", f"{seen}; limit {_percent(IN_FLIGHT_EXCESS)} above")]
    at_the_end = result.abandoned
    if in_flight < case.users * (1 - edges) * IN_FLIGHT_LEAST and at_the_end < case.users * IN_FLIGHT_LEAST:
        return [("client-limited", f"{seen}; limit {_percent(IN_FLIGHT_LEAST)} of them")]
    return []


def _pace(case: Case, result: LoadResult) -> list[Finding]:
    """Whether users of a Locust file of its own spend their time on requests, or wait between them.

    Requests that last as long as the window would not be seen, so nothing is said where any come near that.
    """
    in_flight = result.throughput_rps * result.service.mean_us / 1e6
    if in_flight >= case.users * IN_FLIGHT_LEAST or result.service.max_us / 1e6 > SHORT_OF_WINDOW * result.window_s:
        return []
    seen = f"{in_flight:.2g} requests in flight (rate × mean time) with {case.users} users, who wait between requests"
    return [("client-limited", f"{seen}: the rate is their pace; limit {_percent(IN_FLIGHT_LEAST)} of them")]


def _kept(load: Load, result: LoadResult) -> list[Finding]:
    """Whether what was due at a given rate was sent, and answered at that rate."""
    if not isinstance(load, Rate):
        return []
    findings: list[Finding] = []
    achieved = result.throughput_rps / load.rps
    if achieved < ANSWERED_LEAST:
        text = f"{_percent(achieved)} of the offered {load.rps:,.0f} requests/s were answered"
        findings.append(("invalid", f"{text}; limit {_percent(ANSWERED_LEAST)}"))
    if result.dropped:
        findings.append(("invalid", f"{result.dropped:,} requests found the queue full and were not sent; limit 0"))
    return findings


def _in_time(case: Case, result: LoadResult) -> list[Finding]:
    """Whether an open loop sent what was due when it was due."""
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


def _server_share(case: Case, result: LoadResult, server_cpu_s: float | None, server_cpus: int) -> float | None:
    """How busy the server was: 1.0 is all that its workers can use, a core each as long as there are cores."""
    if server_cpu_s is None:
        return None
    return server_cpu_s / result.window_s / max(1, min(case.workers, server_cpus))


def _bottleneck(result: LoadResult, server_share: float | None, ceiling_rps: float | None) -> list[Finding]:
    """Whether the number is the generator's own.

    By the utilisation law (Denning & Buzen 1978) rate = share of time busy × capacity, for generator and server alike,
    so the one nearer to 1 is the bottleneck. The generator's share is known twice: from its CPU, and as rate ÷ its
    calibrated ceiling. Past a limit it is blamed, unless the server was at least as busy, or so busy
    (`SERVER_SATURATED`) that the rate is within 5 % of the server's own limit even if the generator is saturated too;
    both as far as the samples can tell.
    A server that was not looked at acquits nobody.
    """
    ceiling_share = result.throughput_rps / ceiling_rps if ceiling_rps else 0.0
    generator_share = max(result.cpu_ratio, ceiling_share)
    known_to = SAMPLED_TO_S / result.window_s
    if server_share is not None and server_share + known_to >= min(generator_share, SERVER_SATURATED):
        return []
    beside = "" if server_share is None else f", the server {_percent(server_share)} of its own"
    findings: list[Finding] = []
    if result.cpu_ratio >= GENERATOR_CPU_LIMIT:
        used = f"generator used {_percent(result.cpu_ratio)} of its core"
        findings.append(("client-limited", f"{used}{beside}; limit {_percent(GENERATOR_CPU_LIMIT)}"))
    if ceiling_share >= CEILING_LIMIT:
        reached = f"{_percent(ceiling_share)} of the generator's ceiling of {ceiling_rps:,.0f} requests/s"
        findings.append(("client-limited", f"{reached}; limit {_percent(CEILING_LIMIT)}"))
    return findings


def _machine(window_s: float, around: Surroundings) -> list[Finding]:
    foreign = "other processes used {} of the server's CPUs"
    findings = [
        *_taken(around.steal_ratio, "the host took {} of the CPU", window_s, STEAL_NOTED, STEAL_LIMIT),
        *_taken(around.other_cpu_ratio, foreign, window_s, OTHER_CPU_NOTED, OTHER_CPU_LIMIT),
    ]
    if not around.disjoint:
        findings.append(("valid", "generator and server shared CPUs; each needs 1 of its own"))
    return findings


def _taken(share: float | None, words: str, window_s: float, noted: float, limit: float) -> list[Finding]:
    """CPU time that went to others: told from one share on, and too much from another.

    In a short window the kernel's hundredths of a second are a share of their own, which is nobody's.
    """
    noted, limit = (max(each, KNOWN_TO_S / window_s) for each in (noted, limit))
    if share is None or share <= noted:
        return []
    text = words.format(_percent(share))
    return [
        ("invalid", f"{text}; limit {_percent(limit)}")
        if share > limit
        else ("valid", f"{text}; noted from {_percent(noted)}")
    ]


def _texts(findings: Iterable[Finding]) -> tuple[str, ...]:
    return tuple(text for _, text in findings)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
