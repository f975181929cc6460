"""Coordinated omission, measured: a server stalls for 500 ms every 5 s, at 500 requests per second.

Prints the measured percentiles beside the analytic ones, and those of the service time and of a closed loop. A request
that is due during a stall waits until its end, so the share of requests slower than t is (0.5 s − t) ÷ 5 s.

    python benchmarks/coordinated_omission.py
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from harness.host import cpus, guard, process
from harness.hosts.null import APP
from harness.hosts.null_server import Connection
from harness.model.blocks import BlockOrder, Turn
from harness.model.plan import Conditions
from harness.model.targets import HOST, Launch, Server
from harness.run import trial
from harness.run.calibration import ceiling
from harness.run.load_process import ForkServer

if TYPE_CHECKING:
    from harness.model.results import LoadResult

RATE_RPS = 500
STALL_S, EVERY_S = 0.5, 5.0
COUNTED_S = 20.0
NEGLIGIBLE_US = 1_000
"""Below this time no deviation is printed, because the analytic value ignores how long an answer takes."""
PERCENTS = (50.0, 90.0, 95.0, 99.0, 99.9)


def serve(host: str, port: int) -> None:
    """Run the null server, which stalls for `STALL_S` every `EVERY_S`."""
    listener = socket.create_server((host, port))
    poller = select.epoll()
    poller.register(listener, select.EPOLLIN)
    connections: dict[int, Connection] = {}
    next_stall_s = time.monotonic() + EVERY_S
    while True:
        events = poller.poll(max(0.0, next_stall_s - time.monotonic()))
        if time.monotonic() >= next_stall_s:
            time.sleep(STALL_S)
            next_stall_s += EVERY_S
        for number, _ in events:
            if number == listener.fileno():
                peer, _ = listener.accept()
                peer.setblocking(False)
                connections[peer.fileno()] = Connection(peer)
                poller.register(peer, select.EPOLLIN)
            elif not connections[number].serve():
                connections.pop(number).peer.close()


def analytic_us(percent: float) -> float:
    """Response time in µs at a percentile, if the answer itself takes no time."""
    return max(0.0, STALL_S - EVERY_S * (1 - percent / 100)) * 1e6


def measure(rate_rps: float | None) -> LoadResult:
    """One trial of `plaintext` in one slice against the stalling server; in a closed loop without a rate."""
    placement = cpus.place(cpus.available())
    stalling = Server("stalling", (), frozenset({"h1"}), lambda launch: [sys.executable, __file__, str(launch.port)])
    launch = Launch(HOST, process.free_port(HOST), "")
    with guard.guard() as token, ForkServer(token) as fork_server, tempfile.TemporaryDirectory() as folder:
        turn = Turn(0, Conditions.users[0], rate_rps)
        block = BlockOrder((f"http://{launch.address}",), (turn,), 1.0, COUNTED_S, COUNTED_S, 30.0, seed=0)
        scenario, load_log = ceiling.find_smallest_scenario("h1").path, Path(folder) / "load.log"
        order = trial.Order(block, scenario, "h1", 1, None, placement.load, load_log, 1, fork_server)
        log = Path(folder) / "server.log"
        with process.start(stalling, APP, launch, cpus=placement.server, log=log, token=token):
            return trial.run(order)[0]


def main() -> None:
    """Measure an open and a closed loop, and print a line for each percentile."""
    opened, closed = measure(RATE_RPS), measure(None)
    print("percentile   analytic ms   response ms   off by   service ms   closed loop ms")
    for percent in PERCENTS:
        expected, found = analytic_us(percent), opened.response.percentile(percent)
        off = f"{found / expected - 1:+7.1%}" if expected > NEGLIGIBLE_US else "      –"
        service, loop = opened.service.percentile(percent), closed.response.percentile(percent)
        print(
            f"{percent:10g} {expected / 1e3:13.1f} {found / 1e3:13.1f}  {off} {service / 1e3:12.2f} {loop / 1e3:16.2f}"
        )
    lag_us = opened.send_lag.percentile(50)
    print(f"answered {opened.throughput_rps:.1f} of {RATE_RPS}/s; {opened.queued} waited for a free user")
    print(f"send lag {lag_us} µs at p50")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", nargs="?", type=int, help="only be the server that stalls, on this port")
    port = parser.parse_args().port
    if port is not None:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        serve(HOST, port)
    else:
        main()
