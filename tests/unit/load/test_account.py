"""Account and ledger against a naive count of the same requests, and against what a closed loop must give."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.account import (
    MOST_NAMES,
    OTHERS,
    UNANSWERED,
    Account,
    Counters,
    Ledger,
    Recorded,
    Stretch,
    merge,
    shift,
    tally_service,
)
from harness.load.exchange import Failure
from harness.load.series import Batch
from harness.model.histogram import Histogram
from harness.model.results import LoadResult, StreamResult

SECOND_NS = 10**9


@dataclass(frozen=True)
class Seen:
    """One request, and what became of it: a failure of some kind, or else a right answer."""

    method: str
    name: str
    intended_ns: int
    lag_ns: int
    service_ns: int
    failure: str | None = None

    @property
    def written_ns(self) -> int:
        return self.intended_ns + self.lag_ns

    @property
    def ended_ns(self) -> int:
        return self.written_ns + self.service_ns

    @property
    def response_ns(self) -> int:
        return self.ended_ns - self.intended_ns


TIMES = st.integers(0, 5_000_000)
SEEN = st.builds(
    Seen,
    st.sampled_from(["GET", "POST"]),
    st.sampled_from(["a", "b"]),
    TIMES,
    TIMES,
    TIMES,
    st.sampled_from([None, None, None, "reset", "status", UNANSWERED]),
)


def play(account: Account, requests: list[Seen]) -> None:
    """Count as clients do."""
    for request in requests:
        account.started += 1
        if request.failure is not None:
            failure = Failure(request.failure, f"at {request.intended_ns}")
            account.fail(request.method, request.name, failure, request.intended_ns, request.ended_ns)
        else:
            series = account.series(request.method, request.name)
            series.intended(request.intended_ns)
            series.written(request.written_ns)
            series.ended(request.ended_ns)
            series.body_bytes += 7


def measure(slices: list[tuple[Stretch, list[Seen]]]) -> LoadResult:
    """The result of one turn with these slices."""
    account, ledger = Account(), Ledger()
    for stretch, requests in slices:
        counters = Counters(account)
        play(account, requests)
        ledger.add(stretch, *account.take(), counters.gained())
    return ledger.result(verified=True)


def stretch_of(start_ns: int, length_ns: int, cycle: int = 0) -> Stretch:
    end_ns = start_ns + length_ns
    return Stretch(cycle, start_ns, start_ns, end_ns, end_ns)


def us(values_ns: list[int]) -> Histogram:
    return Histogram.of(value // 1000 for value in values_ns)


@given(st.lists(st.tuples(TIMES, TIMES, st.lists(SEEN)), min_size=1, max_size=3), st.integers(0, 3))
def test_the_result_is_what_a_naive_count_gives(slices: list[tuple[int, int, list[Seen]]], killed: int) -> None:
    account, ledger = Account(), Ledger()
    begun, unanswered = [], []
    for cycle, (start_ns, length_ns, requests) in enumerate(slices):
        counters = Counters(account)
        play(account, requests)
        account.started += killed
        account.abandoned += killed
        ledger.add(stretch_of(start_ns, length_ns, cycle), *account.take(), counters.gained())
        inside = [r for r in requests if start_ns <= r.intended_ns < start_ns + length_ns]
        begun += [r for r in inside if r.failure is None]
        unanswered += [r for r in inside if r.failure == UNANSWERED]
    result = ledger.result(verified=True)

    everything = [request for *_, requests in slices for request in requests]
    failed = [r for r in everything if r.failure is not None]
    timed = [*begun, *unanswered]
    assert [(each.cycle, each.start_ns, each.end_ns) for each in result.slices] == [
        (cycle, start_ns, start_ns + length_ns) for cycle, (start_ns, length_ns, _) in enumerate(slices)
    ]
    assert result.requests == len(begun)
    assert sum(each.finished for each in result.slices) == len(everything) - len(failed)
    for (start_ns, length_ns, requests), each in zip(slices, result.slices, strict=True):
        right = [(r.written_ns, r.ended_ns) for r in requests if r.failure is None]
        inside = (min(ended, start_ns + length_ns) - max(written, start_ns) for written, ended in right)
        assert each.in_flight * length_ns == pytest.approx(sum(max(0, ns) for ns in inside))
        timed_ns = sorted(
            r.response_ns
            for r in requests
            if start_ns <= r.intended_ns < start_ns + length_ns and r.failure in {None, UNANSWERED}
        )
        rank = math.ceil(len(timed_ns) * 99 / 100)
        assert each.p99_us == (timed_ns[rank - 1] // 1000 if timed_ns else None)
    assert result.response == us([r.response_ns for r in timed])
    assert result.service == us([*(r.service_ns for r in begun), *(r.response_ns for r in unanswered)])
    assert result.send_lag == us([r.lag_ns for r in begun])
    for each in result.by_request:
        own = (each.method, each.name)
        assert each.response == us([r.response_ns for r in timed if (r.method, r.name) == own])
        assert each.requests == sum((r.method, r.name) == own for r in begun)
        assert each.errors == sum((r.method, r.name) == own for r in failed)
        assert each.unanswered == sum((r.method, r.name) == own and r.failure == UNANSWERED for r in failed)
    for number, found in enumerate(result.slices):
        assert sum(each.answers[number] for each in result.by_request) == pytest.approx(found.answers)
    assert result.errors.total == len(failed)
    assert result.errors.by_kind == Counter(r.failure for r in failed)
    examples = {r.failure: f"{r.name}: at {r.intended_ns}" for r in reversed(failed)}
    assert result.errors.examples == examples
    assert result.unanswered == sum(r.failure == UNANSWERED for r in failed)
    assert result.started == result.finished + result.abandoned
    assert result.abandoned == killed * len(slices)


def test_an_account_hands_over_each_request_once() -> None:
    account = Account()
    play(account, [Seen("GET", "a", 1, 2, 3), Seen("GET", "b", 1, 2, 3, "reset")])
    assert [failed.response_ns for failed in account.failures()] == [5]
    (recorded,), (failed,) = account.take()
    assert (recorded.method, recorded.name, recorded.batch.ended.tolist(), recorded.body_bytes) == ("GET", "a", [6], 7)
    assert (failed.name, failed.failure.kind, failed.response_ns) == ("b", "reset", 5)
    assert account.take() == ([], [])
    assert account.failed == 1


@pytest.mark.parametrize(
    ("intended_ns", "ended_ns", "counts"),
    [(10, 20, True), (9, 20, False), (10, 21, True), (19, 900, True), (20, 20, False), (5, 25, False), (10, 10, True)],
)
def test_every_request_that_began_in_the_stretch_counts(intended_ns: int, ended_ns: int, counts: bool) -> None:
    result = measure([(stretch_of(10, 10), [Seen("GET", "a", intended_ns, 0, ended_ns - intended_ns)])])
    assert (result.requests, result.response.count, result.finished) == (counts, counts, 1)


def test_a_slice_of_several_load_processes_has_no_p99_since_none_of_them_has_all_requests() -> None:
    one = measure([(stretch_of(0, 10), [Seen("GET", "a", 5, 0, 7_000)])])
    assert [each.p99_us for each in merge([one]).slices] == [7]
    assert [each.p99_us for each in merge([one, one]).slices] == [None]


def test_a_result_of_another_host_is_moved_to_this_clock_and_merged() -> None:
    here = measure([(stretch_of(100, 10), [Seen("GET", "a", 105, 0, 2)])])
    there = shift(measure([(stretch_of(1_000_100, 10), [Seen("GET", "a", 1_000_103, 0, 2)])]), lambda _: -1_000_000)
    both = merge([replace(here, load_workers={"a-1": 0.5}), replace(there, load_workers={"b-2": 0.7})])
    (whole,) = both.slices
    assert whole == replace(
        here.slices[0], answers=2.0, requests=2, finished=2, users=whole.users, in_flight=0.4, p99_us=None
    )
    assert both.load_workers == {"a-1": 0.5, "b-2": 0.7}


def test_what_fails_before_the_first_slice_is_an_error_without_a_time() -> None:
    account, ledger = Account(), Ledger()
    play(account, [Seen("GET", "a", 1, 1, 1), Seen("GET", "a", 1, 1, 1, UNANSWERED)])
    ledger.add_failures(account.started, account.take()[1])
    result = ledger.result(verified=True)
    assert (result.requests, result.started, result.finished, result.unanswered) == (0, 2, 2, 1)
    assert result.response.count == 0


@given(
    service_ns=st.lists(st.integers(1, 3 * SECOND_NS), min_size=1, max_size=40),
    users=st.integers(1, 8),
    start_ns=st.integers(0, SECOND_NS),
    length_ns=st.integers(1, 2 * SECOND_NS),
)
def test_for_any_service_times_the_percentiles_are_those_of_the_requests_that_were_sent(
    service_ns: list[int], users: int, start_ns: int, length_ns: int
) -> None:
    """A closed loop in which the service times come in this order, again and again."""
    stretch = stretch_of(start_ns, length_ns)
    requests, sent = [], []
    for user in range(users):
        now_ns, number = 0, user
        while now_ns < stretch.end_ns and len(requests) < 10_000:
            took_ns = service_ns[number % len(service_ns)]
            requests.append(Seen("GET", "a", now_ns, 0, took_ns))
            if now_ns >= start_ns:
                sent.append(took_ns)
            now_ns, number = now_ns + took_ns, number + 1
    result = measure([(stretch, requests)])
    expected = us(sent)
    assert result.response == result.service == expected
    assert [result.response.percentile(p) for p in (50, 90, 99, 100)] == [
        expected.percentile(p) for p in (50, 90, 99, 100)
    ]


@given(
    users=st.integers(1, 64),
    service_ns=st.integers(100_000, 3 * SECOND_NS),
    phases=st.lists(st.floats(0, 1, exclude_max=True), min_size=64, max_size=64),
    length_ns=st.integers(1_000_000, 3 * SECOND_NS),
    start_ns=st.integers(0, SECOND_NS),
)
def test_the_throughput_of_constant_service_times_is_exact_for_any_phase_and_length(
    users: int, service_ns: int, phases: list[float], length_ns: int, start_ns: int
) -> None:
    """N users with service time s get N / s answers per second, wherever the stretch begins and ends.

    Of each user, only the requests at both ends of the stretch and those between them matter.
    """
    stretch = stretch_of(10 * SECOND_NS + start_ns, length_ns)
    starts = []
    for phase in phases[:users]:
        first = int(phase * service_ns)
        number = (stretch.start_ns - first) // service_ns
        count = math.ceil((stretch.end_ns - first) / service_ns) - number
        starts.append(first + service_ns * np.arange(number, number + count, dtype=np.int64))
    written = np.concatenate(starts)
    answers = Batch(written, written, written + service_ns, written + service_ns).share_between(
        stretch.start_ns, stretch.end_ns
    )
    assert answers / (length_ns / 1e9) == pytest.approx(users / (service_ns / 1e9), rel=1e-6)


def test_answers_that_come_in_bursts_do_not_count_more_than_their_time() -> None:
    """32 users, answers of 0.8 s all at the same time, a stretch of 2 s: three bursts end in it, 96 answers."""
    written = np.repeat(np.arange(-1, 4) * 800_000_000 + 300_000_000, 32)
    ended = written + 800_000_000
    batch = Batch(written, written, ended, ended)
    assert int(((batch.ended > 0) & (batch.ended <= 2 * SECOND_NS)).sum()) == 96
    assert batch.share_between(0, 2 * SECOND_NS) == pytest.approx(80)


@given(st.lists(SEEN), TIMES, TIMES, TIMES)
def test_two_adjacent_stretches_have_as_many_answers_as_both_together(
    requests: list[Seen], start_ns: int, first_ns: int, second_ns: int
) -> None:
    account = Account()
    play(account, requests)
    middle_ns, end_ns = start_ns + first_ns, start_ns + first_ns + second_ns
    for each in account.take()[0]:
        parts = each.batch.share_between(start_ns, middle_ns) + each.batch.share_between(middle_ns, end_ns)
        assert parts == pytest.approx(each.batch.share_between(start_ns, end_ns))
        begun = each.batch.begun_between(start_ns, middle_ns), each.batch.begun_between(middle_ns, end_ns)
        assert sum(part.ended.size for part in begun) == each.batch.begun_between(start_ns, end_ns).ended.size


@given(
    answered=st.lists(st.integers(0, 400_000_000), max_size=200),
    unanswered=st.integers(1, 50),
    limit_ns=st.integers(500_000_000, 30 * SECOND_NS),
)
def test_unanswered_requests_are_in_the_percentiles_with_at_least_the_limit(
    answered: list[int], unanswered: int, limit_ns: int
) -> None:
    waited = [Seen("GET", "a", 5, 0, limit_ns + late_ns, UNANSWERED) for late_ns in range(unanswered)]
    result = measure([(stretch_of(0, 10), [*(Seen("GET", "a", 5, 0, took) for took in answered), *waited])])
    assert result.response.count == result.service.count == len(answered) + unanswered
    assert (result.unanswered, result.requests) == (unanswered, len(answered))
    limit_us = limit_ns // 1000
    for percent in (50.0, 90.0, 99.0, 100.0):
        above = math.ceil(percent / 100 * (len(answered) + unanswered)) > len(answered)
        assert (result.response.percentile(percent) >= limit_us * 0.998) == above


def test_requests_without_a_time_are_counted_and_have_no_part_in_the_percentiles() -> None:
    account, ledger = Account(), Ledger()
    counters = Counters(account)
    play(account, [Seen("GET", "a", 5, 0, 10)])
    for ended_ns in (4, 5, 14, 15):
        account.started += 1
        account.series("WSR", "pushed").untimed(ended_ns)
    ledger.add(stretch_of(5, 10), *account.take(), counters.gained())
    result = ledger.result(verified=False)
    assert (result.started, result.finished, result.requests, result.answers) == (5, 5, 3, 3.0)
    assert result.response.count == 1
    assert {each.name: each.response.count for each in result.by_request} == {"a": 1, "pushed": 0}
    assert {each.name: each.answers for each in result.by_request} == {"a": (1.0,), "pushed": (2.0,)}


def test_events_count_with_the_request_that_they_answer() -> None:
    account, ledger = Account(), Ledger()
    counters = Counters(account)
    series = account.series("GET", "chat")
    answers = [(4_000, [5_000, 6_000]), (10_000, [13_000, 13_000, 99_000]), (14_000, []), (15_000, [16_000])]
    for begun_ns, came_ns in answers:
        play(account, [Seen("GET", "chat", begun_ns - 1_000, 0, 500)])  # the same request, not read as it comes
        account.started += 1
        series.add_events(array("q", came_ns))
        series.intended(begun_ns)
        series.written(begun_ns)
        series.ended(begun_ns + 20_000)
    play(account, [Seen("GET", "ping", 10_000, 0, 500)])
    ledger.add(stretch_of(10_000, 5_000), *account.take(), counters.gained())
    by_name = {each.name: each for each in ledger.result(verified=True).by_request}
    assert by_name["ping"].stream is None
    assert by_name["chat"].stream == StreamResult(3, first_event=us([3_000]), gap=us([0, 17_000])), "up to the end"
    assert account.take() == ([], [])


def test_a_locust_file_with_ids_in_its_names_does_not_fill_the_memory() -> None:
    requests = [Seen("GET", f"/items/{number}", 5, 0, 1) for number in range(MOST_NAMES + 7)]
    result = measure([(stretch_of(0, 10), [*requests, Seen("POST", "x" * 10_000, 5, 0, 1, "status")])])
    *named, others = result.by_request
    assert len(named) == MOST_NAMES
    assert ((others.method, others.name), others.requests, others.errors) == (OTHERS, 7, 1)
    assert sum(each.requests for each in result.by_request) == result.requests


def test_an_exception_is_counted_with_the_last_line_of_its_traceback() -> None:
    account = Account()
    for error in (KeyError("id"), AssertionError("one\n  two"), AssertionError()):
        account.raised("Reader", error, 7)
    assert [failed.failure.detail for failed in account.take()[1]] == [
        "KeyError: 'id'",
        "AssertionError: one two",
        "AssertionError",
    ]
    assert (account.started, account.failed) == (3, 3)


def test_counters_give_what_a_slice_added() -> None:
    account = Account()
    account.started, account.reopened = 5, 2
    counters = Counters(account)
    account.started = 6
    assert counters.gained()["started"] == 1
    account.started, account.resent = 9, 1
    assert counters.gained() == {
        "started": 3,
        "abandoned": 0,
        "queued": 0,
        "dropped": 0,
        "opened": 0,
        "resumed": 0,
        "reopened": 0,
        "resent": 1,
        "pushes": 0,
    }


def test_the_service_times_are_those_of_all_names() -> None:
    assert tally_service([]).mean_residence_us == 0
    times = [
        Recorded("GET", name, Batch(*(np.array(part, np.int64) for part in ([0], [1_000], [ended], [ended]))), 0)
        for name, ended in (("a", 1_001_000), ("b", 3_001_000))
    ]
    found = tally_service(times)
    assert found.count == 2
    assert found.mean_residence_us == pytest.approx(2_500, rel=0.01)  # (1² + 3²) ÷ (1 + 3) ms


def test_the_first_bytes_of_bodies_are_timed_as_the_answers_are() -> None:
    account, ledger = Account(), Ledger()
    counters, series = Counters(account), account.series("GET", "download")
    for begun_ns, first_ns, ended_ns in ((9_000, 9_500, 12_000), (11_000, 13_000, 19_000), (12_000, 0, 15_000)):
        account.started += 1
        if first_ns:
            series.add_first_byte(first_ns)
        series.intended(begun_ns)
        series.written(begun_ns)
        series.ended(ended_ns)
    account.started += 1
    account.fail("GET", "download", Failure(UNANSWERED, ""), 12_000, 92_000)
    ledger.add(stretch_of(10_000, 5_000), *account.take(), counters.gained())
    assert ledger.result(verified=True).first_byte == us([2_000, 3_000, 80_000]), "that of its end without a first byte"
    assert ledger.result(verified=False).first_byte is None, "Locust's own users report the ends only"


@given(st.lists(st.tuples(TIMES, st.lists(SEEN)), min_size=2, max_size=4))
def test_processes_are_merged_by_adding(parts: list[tuple[int, list[Seen]]]) -> None:
    length_ns = 2_000_000
    results = [measure([(stretch_of(start_ns, length_ns), requests)]) for start_ns, requests in parts]
    merged = merge(results)
    (whole,) = merged.slices
    assert (whole.start_ns, whole.end_ns) == (results[0].slices[0].start_ns, results[0].slices[0].end_ns)
    assert whole.opened_ns == min(start_ns for start_ns, _ in parts)
    assert whole.drained_ns == max(start_ns for start_ns, _ in parts) + length_ns
    assert merged.counted_s == results[0].counted_s
    assert merged.answers == pytest.approx(sum(result.answers for result in results))
    assert merged.in_flight == pytest.approx(sum(result.in_flight for result in results))
    assert merged.throughput_rps == pytest.approx(sum(result.throughput_rps for result in results))
    for name in ("requests", "started", "finished", "unanswered", "abandoned"):
        assert getattr(merged, name) == sum(getattr(result, name) for result in results)
    assert merged.response == Histogram.merge(result.response for result in results)
    assert merged.errors.total == sum(result.errors.total for result in results)
