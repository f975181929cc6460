"""The account against a naive count of the same requests."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.account import Account, Folded
from harness.load.exchange import Failure
from harness.model.histogram import Histogram

DAY_NS = 86_400 * 10**9


@dataclass(frozen=True)
class Seen:
    """One request, and what became of it: a failure of some kind, or else a right answer."""

    method: str
    name: str
    intended_ns: int
    lag_ns: int
    service_ns: int
    failure: str | None
    fold: bool
    """Does the account fold after it?"""

    @property
    def written_ns(self) -> int:
        return self.intended_ns + self.lag_ns

    @property
    def ended_ns(self) -> int:
        return self.written_ns + self.service_ns


@dataclass
class User:
    """As much of a client as the account knows."""

    pending_since_ns: int

    def give_up(self, failure: Failure) -> None:
        raise AssertionError(failure)


TIMES = st.integers(0, 5_000_000)
SEEN = st.builds(
    Seen,
    st.sampled_from(["GET", "POST"]),
    st.sampled_from(["a", "b"]),
    TIMES,
    TIMES,
    TIMES,
    st.sampled_from([None, None, "closed", "status"]),
    st.booleans(),
)


def play(account: Account, requests: list[Seen]) -> list[Folded]:
    """Count as clients do; all that was folded on the way."""
    folded: list[Folded] = []
    for request in requests:
        account.started += 1
        if request.failure is not None:
            failure = Failure(request.failure, f"at {request.intended_ns}")
            account.fail(request.method, request.name, failure, request.ended_ns - request.intended_ns)
        else:
            series = account.series(request.method, request.name)
            series.intended(request.intended_ns)
            series.written(request.written_ns)
            series.ended(request.ended_ns)
            series.body_bytes += 7
        if request.fold:
            folded += account.fold()
    return [*folded, *account.fold()]


def us(values_ns: list[int]) -> Histogram:
    return Histogram.of(value // 1000 for value in values_ns)


@given(st.lists(SEEN), TIMES, TIMES, st.lists(st.integers(0, 1)), st.integers(0, 3))
def test_the_account_is_what_a_naive_count_gives(
    requests: list[Seen], start_ns: int, window_ns: int, pending: list[int], killed: int
) -> None:
    account = Account()
    account.window = (start_ns, start_ns + window_ns)
    account.clients += map(User, pending)
    account.started += sum(pending) + killed
    account.abandoned += killed
    folded = play(account, requests)
    result = account.result(0.5, checked=True)

    right = [request for request in requests if request.failure is None]
    inside = [r for r in right if start_ns <= r.intended_ns and r.ended_ns <= start_ns + window_ns]
    failed = [r for r in requests if r.failure is not None]
    assert (result.window_start_ns, result.window_end_ns) == account.window
    assert result.requests == len(inside)
    assert result.answers == sum(start_ns <= r.ended_ns <= start_ns + window_ns for r in right)
    assert result.response == us([r.ended_ns - r.intended_ns for r in inside])
    assert result.service == us([r.service_ns for r in inside])
    assert result.send_lag == us([r.lag_ns for r in inside])
    assert result.by_name == {
        name: us([r.ended_ns - r.intended_ns for r in inside if r.name == name]) for name in {r.name for r in right}
    }
    assert result.errors.total == len(failed)
    assert result.errors.by_kind == Counter(r.failure for r in failed)
    examples = {r.failure: f"{r.name}: at {r.intended_ns}" for r in reversed(failed)}
    assert result.errors.examples == examples
    assert [(f.failure.kind, f.response_ns) for f in account.take_failures()] == [
        (r.failure, r.ended_ns - r.intended_ns) for r in failed
    ]
    assert account.take_failures() == []
    assert result.started == result.finished + result.abandoned
    assert result.abandoned == sum(pending) + killed
    assert Counter((f.method, f.name) for f in folded for _ in f.batch.ended) == Counter(
        (r.method, r.name) for r in right
    )
    assert sum(f.body_bytes for f in folded) == 7 * len(right)


@pytest.mark.parametrize(
    ("intended_ns", "ended_ns", "counts"),
    [(10, 20, True), (9, 20, False), (10, 21, False), (20, 20, True), (5, 25, False), (10, 10, True)],
)
def test_only_what_lies_wholly_in_the_window_counts(intended_ns: int, ended_ns: int, counts: bool) -> None:
    account = Account()
    account.window = (10, 20)
    play(account, [Seen("GET", "a", intended_ns, 0, ended_ns - intended_ns, None, fold=False)])
    result = account.result(0.0, checked=True)
    assert (result.requests, result.finished) == (counts, 1)


def test_nothing_counts_before_the_window_is_known_but_all_is_accounted_for() -> None:
    account = Account()
    play(account, [Seen("GET", "a", 1, 1, 1, None, fold=False)] * 3)
    account.window = (0, DAY_NS)
    result = account.result(0.0, checked=True)
    assert (result.requests, result.started, result.finished) == (0, 3, 3)
