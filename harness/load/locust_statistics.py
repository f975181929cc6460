"""Reports requests to Locust's own statistics, many at a time; for runs of Locust that measure no block."""

from __future__ import annotations

import time
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import numpy as np
from locust import stats
from locust.stats import StatsEntry

from harness.load.series import Tally
from harness.model.histogram import bucket, bucket_range

if TYPE_CHECKING:
    from locust.env import Environment

    from harness.load.account import Account, Recorded


def report(environment: Environment, account: Account) -> None:
    """Add what an account has recorded since the last report."""
    recorded, failures = account.take()
    for each in recorded:
        _add(environment, each)
    for failed in failures:
        environment.events.request.fire(
            request_type=failed.method,
            name=failed.name,
            response_time=failed.response_ns / 1e6,
            response_length=0,
            exception=failed.failure,
            context={},
        )


def _add(environment: Environment, recorded: Recorded) -> None:
    """Add a batch in one step, as Locust's master adds the reports of workers."""
    batch, name, method = recorded.batch, recorded.name, recorded.method
    response_ns = batch.ended - batch.intended
    tally = Tally()
    tally.add(response_ns)
    now_s = time.time()
    entry: Any = StatsEntry(environment.stats, name, method)  # Any: Locust annotates float times as int
    entry.num_requests = int(response_ns.size)
    entry.total_response_time = float(response_ns.sum()) / 1e6
    entry.min_response_time = float(response_ns.min()) / 1e6
    entry.max_response_time = float(response_ns.max()) / 1e6
    entry.last_request_timestamp = now_s
    entry.total_content_length = recorded.body_bytes
    for index, count in tally.histogram().counts.items():
        entry.response_times[bucket_range(index)[0] / 1000] += count
    ended_s = ((batch.ended - perf_counter_ns()) / 1e9 + now_s).astype(np.int64)
    seconds, counts = np.unique(ended_s, return_counts=True)
    entry.num_reqs_per_sec.update(zip(seconds.tolist(), counts.tolist(), strict=True))
    environment.stats.get(name, method).extend(entry)
    environment.stats.total.extend(entry)


def _bucket_response_time(response_time_ms: float) -> float:
    """Three significant digits, in steps of at least a microsecond; Locust's default rounds to milliseconds."""
    return bucket_range(bucket(int(response_time_ms * 1000)))[0] / 1000


# Locust documents this ("Customizing response time bucketing")
stats.bucket_response_time = _bucket_response_time  # type: ignore[assignment] # Locust accepts keys that are not integers
