"""The Locust plugin: opens and closes the window, gathers every user's figures and writes the trial's result.

It adds options to Locust (`locust -f scenarios/plaintext.py --help` shows them) and measures nothing unless
`--result` is among them; without it a scenario is an ordinary Locust file under Locust's own statistics.
"""

from __future__ import annotations

import time
from pathlib import Path
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Protocol

import gevent
import gevent.event
import msgspec
import numpy as np
from locust import events
from locust.stats import StatsEntry, bucket_response_time

from harness.histogram import bucket_range
from harness.load.exchange import Failure
from harness.load.series import Batch, Series, Tally
from harness.model import PROTOCOLS, Connections, Errors, LoadResult

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from locust.env import Environment

FOLD_S = 0.1
LATE_S = 1.0
"""How often requests that got no answer in time are looked for."""
_FOREVER_NS = 2**62


class Client(Protocol):
    """What the recorder must know of a user's client."""

    pending_since_ns: int
    """When the request in flight was written; 0 when there is none."""

    def give_up(self, failure: Failure) -> None:
        """End the request in flight with this failure."""


class Recorder:
    """The figures of one load process: users count here, and greenlets of its own fold and close the window."""

    environment: Environment

    def __init__(self) -> None:
        self.started = 0
        self.failed = 0
        self.opened = 0
        self.reopened = 0
        self.resent = 0
        self.negotiated = ""
        self.clients: list[Client] = []
        self.gate = gevent.event.Event()
        """Set when the unmeasured pass is over; users wait for it before their first task."""
        self.window = (_FOREVER_NS, _FOREVER_NS)
        self._series: dict[tuple[str, str], Series] = {}
        self._folded = 0
        self._service = Tally()
        self._response = Tally()
        self._send_lag = Tally()
        self._error_kinds: dict[str, int] = {}
        self._error_examples: dict[str, str] = {}

    def series(self, method: str, name: str) -> Series:
        """Where the right answers to requests of this name are counted."""
        key = (method, name)
        if key not in self._series:
            self._series[key] = Series()
        return self._series[key]

    def fail(self, method: str, name: str, failure: Failure, response_ns: int) -> None:
        """Count a request without a right answer, here and in Locust's statistics."""
        self.failed += 1
        self._error_kinds[failure.kind] = self._error_kinds.get(failure.kind, 0) + 1
        self._error_examples.setdefault(failure.kind, f"{name}: {failure.detail}")
        self.environment.events.request.fire(
            request_type=method,
            name=name,
            response_time=response_ns / 1e6,
            response_length=0,
            exception=failure,
            context={},
        )

    def fold(self) -> None:
        """Move what the users appended into histograms, and tell Locust's statistics of it."""
        start_ns, end_ns = self.window
        for (method, name), series in self._series.items():
            batch, body_bytes = series.take()
            if batch.ended.size == 0:
                continue
            self._folded += int(batch.ended.size)
            _tell_locust(self.environment, method, name, batch, body_bytes)
            inside = batch.inside(start_ns, end_ns)
            response_ns = inside.ended - inside.intended
            series.response.add(response_ns)
            self._response.add(response_ns)
            self._service.add(inside.ended - inside.written)
            self._send_lag.add(inside.written - inside.intended)

    def result(self, cpu_ratio: float, *, checked: bool) -> LoadResult:
        """The account at the moment the window has closed; to be called right after a fold."""
        response = self._response.histogram()
        return LoadResult(
            window_start_ns=self.window[0],
            window_end_ns=self.window[1],
            requests=response.count,
            started=self.started,
            finished=self._folded + self.failed,
            abandoned=sum(client.pending_since_ns > 0 for client in self.clients),
            errors=Errors(self.failed, self._error_kinds, self._error_examples),
            response=response,
            service=self._service.histogram(),
            send_lag=self._send_lag.histogram(),
            by_name={name: series.response.histogram() for (_, name), series in self._series.items()},
            connections=Connections(self.opened, self.reopened, self.resent, self.negotiated),
            cpu_ratio=cpu_ratio,
            checked=checked,
        )

    def start(self) -> None:
        """Begin to fold, and to look for late answers."""
        gevent.spawn(self._fold_regularly)
        gevent.spawn(self._give_up_the_late)
        if self.environment.parsed_options.result is None:
            self.gate.set()

    def measure(self, user_count: int) -> None:
        """Wait until all users are connected, then warm up, measure one window, write the result and quit."""
        self.gate.wait()
        while self.failed == 0 and len(self.clients) < user_count:
            gevent.sleep(0.01)
        options = self.environment.parsed_options
        if checked := self.failed == 0:
            gevent.sleep(options.warmup)
        window_s = options.window if checked else 0.0
        start_ns, cpu_start_s = perf_counter_ns(), time.process_time()
        self.window = (start_ns, start_ns + int(window_s * 1e9))
        gevent.sleep(window_s)
        cpu_s, elapsed_s = time.process_time() - cpu_start_s, (perf_counter_ns() - start_ns) / 1e9
        self.fold()
        result = self.result(cpu_s / elapsed_s if checked else 0.0, checked=checked)
        options.result.write_bytes(msgspec.json.encode(result))
        self.environment.process_exit_code = 0
        assert self.environment.runner is not None  # noqa: S101 - there is one while users run
        self.environment.runner.quit()

    def _fold_regularly(self) -> None:
        while True:
            gevent.sleep(FOLD_S)
            self.fold()

    def _give_up_the_late(self) -> None:
        timeout_s = self.environment.parsed_options.request_timeout
        while True:
            gevent.sleep(LATE_S)
            oldest_ns = perf_counter_ns() - int(timeout_s * 1e9)
            for client in self.clients:
                if 0 < client.pending_since_ns < oldest_ns:
                    client.give_up(Failure("timeout", f"no whole answer within {timeout_s:g} s"))


recorder = Recorder()
"""The one of this process."""


@events.init_command_line_parser.add_listener
def _add_options(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("harness", "How the harness drives a scenario")
    group.add_argument("--protocol", choices=PROTOCOLS, help="Protocol to speak; found from the host unless given")
    group.add_argument("--streams", type=int, default=1, help="HTTP/2: users that share one connection")
    group.add_argument("--authority", type=Path, help="PEM file of the certificate authority to trust")
    group.add_argument("--request-timeout", type=float, default=30.0, help="Seconds until an answer counts as none")
    group.add_argument("--result", type=Path, help="Measure one window and write its result to this JSON file")
    group.add_argument("--warmup", type=float, default=0.5, help="Seconds under load before the window opens")
    group.add_argument("--window", type=float, default=2.0, help="Seconds that are measured")


@events.init.add_listener
def _init(environment: Environment, **_: Any) -> None:
    recorder.environment = environment


@events.test_start.add_listener
def _test_start(**_: Any) -> None:
    recorder.start()


@events.spawning_complete.add_listener
def _spawning_complete(user_count: int, **_: Any) -> None:
    if recorder.environment.parsed_options.result is not None:
        # In a greenlet of its own: Locust waits for its listeners.
        gevent.spawn(recorder.measure, user_count)


def _tell_locust(environment: Environment, method: str, name: str, batch: Batch, body_bytes: int) -> None:
    """Add a batch to Locust's statistics in one step, as its master does with what its workers send."""
    response_ns = batch.ended - batch.intended
    tally = Tally()
    tally.add(response_ns)
    now_s = time.time()
    entry: Any = StatsEntry(environment.stats, name, method)  # Any: Locust's times are floats that it calls int
    entry.num_requests = int(response_ns.size)
    entry.total_response_time = float(response_ns.sum()) / 1e6
    entry.min_response_time = float(response_ns.min()) / 1e6
    entry.max_response_time = float(response_ns.max()) / 1e6
    entry.last_request_timestamp = now_s
    entry.total_content_length = body_bytes
    for index, count in tally.histogram().counts.items():
        entry.response_times[bucket_response_time(bucket_range(index)[0] / 1000)] += count
    ended_s = ((batch.ended - perf_counter_ns()) / 1e9 + now_s).astype(np.int64)
    seconds, counts = np.unique(ended_s, return_counts=True)
    entry.num_reqs_per_sec.update(zip(seconds.tolist(), counts.tolist(), strict=True))
    environment.stats.get(name, method).extend(entry)
    environment.stats.total.extend(entry)
