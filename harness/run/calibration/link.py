"""Measures the link between load and servers, before the first round, against the null server over there.

The probe is a plain client, so that the link is measured and not the load generator: on an ordinary link between two
machines it is faster than the link, and where it is not, the limit of the link stays unknown.
"""

from __future__ import annotations

import select
import socket
import time
from contextlib import ExitStack
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from harness.analysis import cpu_time
from harness.host import guard
from harness.hosts.null import APP, NULL
from harness.hosts.null_server import LARGE_REQUEST, RECEIVE_BYTES
from harness.model.errors import ServerError
from harness.model.link import NEAR, Link, LinkSpeed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.hosts.link import LiveLink
    from harness.hosts.server_host import RunningServer, ServerHost
    from harness.model.link import Distance, LinkSample

TRIES = 3
DURATION_S = 0.3
"""Of a try."""
RTT_S = 1.0
"""Round-trip times are measured for this long at most."""
_RTT_REQUESTS = 200
_LEAST_REQUESTS = 5
"""So many are measured at any distance."""
_CONNECTIONS = 64
_LINK_IS_LIMIT = 0.70
"""The link was the limit if neither client nor server used more of a core than this, …"""
_AGREED = 0.05
"""… and all tries agreed within this: a link has the same limit every time, a busy machine has not."""
_TIMEOUT_S = 30.0
_REQUEST = b"GET /plaintext HTTP/1.1\r\nhost: null\r\n\r\n"
_LARGE = LARGE_REQUEST + b"HTTP/1.1\r\nhost: null\r\n\r\n"
_ANSWER_END = b"Hello, World!"


class _Rate(NamedTuple):
    """What came in one try."""

    per_s: float
    packets_per_s: float | None
    busy: float
    """CPU seconds ÷ seconds of client or server, whichever was busier."""


def measure_link(live: LiveLink, host: ServerHost, distances: Sequence[Distance], token: str) -> Link:
    """Measure round-trip times at each distance, and what the link carries while nothing is added.

    Where the null server cannot be started, its connection breaks, or load comes from other hosts than this one, no
    speeds are known.
    """
    link = live.describe()
    if not live.leads_from_here:
        return link
    try:
        with ExitStack() as stack:
            folder = stack.enter_context(guard.temporary_folder())
            launch = host.make_launch(NULL, "", 1, None, host.python)
            server = stack.enter_context(host.start(NULL, APP, launch, log=folder / "null.log", token=token))
            address = launch.host, launch.port
            return replace(
                link, speeds=tuple(_measure(live, each, address, server) for each in _list_near_first(distances))
            )
    except (ServerError, ConnectionError, TimeoutError):
        return link


def _list_near_first(distances: Sequence[Distance]) -> list[Distance]:
    """Nothing added, and then what is asked for."""
    return list(dict.fromkeys([NEAR, *sorted(distances, key=lambda each: each.rtt_s)]))


def _measure(live: LiveLink, distance: Distance, address: tuple[str, int], server: RunningServer) -> LinkSpeed:
    with live.carry(distance, [address[1]]):
        times_s = _time_requests(address)
    speed = LinkSpeed(distance, min(times_s), median(times_s))
    if distance != NEAR:
        return speed
    large = [_try(live, server, lambda: _receive_large(address)) for _ in range(TRIES)]
    small = [_try(live, server, lambda: _exchange_small(address)) for _ in range(TRIES)]
    best = max(small, key=lambda each: each.per_s)
    # A virtual link is as fast as the CPUs; what a delay line takes of one is seen in each measurement.
    real = live.describe().kind == "network"
    return replace(
        speed,
        throughput_bytes_per_s=max(each.per_s for each in large),
        requests_per_s=best.per_s,
        packets_per_s=best.packets_per_s,
        limited_bytes=real and _is_limit(large),
        limited_packets=real and _is_limit(small),
    )


def _is_limit(tries: Sequence[_Rate]) -> bool:
    """Was the link what limited these tries?"""
    rates = [each.per_s for each in tries]
    agreed = max(rates) <= (1 + _AGREED) * min(rates)
    return agreed and all(each.busy <= _LINK_IS_LIMIT for each in tries)


def _try(live: LiveLink, server: RunningServer, exchange: Callable[[], int]) -> _Rate:
    with live.carry(NEAR, ()) as sampler, server.sample() as sampled:
        began_ns, used_s = time.perf_counter_ns(), time.thread_time()
        count = exchange()
        ended_ns, used_s = time.perf_counter_ns(), time.thread_time() - used_s
    took_s = (ended_ns - began_ns) / 1e9
    there_s = cpu_time.cpu_between(sampled.samples, began_ns, ended_ns)
    busy = max(used_s, took_s if there_s is None else there_s) / took_s
    packets = _count_packets(sampler.samples)
    return _Rate(count / took_s, None if packets is None else packets / took_s, busy)


def _count_packets(samples: Sequence[LinkSample]) -> int | None:
    """In the direction that had more of them; None where the counters are not known."""
    if not samples:
        return None
    first, last = samples[0], samples[-1]
    return max(last.received_packets - first.received_packets, last.sent_packets - first.sent_packets)


def _time_requests(address: tuple[str, int]) -> list[float]:
    """Seconds from each of some small requests, one after the other on one connection, to the end of its answer."""
    found: list[float] = []
    until_s = time.perf_counter() + RTT_S
    with _connect(address) as connection:
        while len(found) < _LEAST_REQUESTS or (len(found) < _RTT_REQUESTS and time.perf_counter() < until_s):
            began_s = time.perf_counter()
            connection.sendall(_REQUEST)
            answer = b""
            while not answer.endswith(_ANSWER_END):
                answer += _receive(connection)
            found.append(time.perf_counter() - began_s)
    return found


def _receive_large(address: tuple[str, int]) -> int:
    """Receive a large body on one connection; how many bytes."""
    count = 0
    until_s = time.perf_counter() + DURATION_S
    with _connect(address) as connection:
        connection.sendall(_LARGE)
        while not count or time.perf_counter() < until_s:
            count += len(_receive(connection))
    return count


def _exchange_small(address: tuple[str, int]) -> int:
    """Exchange small requests and answers on some connections, one at a time on each; how many."""
    count = 0
    with ExitStack() as stack:
        connections = [stack.enter_context(_connect(address)) for _ in range(_CONNECTIONS)]
        by_number = {each.fileno(): each for each in connections}
        poller = stack.enter_context(select.epoll())
        for each in connections:
            poller.register(each, select.EPOLLIN)
        until_s = time.perf_counter() + DURATION_S
        for each in connections:
            each.sendall(_REQUEST)
        while not count or time.perf_counter() < until_s:
            for number, _ in poller.poll(_TIMEOUT_S):
                if _receive(by_number[number]).endswith(_ANSWER_END):
                    count += 1
                    by_number[number].sendall(_REQUEST)
    return count


def _connect(address: tuple[str, int]) -> socket.socket:
    connection = socket.create_connection(address, timeout=_TIMEOUT_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _receive(connection: socket.socket) -> bytes:
    """Bytes that have arrived; raises `ConnectionError` at the end."""
    if data := connection.recv(RECEIVE_BYTES):
        return data
    raise ConnectionError("expected an answer of the null server, found the end of its connection")
