"""What the drills of many clients, overload, orphans and cold starts say of what they saw."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.drill.experiments import cold_start, idle_connections, orphans, overload, slow_clients
from harness.drill.experiments.overload import find_normal_s
from harness.drill.model import Drill, End, Exchange, Grade, Observation, Seen, Tally

HONEST = "honest requests beside slow clients"
OVERLOAD = "due during the overload"
LOOK = "in flight at the kill, or due in the look"
OVERLOADED = {"capacity_rps": 200.0, "answered_rps": 190.0, "before_ms": 5.0, "p99_ms": 4000.0, "normal_s": 0.5}
SMALL = {f"{kind}_5000_{what}": value for kind in ("keep_alive", "websocket") for what, value in
         (("bytes", 8192.0), ("served", 5000.0))}  # fmt: skip


def slow(headers_ms: float, readers_ms: float, tally: Tally = Tally(HONEST, right=3000)) -> Observation:  # noqa: B008
    return Observation((tally,), {"p99_ms": 4.0, "headers_ms": headers_ms, "bodies_ms": 4.0, "readers_ms": readers_ms})


def flood(**numbers: float) -> dict[str, float]:
    return {name: value for name, value in {**OVERLOADED, **numbers}.items() if value >= 0}


CASES: list[tuple[Drill, Observation, Grade, str, str]] = [
    (slow_clients.DRILL, slow(5.0, 6.0), "good", "p99 6.00 ms", "do not notice 500 slow clients"),
    (slow_clients.DRILL, slow(5.0, 600.0), "fair", "p99 600 ms", "whose answers drip, the p99 is 600 ms instead of"),
    (slow_clients.DRILL, slow(500.0, 600.0), "fair", "p99 600 ms", "headers and answers drip"),
    (
        slow_clients.DRILL,
        slow(5.0, 5.0, Tally(HONEST, right=9, reset=2, refused=1)),
        "bad",
        "3 lost",
        "2 reset and 1 ref",
    ),
    (slow_clients.DRILL, Observation(), "bad", "no answer", "no answer"),
    (idle_connections.DRILL, Observation((), {"keep_alive_5000_served": 5000.0}), "fair", "not kept alive", "new one"),
    (idle_connections.DRILL, Observation((), SMALL), "good", "8.00 / 8.00 KiB", "5,000 idle connections were served"),
    (
        idle_connections.DRILL,
        Observation((), {**SMALL, "websocket_5000_bytes": 200_000.0}),
        "fair",
        "8.00 / 195 KiB",
        "195 KiB for each WebSocket",
    ),
    (
        idle_connections.DRILL,
        Observation((), {**SMALL, "keep_alive_5000_served": 1024.0}),
        "bad",
        "serves 1,024",
        "Of 5,000 idle connections (keep-alive) it served 1,024; the next one got no answer",
    ),
    (
        overload.DRILL,
        Observation((Tally(OVERLOAD, right=99),), flood(p99_ms=90.0)),
        "good",
        "100 % answered",
        "as before",
    ),
    (
        overload.DRILL,
        Observation((Tally(OVERLOAD, right=60, unanswered=40),), flood()),
        "fair",
        "60 % answered",
        "answered 60 %, where half is possible; one in a hundred of them after 4.00 s or more. 40 % got no",
    ),
    (
        overload.DRILL,
        Observation((Tally(OVERLOAD, right=50, error=50, details={"status 503": 50}),), flood(p99_ms=90.0)),
        "good",
        "50 % answered",
        "50 % were told 503 at once",
    ),
    (
        overload.DRILL,
        Observation((Tally(OVERLOAD, right=10, unanswered=90),), flood(answered_rps=20.0)),
        "bad",
        "10 % answered",
        "less than half",
    ),
    (
        overload.DRILL,
        Observation((Tally(OVERLOAD, right=9),), flood(normal_s=-1.0)),
        "bad",
        "not normal after",
        "15 s later",
    ),
    (overload.DRILL, Observation((), {}, ("the server ended with SIGSEGV",)), "bad", "server ends", "SIGSEGV"),
    (
        orphans.DRILL,
        Observation((Tally(LOOK, right=9),), {}, ("workers go on serving",)),
        "fair",
        "go on serving",
        "old c",
    ),
    (
        orphans.DRILL,
        Observation((), {"served_s": 0.2}, ("processes are left",)),
        "bad",
        "processes left",
        "take no connections",
    ),
    (orphans.DRILL, Observation((), {"served_s": 0.8, "gone_s": 0.9}), "good", "end in 900 ms", "end by themselves"),
    (
        orphans.DRILL,
        Observation((), {"served_s": 0.0, "gone_s": 0.1}, ("no parent: one process",)),
        "good",
        "none",
        "It is one process",
    ),
    (
        cold_start.DRILL,
        Observation((), {"ready_s": 0.3, "imports_s": 0.2}),
        "good",
        "300 ms",
        "imports alone take 200 ms",
    ),
    (cold_start.DRILL, Observation((), {"ready_s": 9.0, "imports_s": 8.0}), "fair", "9.00 s", "a peak, or a restart"),
    (cold_start.DRILL, Observation((), {"ready_s": 9.0}), "fair", "9.00 s", "borne by the others"),
]


@pytest.mark.parametrize(("drill", "observation", "grade", "cell", "said"), CASES)
@pytest.mark.parametrize("family", ["uvicorn", "a server without options"])
def test_what_was_seen_is_graded_and_said(
    drill: Drill, observation: Observation, grade: Grade, cell: str, said: str, family: str
) -> None:
    words = drill.explain(family, Seen([observation]))
    assert (words.grade, words.cell) == (grade, cell)
    assert said in words.meaning
    assert bool(words.option) is (grade != "good")


def answers(*latencies_ms: float, end: End = "right") -> list[Exchange]:
    """One answer each 100 ms."""
    due = [number * 100_000_000 for number in range(len(latencies_ms))]
    return [
        Exchange("requests", at_ns, at_ns + round(latency * 1e6), end)
        for at_ns, latency in zip(due, latencies_ms, strict=True)
    ]


@pytest.mark.parametrize(
    ("latencies_ms", "before_ms", "expected_s"),
    [
        ([5.0] * 30, 5.0, 0.0),
        ([900.0] * 10 + [5.0] * 30, 5.0, 1.0),
        ([900.0] * 30, 5.0, None),
        ([900.0] * 25 + [5.0] * 5, 5.0, None),  # half a second is too short to tell
        ([900.0] * 10 + [5.0] * 5 + [900.0] + [5.0] * 20, 5.0, 1.6),
        ([90.0] * 30, 5.0, 0.0),
        ([290.0] * 30, 100.0, 0.0),
        ([], 5.0, None),
    ],
)
def test_it_is_normal_from_the_first_second_that_is(
    latencies_ms: list[float], before_ms: float, expected_s: float | None
) -> None:
    assert find_normal_s(answers(*latencies_ms), 0, before_ms) == expected_s


@given(st.lists(st.sampled_from([5.0, 900.0]), max_size=60))
def test_what_is_normal_at_once_stays_so_with_better_answers(latencies_ms: list[float]) -> None:
    found = find_normal_s(answers(*latencies_ms), 0, 5.0)
    better = find_normal_s(answers(*[5.0 for _ in latencies_ms]), 0, 5.0)
    assert found is None or (better is not None and better <= found)


def test_errors_are_not_normal() -> None:
    assert find_normal_s(answers(*[5.0] * 30, end="reset"), 0, 5.0) is None
