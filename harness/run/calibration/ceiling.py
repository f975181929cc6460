"""Measures the generator's ceiling: the throughput that it reaches against a server that runs no app."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from harness.analysis import cpu_time
from harness.analysis.verdict import GENERATOR_CPU_LIMIT, SAMPLE_ERROR
from harness.catalog import listing
from harness.host import guard
from harness.hosts.null import APP, NULL
from harness.hosts.server_host import LocalHost
from harness.model.blocks import BlockOrder, Turn
from harness.model.errors import LoadError, ServerError
from harness.model.plan import Conditions
from harness.model.protocols import TLS_PROTOCOLS, WEBSOCKET_PROTOCOLS
from harness.run import trial

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from harness.hosts.server_host import ServerHost
    from harness.model.machine import Placement
    from harness.model.protocols import Protocol
    from harness.model.records import Sample
    from harness.model.results import LoadResult, Slice
    from harness.model.targets import Scenario, Tls
    from harness.run.load_hosts import LoadHosts
    from harness.run.load_process import ForkServer

WARMUP_S = 0.2
DURATION_S = 0.5


@dataclass(frozen=True)
class Generator:
    """The load generator as a run uses it, and the interpreter that runs the null server."""

    python: str
    placement: Placement
    tls: Tls
    token: str
    fork_server: ForkServer
    users: int = Conditions.users[0]
    streams: int = 1
    processes: int = 1
    duration_s: float = DURATION_S
    hosts: LoadHosts | None = None
    """The load workers on other hosts, if load comes from there."""
    server_host: ServerHost | None = None
    """Where the null server runs; None for this machine."""


class Ceiling(NamedTuple):
    """What the generator reached against the null server."""

    rate_rps: float
    of_generator: bool
    """Was the generator the limit? If not, because the null server was, or because others took its CPU, it can do more,
    and nobody knows how much."""


class Try(NamedTuple):
    """One trial against the null server."""

    result: LoadResult
    server_cpu_ratio: float | None
    """What the null server used of its one CPU in the slice; None where it is not known."""

    @property
    def ceiling(self) -> Ceiling:
        """By the utilisation law, the generator was the limit if it used its core and was not less busy than the other.

        Beside neighbours it gets a part of its core: with half of one it reached 57,000 requests/s where it can do
        95,000, and servers that reach more than 46,000 would seem to be at the limit of the generator.
        """
        own, other = self.result.cpu_ratio, self.server_cpu_ratio
        busier = other is None or own + SAMPLE_ERROR >= other
        return Ceiling(compute_rate_rps(self.result), of_generator=busier and own >= GENERATOR_CPU_LIMIT)


def measure_ceilings(
    generator: Generator, protocols: Sequence[Protocol], tries: int, scenario: Scenario | None = None
) -> dict[Protocol, Ceiling]:
    """Measure the highest rate in requests/s on each protocol, in this many tries.

    Protocols without a rate, or that the null server does not speak, are left out. The load is the smallest scenario,
    or a user's Locust file given as `scenario`. Custom users may find the answers of the null server wrong; their
    requests are counted nevertheless.
    """
    found: dict[Protocol, Ceiling] = {}
    for protocol in protocols:
        if protocol not in NULL.protocols:
            continue
        chosen = scenario or find_smallest_scenario(protocol)
        with suppress(ServerError):
            ceilings = [each.ceiling for each in run_trials(generator, chosen, protocol, tries)]
            highest = max(ceilings, default=None)
            if highest is not None and highest.rate_rps > 0:
                found[protocol] = highest
    return found


def compute_rate_rps(result: LoadResult) -> float:
    """Requests per second; with custom users, errors count too, over warm-up and slice together."""
    failed_rps = result.errors.total / (WARMUP_S + result.counted_s)
    return result.throughput_rps + (failed_rps if not result.verified else 0.0)


def find_smallest_scenario(protocol: Protocol) -> Scenario:
    """Find the scenario with the smallest requests and answers on this protocol."""
    name = "ws_echo" if protocol in WEBSOCKET_PROTOCOLS else "plaintext"
    return listing.find("scenarios", listing.scenarios(), name)


def run_trials(generator: Generator, scenario: Scenario, protocol: Protocol, tries: int) -> Iterator[Try]:
    """Run this many trials of a scenario against the null server; trials that fail give no result."""
    tls = generator.tls if protocol in TLS_PROTOCOLS else None
    host = generator.server_host or LocalHost(generator.placement.server)
    launch = host.make_launch(NULL, "", 1, tls, host.python)
    with guard.temporary_folder() as logs:
        url = f"{'https' if tls else 'http'}://{launch.address}"
        order = make_order(generator, scenario, protocol, url, Turn(0, generator.users), logs)
        log = logs / "null.log"
        with host.start(NULL, APP, launch, log=log, token=generator.token) as null:
            for _ in range(tries):
                with suppress(LoadError):
                    with null.sample() as sampled:
                        (result,) = trial.run(order)
                    yield Try(result, _server_cpu_ratio(sampled.samples, result.slices))


def _server_cpu_ratio(samples: Sequence[Sample], slices: Sequence[Slice]) -> float | None:
    if not slices:  # not one answer was right in the warm-up
        return None
    (only,) = slices
    used_s = cpu_time.cpu_between(samples, only.start_ns, only.end_ns)
    return None if used_s is None else used_s / only.counted_s


def make_order(
    generator: Generator,
    scenario: Scenario,
    protocol: Protocol,
    url: str,
    turn: Turn,
    folder: Path,
) -> trial.Order:
    """Load on one target, in one slice of the generator's length."""
    duration_s = generator.duration_s
    return trial.Order(
        BlockOrder((url,), (turn,), WARMUP_S, duration_s, duration_s, Conditions.request_timeout_s, 0),
        scenario.path,
        protocol,
        generator.streams,
        generator.tls.authority if protocol in TLS_PROTOCOLS else None,
        generator.placement.load,
        folder / "load.log",
        generator.processes,
        generator.fork_server,
        scenario.environment,
        scenario.tags,
        scenario.excluded_tags,
        hosts=generator.hosts,
    )
