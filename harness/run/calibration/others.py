"""Compares the generator with reference generators on the same target, for `harness calibrate --against`."""

from __future__ import annotations

import re
import shutil
import subprocess
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from harness.catalog import listing
from harness.host import cpus, guard, process
from harness.hosts.null import APP, NULL
from harness.model.blocks import Turn
from harness.model.errors import HarnessError
from harness.model.loads import SATURATE, Load, Rate
from harness.model.plan import Conditions
from harness.model.protocols import PROTOCOLS, TLS_PROTOCOLS, Protocol
from harness.model.targets import HOST, Launch, Scenario, Server
from harness.run import trial
from harness.run.calibration.ceiling import Generator, find_smallest_scenario, make_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.model.results import LoadResult

DURATION_S = 2.0
_USERS = Path(__file__).with_name("users")


@dataclass(frozen=True)
class Side:
    """One of the two generators that are compared: ours with these settings, or a reference generator."""

    users: int = Conditions.users[0]
    streams: int = 1
    processes: int = 1
    load: Load = SATURATE
    file: str | None = None
    """A Locust file in `calibration/users` with Locust's own users; our users if None."""
    tool: str | None = None
    """The command `wrk` or `h2load`; Locust if None."""


@dataclass(frozen=True)
class Comparison:
    """One row of the output: rate of our generator ÷ rate of the other, expected to be at least `floor`."""

    title: str
    protocol: Protocol
    ours: Side
    other: Side
    floor: float


COMPARISONS = (
    Comparison("HTTP/1.1, 32 users ÷ wrk -t1 -c32", "h1", Side(), Side(tool="wrk"), 0.45),
    Comparison("HTTP/1.1, 32 users ÷ FastHttpUser", "h1", Side(), Side(file="fasthttp_user.py"), 6),
    Comparison("h2c, 16 connections × 1 ÷ h2load -c16 -m1", "h2c", Side(16), Side(16, tool="h2load"), 0.40),
    Comparison("h2c, 16 connections × 16 ÷ h2load -c16 -m16", "h2c", Side(256, 16), Side(256, 16, tool="h2load"), 0.70),
    Comparison("HTTP/2 with TLS, 16 × 1 ÷ h2load", "h2", Side(16), Side(16, tool="h2load"), 0.35),
    Comparison("WebSocket echo ÷ websocket-client", "ws", Side(), Side(file="websocket_client_user.py"), 2),
    Comparison("two load processes on one core ÷ one", "h1", Side(processes=2), Side(), 0.93),
)


@dataclass(frozen=True)
class RateRatio:
    """The result of a comparison: rates in requests/s and their ratios, pair by pair."""

    comparison: Comparison
    target: str
    ours_rps: tuple[float, ...]
    other_rps: tuple[float, ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        return tuple(ours / other for ours, other in zip(self.ours_rps, self.other_rps, strict=True))

    @property
    def ratio(self) -> float:
        return median(self.ratios)


@dataclass(frozen=True)
class Target:
    """A server that both generators load, with its URL for each protocol."""

    name: str
    url: Callable[[Protocol], str]
    protocols: frozenset[Protocol]


def compare(comparison: Comparison, target: Target, generator: Generator, pairs: int) -> RateRatio:
    """Measure both sides in turn, this many times; the order changes with every pair."""
    ours: list[float] = []
    other: list[float] = []
    for pair in range(pairs):
        sides = [(comparison.ours, ours), (comparison.other, other)]
        for side, rates in sides if pair % 2 == 0 else reversed(sides):
            rates.append(measure_rate_rps(side, comparison.protocol, target, generator))
    return RateRatio(comparison, target.name, tuple(ours), tuple(other))


def compare_all(
    start: Callable[[Generator], AbstractContextManager[Target]], tools: set[str], generator: Generator, pairs: int
) -> Iterator[RateRatio]:
    """Make every comparison that the target supports and for which the tool is installed."""
    with start(generator) as target:
        for comparison in COMPARISONS:
            if comparison.protocol in target.protocols and comparison.other.tool in {None, *tools}:
                yield compare(comparison, target, generator, pairs)


def measure_rate_rps(side: Side, protocol: Protocol, target: Target, generator: Generator) -> float:
    """Measure requests/s of one side once; raises `HarnessError` if there were errors."""
    url = target.url(protocol)
    if side.tool is not None:
        return _run_tool(side, f"{url}/plaintext", generator)
    result = run_locust(side, protocol, url, generator)
    if result.errors.total or not result.checked:
        raise HarnessError(f"expected right answers from {target.name} over {protocol}, found {result.errors.examples}")
    return result.throughput_rps


def run_locust(side: Side, protocol: Protocol, url: str, generator: Generator) -> LoadResult:
    """Run one trial with our users or those of the file."""
    scenario: Scenario = listing.read_scenario(_USERS / side.file) if side.file else find_smallest_scenario(protocol)
    with guard.temporary_folder() as folder:
        rate_rps = side.load.rps if isinstance(side.load, Rate) else None
        own = replace(generator, duration_s=DURATION_S, streams=side.streams, processes=side.processes)
        return trial.run(make_order(own, scenario, protocol, url, Turn(0, side.users, rate_rps), folder))[0]


def find_missing(tools: set[str]) -> set[str]:
    """Return the tools that are not installed."""
    return {tool for tool in tools if shutil.which(tool) is None}


def _run_tool(side: Side, url: str, generator: Generator) -> float:
    connections = side.users // side.streams
    argv = {
        "wrk": ["wrk", "-t1", f"-c{connections}", f"-d{DURATION_S:g}s", url],
        "h2load": ["h2load", "-t1", f"-c{connections}", f"-m{side.streams}", f"-D{DURATION_S:g}", url],
    }[str(side.tool)]
    with cpus.running_on(generator.placement.load):
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    found = re.search(r"Requests/sec:\s*([\d.]+)|finished in .*?, ([\d.]+) req/s", done.stdout)
    if found is None or re.search(r"Non-2xx|[1-9]\d* failed", done.stdout):
        raise HarnessError(f"expected a rate from {argv[0]}, found {(done.stderr or done.stdout).strip()[-300:]}")
    return float(found[1] or found[2])


@contextmanager
def start_null_server(generator: Generator) -> Iterator[Target]:
    """Run the null server twice, without and with TLS."""
    clear = Launch(HOST, process.free_port(HOST), "", python=generator.python)
    with guard.temporary_folder() as folder, _start(NULL, clear, generator, folder):
        encrypted = replace(clear, port=process.free_port(HOST), tls=generator.tls)
        with _start(NULL, encrypted, generator, folder):
            yield Target("null server", lambda protocol: _choose_url(protocol, clear, encrypted), frozenset(PROTOCOLS))


@contextmanager
def start_nginx(generator: Generator) -> Iterator[Target]:
    """Run nginx with one worker and a fixed answer; HTTP/1.1 and HTTP/2 without TLS have separate ports."""
    with guard.temporary_folder() as folder:
        ports: dict[Protocol, int] = {"h1": process.free_port(HOST), "h2c": process.free_port(HOST)}
        ports["h2"] = process.free_port(HOST)
        configuration = folder / "nginx.conf"
        configuration.write_text(_write_nginx_conf(ports, generator))
        nginx = Server("nginx", (), frozenset({"h1"}), lambda _: ["nginx", "-p", str(folder), "-c", str(configuration)])
        launch = Launch(HOST, ports["h1"], "")
        with _start(nginx, launch, generator, folder):
            yield Target(
                "nginx",
                lambda protocol: f"{'https' if protocol == 'h2' else 'http'}://{HOST}:{ports[protocol]}",
                frozenset(ports),
            )


def _write_nginx_conf(ports: dict[Protocol, int], generator: Generator) -> str:
    tls = generator.tls
    return f"""
worker_processes 1; daemon off; pid nginx.pid; error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; default_type text/plain;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  ssl_certificate {tls.certificate}; ssl_certificate_key {tls.key};
  server {{
    listen {HOST}:{ports["h1"]}; listen {HOST}:{ports["h2c"]} http2; listen {HOST}:{ports["h2"]} ssl http2;
    location / {{ return 200 'Hello, World!'; }}
  }}
}}
"""


@contextmanager
def _start(entry: Server, launch: Launch, generator: Generator, folder: Path) -> Iterator[None]:
    log = folder / f"{entry.name}-{launch.port}.log"
    with process.start(entry, APP, launch, cpus=generator.placement.server, log=log, token=generator.token):
        yield


def _choose_url(protocol: Protocol, clear: Launch, encrypted: Launch) -> str:
    return f"https://{encrypted.address}" if protocol in TLS_PROTOCOLS else f"http://{clear.address}"
