"""The open loop: what is due is sent or counted, and response times show a server that stalls."""

from __future__ import annotations

import heapq
from itertools import islice
from time import perf_counter_ns

import gevent
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.account import Account, Counters, Ledger, Stretch
from harness.load.arrivals import NEVER_NS, QUEUE_LIMIT, Arrivals, Queue, poisson, uniform
from harness.model.results import LoadResult

SECOND_NS = 1_000_000_000


@given(st.floats(0.5, 100_000), st.integers(0, 2**50), st.integers(1, 500))
def test_uniform_arrivals_are_evenly_spaced_without_drift(rate_rps: float, start_ns: int, count: int) -> None:
    due = list(islice(uniform(rate_rps, start_ns), count))
    for number, at_ns in enumerate(due):
        assert abs(at_ns - start_ns - number * SECOND_NS / rate_rps) <= 1


def test_poisson_arrivals_keep_the_rate_and_have_exponential_gaps() -> None:
    gaps = np.diff(list(islice(poisson(1_000, 0, seed=1), 100_000))) / SECOND_NS
    assert gaps.mean() == pytest.approx(0.001, rel=0.02)
    assert gaps.std() == pytest.approx(0.001, rel=0.02)


def test_the_seed_fixes_poisson_arrivals() -> None:
    one, same, other = (list(islice(poisson(100, 0, seed), 50)) for seed in (1, 1, 2))
    assert one == same != other


def test_nothing_is_due_before_its_time_and_everything_at_it() -> None:
    queue = Queue(iter([100, 200, 10**9]))
    assert queue.take(99) is None
    assert queue.take(100) == 100
    assert queue.take(100) is None
    assert queue.next_ns == 200


def test_the_longest_due_request_is_sent_first() -> None:
    queue = Queue(iter([1, 2, 3, 10**9]))
    assert [queue.take(50) for _ in range(4)] == [1, 2, 3, None]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.integers(1, 5))
def test_every_request_that_is_due_is_sent_or_dropped_or_waits(steps: list[int], limit: int) -> None:
    queue = Queue(uniform(SECOND_NS / 10, 0), limit)
    now_ns = sent = 0
    for step in steps:
        now_ns += step
        sent += queue.take(now_ns) is not None
    waiting = 0
    while queue.take(now_ns) is not None:
        waiting += 1
    assert sent + queue.dropped + waiting == now_ns // 10 + 1
    assert waiting <= limit


def test_a_full_queue_drops_what_comes_and_keeps_what_waits() -> None:
    queue = Queue(iter([1, 2, 3, 4, 10**9]), limit=2)
    assert [queue.take(10) for _ in range(3)] == [1, 2, None]
    assert queue.dropped == 2


def stalled(at_s: float, stall_s: float, every_s: float) -> float:
    """When a server that stalls at the beginning of every period goes on, if asked at `at_s`."""
    into_s = at_s % every_s
    return at_s if into_s >= stall_s else at_s - into_s + stall_s


def simulate(rate_rps: float, users: int, seconds: float, service_s: float) -> tuple[LoadResult, list[float]]:
    """An open loop on a simulated clock against a server that stalls for 500 ms every 5 s.

    Its result, and beside that each response time in seconds by the definition, computed without the queue: the server
    has room for all, so a request is answered `service_s` after the end of the stall that it falls into.
    """
    account = Account()
    counters = Counters(account)
    series = account.series("GET", "/")
    queue = Queue(uniform(rate_rps, 0))
    free_s = [0.0] * users
    expected = []
    for number in range(int(rate_rps * seconds)):
        user_s = heapq.heappop(free_s)
        now_s = max(user_s, number / rate_rps)
        intended_ns = queue.take(int(now_s * SECOND_NS) + 1)
        assert intended_ns is not None
        done_s = stalled(now_s, 0.5, 5.0) + service_s
        heapq.heappush(free_s, done_s)
        account.started += 1
        series.intended(intended_ns)
        series.written(int(now_s * SECOND_NS))
        series.ended(int(done_s * SECOND_NS))
        expected.append(stalled(intended_ns / SECOND_NS, 0.5, 5.0) + service_s - intended_ns / SECOND_NS)
    ledger = Ledger()
    end_ns = int(seconds * SECOND_NS)
    ledger.add(Stretch(0, 0, 0, end_ns, end_ns + SECOND_NS), *account.take(), counters.gained())
    return ledger.result(verified=True), expected


def test_response_times_show_a_stalling_server() -> None:
    """At 500/s with 32 users, a stall of 500 ms every 5 s: a tenth of all requests wait, evenly from 0 to 500 ms."""
    result, _ = simulate(500, 32, 20, service_s=0.0002)
    # Analytic: the share s of requests slower than t is (0.5 − t) / 5, so percentile p is 0.5 − 5 (1 − p).
    assert result.response.percentile(50) == pytest.approx(200, rel=0.05)
    assert result.response.percentile(95) == pytest.approx(250_000, rel=0.05)
    assert result.response.percentile(99) == pytest.approx(450_000, rel=0.05)
    assert result.response.percentile(99.9) == pytest.approx(495_000, rel=0.05)


def test_service_times_alone_hide_a_stalling_server() -> None:
    """Only the 32 requests in flight see each stall: what a closed loop would report."""
    result, _ = simulate(500, 32, 20, service_s=0.0002)
    assert result.service.percentile(98) < 1_000
    assert result.response.percentile(98) > 390_000


def test_waiting_for_a_user_counts_as_response_time_and_send_lag() -> None:
    result, expected = simulate(500, 32, 20, service_s=0.0002)
    assert result.response.mean_us == pytest.approx(np.mean(expected) * 1e6, rel=0.05)
    assert result.response.sum_us == pytest.approx(result.service.sum_us + result.send_lag.sum_us, rel=0.001)


def test_a_schedule_may_end() -> None:
    queue = Queue(iter([1, 2]))
    assert [queue.take(5), queue.take(5), queue.take(5)] == [1, 2, None]
    assert (queue.next_ns, len(queue)) == (NEVER_NS, 0)


def test_a_schedule_is_handed_to_waiting_users_in_time() -> None:
    account, found = Account(), []
    arrivals = Arrivals(account)

    def use(number: int) -> None:
        while True:
            intended_ns = arrivals.wait(number)
            found.append((number, intended_ns, perf_counter_ns()))

    users = [gevent.spawn(use, number) for number in range(3)]
    gevent.idle()
    due = [perf_counter_ns() + offset for offset in (1_000_000, 2_000_000, 5_000_000)]
    arrivals.begin(iter(due), users=2)
    with gevent.Timeout(10):
        while len(found) < len(due):
            gevent.sleep(0.001)
    assert [intended_ns for _, intended_ns, _ in found] == due
    assert all(sent_ns >= intended_ns for _, intended_ns, sent_ns in found)
    assert {number for number, _, _ in found} <= {0, 1}
    assert arrivals.is_empty(perf_counter_ns())
    assert arrivals.waiting_users == 3
    gevent.killall(users)
    assert arrivals.waiting_users == 0


def test_a_user_who_was_left_out_takes_part_when_a_later_schedule_needs_it() -> None:
    arrivals = Arrivals(Account())
    users = [gevent.spawn(arrivals.wait, number) for number in range(3)]
    gevent.idle()
    arrivals.begin(iter([1]), users=1)
    users[0].join(timeout=10)
    assert [user.ready() for user in users] == [True, False, False]
    arrivals.begin(iter([2, 3]), users=3)
    gevent.joinall(users, timeout=10)
    assert sorted(user.value for user in users) == [1, 2, 3]


def test_requests_that_nobody_was_free_for_are_queued_and_what_is_left_can_be_cancelled() -> None:
    account = Account()
    arrivals = Arrivals(account)
    arrivals.begin(iter([1, 2, 3, 4]), users=1)
    assert [arrivals.wait(0), arrivals.wait(0)] == [1, 2]
    assert account.queued == 2
    assert not arrivals.is_empty(10)
    assert arrivals.cancel(10) == [3, 4]
    assert arrivals.is_empty(10)


def test_dropped_requests_add_up_over_schedules() -> None:
    account = Account()
    arrivals = Arrivals(account)
    for number in (1, 2):
        arrivals.begin(iter([1] * (QUEUE_LIMIT + 5)), users=1)
        assert arrivals.wait(0) == 1
        assert account.dropped == 5 * number
        arrivals.cancel(10)
