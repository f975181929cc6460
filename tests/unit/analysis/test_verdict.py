"""One row per reason: a healthy trial, one thing changed, and the verdict with its reason."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from harness.analysis import verdict
from harness.analysis.case_rounds import combine
from harness.model.histogram import Histogram
from harness.model.loads import SATURATE, Load, Rate
from harness.model.plan import Case
from harness.model.protocols import PROTOCOLS, Protocol
from harness.model.results import Connections, Errors, LoadResult, Record, Verdict
from tests.builders import load_result

WINDOW_NS = 2_000_000_000
CASE = Case("uvicorn", "asgi", "plaintext", "h1", users=8)


def trial(requests: int = 10_000, users_busy: float = 7.9, **changes: Any) -> LoadResult:
    """A result over 2 s in which `users_busy` users had a request in flight on average."""
    result = load_result(
        requests,
        int(users_busy * WINDOW_NS / 1000 / requests) if requests else 0,
        window_start_ns=1_000,
        window_end_ns=1_000 + WINDOW_NS,
        started=requests + 500 + math.ceil(users_busy),
        finished=requests + 500,
        abandoned=math.ceil(users_busy),
        connections=Connections(opened=8, negotiated="http/1.1"),
        cpu_ratio=0.7,
    )
    return replace(result, **changes)


HEALTHY = trial()
SURROUNDINGS: dict[str, Any] = {
    "server_cpu_s": 1.96,
    "server_cpus": 1,
    "steal_ratio": 0.01,
    "other_cpu_ratio": 0.01,
    "ceiling_rps": 20_000.0,
    "disjoint": True,
}


def judge(result: LoadResult = HEALTHY, case: Case = CASE, **surroundings: Any) -> tuple[Verdict, tuple[str, ...]]:
    return verdict.judge(case, result, verdict.Surroundings(**{**SURROUNDINGS, **surroundings}))


def test_a_healthy_trial_is_valid_without_a_reason() -> None:
    assert judge() == ("valid", ())


def test_what_was_not_measured_gives_no_reason() -> None:
    assert judge(server_cpu_s=None, steal_ratio=None, other_cpu_ratio=None, ceiling_rps=None) == ("valid", ())


ERRORS = Errors(3, {"status": 2, "timeout": 1}, {"status": "GET /: 500", "timeout": "GET /: 30 s"})
FAILED_PASS = trial(
    0, window_end_ns=1_000, checked=False, finished=1, errors=Errors(1, {"body": 1}, {"body": "GET /: b''"})
)
IDLE_SERVER = {"server_cpu_s": 1.2}

REASONS: list[tuple[str, LoadResult, dict[str, Any], Verdict, str]] = [
    (
        "the pass before the window",
        FAILED_PASS,
        {},
        "invalid",
        "before the window, requests without a right answer: 1 (100 %), first 1 × body (GET /: b''); limit 0",
    ),
    (
        "errors",
        trial(errors=ERRORS, finished=15_000, started=15_008),
        {},
        "invalid",
        "requests without a right answer: 3 (0.02 %), first 2 × status (GET /: 500); limit 0",
    ),
    (
        "no requests",
        trial(0, abandoned=0, started=500),
        {},
        "invalid",
        "0 requests got a right answer in the window; limit 1",
    ),
    (
        "lost requests",
        trial(started=10_511),
        {},
        "invalid",
        "3 of 10,511 started requests are unaccounted for; limit 0",
    ),
    (
        "another protocol",
        trial(connections=Connections(negotiated="h2c")),
        {},
        "invalid",
        "negotiated h2c, asked for http/1.1",
    ),
    (
        "TLS where none was asked for",
        trial(connections=Connections(negotiated="TLSv1.3 http/1.1")),
        {},
        "invalid",
        "negotiated TLSv1.3 http/1.1, asked for http/1.1",
    ),
    (
        "nothing negotiated",
        trial(connections=Connections()),
        {},
        "invalid",
        "negotiated nothing, asked for http/1.1",
    ),
    (
        "more in flight than users",
        trial(users_busy=8.2),
        {},
        "invalid",
        "8.2 requests in flight (rate × mean service time) with 8 users; limit 2 % above",
    ),
    (
        "fewer in flight than half the users",
        trial(users_busy=3.9, abandoned=3, started=10_503),
        {},
        "client-limited",
        "3.9 requests in flight (rate × mean service time) with 8 users; limit 50 % of them",
    ),
    (
        "a busy generator",
        trial(cpu_ratio=0.98),
        IDLE_SERVER,
        "client-limited",
        "generator used 98 % of its core, the server 60 % of its own; limit 90 %",
    ),
    (
        "a busy generator and a server without samples",
        trial(cpu_ratio=0.9),
        {"server_cpu_s": None},
        "client-limited",
        "generator used 90 % of its core; limit 90 %",
    ),
    (
        "near the ceiling",
        HEALTHY,
        {"ceiling_rps": 5_625, **IDLE_SERVER},
        "client-limited",
        "88.9 % of the generator's ceiling of 5,625 requests/s; limit 80 %",
    ),
    ("some steal", HEALTHY, {"steal_ratio": 0.12}, "valid", "the host took 12 % of the CPU; noted from 5 %"),
    (
        "some CPU time of other processes",
        HEALTHY,
        {"other_cpu_ratio": 0.06},
        "valid",
        "other processes used 6 % of the server's CPUs; noted from 5 %",
    ),
    (
        "much CPU time of other processes",
        HEALTHY,
        {"other_cpu_ratio": 0.5},
        "invalid",
        "other processes used 50 % of the server's CPUs; limit 20 %",
    ),
    ("much steal", HEALTHY, {"steal_ratio": 0.25}, "invalid", "the host took 25 % of the CPU; limit 20 %"),
    ("shared CPUs", HEALTHY, {"disjoint": False}, "valid", "generator and server shared CPUs; each needs 1 of its own"),
]


@pytest.mark.parametrize(
    ("result", "surroundings", "expected", "reason"), [row[1:] for row in REASONS], ids=[row[0] for row in REASONS]
)
def test_each_fault_alone_is_reported_with_its_figure_and_its_limit(
    result: LoadResult, surroundings: dict[str, Any], expected: Verdict, reason: str
) -> None:
    assert judge(result, **surroundings) == (expected, (reason,))


@pytest.mark.parametrize(
    ("result", "surroundings"),
    [
        (trial(cpu_ratio=0.89), IDLE_SERVER),
        (HEALTHY, {"ceiling_rps": 6_400, **IDLE_SERVER}),
        (trial(users_busy=8.1), {}),
        (trial(users_busy=4.1), {}),
        (HEALTHY, {"steal_ratio": 0.05}),
        (HEALTHY, {"other_cpu_ratio": 0.05}),
        (trial(connections=Connections(opened=900, reopened=892, resent=3, negotiated="http/1.1")), {}),
    ],
    ids=["generator", "ceiling", "in flight above", "in flight below", "steal", "others", "reopened"],
)
def test_just_inside_a_limit_there_is_no_reason(result: LoadResult, surroundings: dict[str, Any]) -> None:
    assert judge(result, **surroundings) == ("valid", ())


@pytest.mark.parametrize(
    ("generator", "server", "expected"),
    [
        (0.99, 0.96, "valid"),
        (0.99, 0.94, "client-limited"),
        (0.92, 0.93, "valid"),
        (0.93, 0.92, "client-limited"),
        (0.50, 0.30, "valid"),
    ],
)
def test_of_a_busy_generator_and_a_busy_server_the_one_nearer_to_full_is_the_bottleneck(
    generator: float, server: float, expected: Verdict
) -> None:
    assert judge(trial(cpu_ratio=generator), server_cpu_s=2 * server)[0] == expected


@pytest.mark.parametrize(
    ("workers", "cpus", "cpu_s", "expected"),
    [(4, 2, 3.9, "valid"), (2, 8, 3.9, "valid"), (2, 8, 1.95, "client-limited"), (1, 0, 1.95, "valid")],
)
def test_a_server_is_as_busy_as_its_workers_can_be_on_the_cpus_they_have(
    workers: int, cpus: int, cpu_s: float, expected: Verdict
) -> None:
    case = replace(CASE, workers=workers)
    assert judge(trial(cpu_ratio=0.98), case, server_cpu_s=cpu_s, server_cpus=cpus)[0] == expected


def test_requests_cut_off_by_the_edges_of_the_window_do_not_make_a_trial_client_limited() -> None:
    # Answers take 1.8 s of a window of 2 s: only 4 of the 8 users have one that lies wholly inside.
    assert judge(trial(4, users_busy=4 * 1.8 / 2)) == ("valid", ())


def test_littles_law_is_checked_in_closed_loops_only() -> None:
    assert judge(trial(users_busy=0.5), replace(CASE, load=Rate(500))) == ("valid", ())


@pytest.mark.parametrize(
    ("protocol", "negotiated"),
    [
        ("h1", "http/1.1"),
        ("h1-tls", "TLSv1.3 http/1.1"),
        ("h1-tls", "TLSv1.2 http/1.1"),
        ("h2", "TLSv1.3 h2"),
        ("h2c", "h2c"),
        ("ws", "websocket"),
        ("ws-tls", "TLSv1.3 websocket"),
    ],
)
def test_every_protocol_must_be_negotiated_by_its_own_name(protocol: Protocol, negotiated: str) -> None:
    result = trial(connections=Connections(negotiated=negotiated))
    valid = {each for each in PROTOCOLS if judge(result, replace(CASE, protocol=each))[0] == "valid"}
    assert valid == {protocol}


def test_requests_that_take_longer_than_the_window_are_seen_at_its_end() -> None:
    slow = trial(40, users_busy=0.5, abandoned=8, started=548)
    assert judge(slow) == ("valid", ())
    nothing = trial(0, abandoned=8, started=508)
    reason = (
        "0 requests got a right answer in the window, 8 were in flight at its end; limit 1; try a longer --duration"
    )
    assert judge(nothing)[1] == (reason,)


def test_in_a_short_window_the_error_of_the_clock_ticks_raises_the_limit() -> None:
    short = trial(1_500, 7.9 * 0.15, window_end_ns=1_000 + WINDOW_NS * 3 // 20)
    assert judge(short, other_cpu_ratio=0.1, server_cpu_s=0.29)[1] == ()
    noted = judge(short, other_cpu_ratio=0.15, server_cpu_s=0.29)
    assert noted == ("valid", ("other processes used 15 % of the server's CPUs; noted from 13.3 %",))


OVERLOAD = trial(7_000)


@pytest.mark.parametrize(
    ("load", "result", "surroundings", "overloaded"),
    [
        (Rate(5000), OVERLOAD, {}, True),
        (Rate(3500), OVERLOAD, {}, False),
        (Rate(5000), OVERLOAD, {"other_cpu_ratio": 0.5}, False),
        (Rate(5000), OVERLOAD, {"steal_ratio": 0.5}, False),
        (Rate(5000), replace(OVERLOAD, cpu_ratio=0.99), {"server_cpu_s": 1.0}, False),
        (Rate(5000), replace(OVERLOAD, checked=False, window_end_ns=OVERLOAD.window_start_ns), {}, False),
        (SATURATE, OVERLOAD, {}, False),
    ],
)
def test_a_server_is_overloaded_only_if_nothing_else_can_be_the_reason(
    load: Load, result: LoadResult, surroundings: dict[str, Any], *, overloaded: bool
) -> None:
    around = verdict.Surroundings(**{**SURROUNDINGS, **surroundings})
    assert verdict.is_overloaded(replace(CASE, load=load), result, around) is overloaded


def test_a_difference_between_server_and_generator_within_the_error_of_the_samples_is_valid() -> None:
    for window_s, expected in ((0.4, "valid"), (2, "client-limited")):
        result = trial(2_000, 7.9 * window_s / 2, cpu_ratio=0.948, window_end_ns=1_000 + int(window_s * 1e9))
        assert judge(result, server_cpu_s=0.936 * window_s)[0] == expected


def test_a_trial_is_disturbed_only_by_steal_and_other_processes() -> None:
    def disturbed(result: LoadResult = HEALTHY, **surroundings: Any) -> bool:
        return verdict.is_disturbed(result, verdict.Surroundings(**{**SURROUNDINGS, **surroundings}))

    assert disturbed(steal_ratio=0.25)
    assert disturbed(other_cpu_ratio=0.25)
    assert not disturbed(steal_ratio=0.15, disjoint=False)
    assert not disturbed(trial(errors=ERRORS), steal_ratio=0.25)
    assert not disturbed(trial(started=11_000), steal_ratio=0.25)
    assert not disturbed(replace(HEALTHY, window_end_ns=HEALTHY.window_start_ns), steal_ratio=0.25)


def test_custom_users_with_think_time_make_a_trial_client_limited() -> None:
    waiting = replace(trial(60, users_busy=0.02), verified=False, connections=Connections())
    found, reasons = judge(waiting)
    assert found == "client-limited"
    assert reasons == (
        "0.02 requests in flight (rate × mean time) with 8 users: their think time limits the rate; limit 50 % of them",
        "custom Locust users: responses were checked only as far as that file checks them",
    )
    slow = replace(waiting, service=Histogram.of([600_000] * 2))
    assert judge(slow)[0] == "valid"


def test_the_worst_finding_decides_and_comes_first_and_the_others_follow() -> None:
    found, reasons = judge(trial(users_busy=2), disjoint=False, steal_ratio=0.3)
    assert found == "invalid"
    assert [reason.split()[0] for reason in reasons] == ["the", "2", "generator"]


def test_without_any_right_answer_the_errors_are_a_second_reason() -> None:
    found, reasons = judge(trial(0, errors=ERRORS, finished=3))
    assert found == "invalid"
    assert [("0 requests" in reason, "status" in reason) for reason in reasons] == [(True, False), (False, True)]


def rounds(*verdicts_and_reasons: tuple[Verdict, tuple[str, ...]]) -> list[Record]:
    return [
        Record(CASE, number, number, found, reasons) for number, (found, reasons) in enumerate(verdicts_and_reasons)
    ]


VALID: tuple[Verdict, tuple[str, ...]] = ("valid", ())
LIMITED: tuple[Verdict, tuple[str, ...]] = ("client-limited", ("generator used 97 % of its core; limit 90 %",))


def test_a_case_is_valid_when_all_its_rounds_are() -> None:
    assert combine(rounds(VALID, VALID)) == ("valid", ())


def test_one_round_in_five_may_be_left_out_and_the_reason_says_so() -> None:
    found, reasons = combine(rounds(VALID, LIMITED, VALID, VALID, VALID))
    assert found == "valid"
    assert reasons == ("1 of 5 rounds left out as client-limited: generator used 97 % of its core; limit 90 %",)


def test_one_round_in_four_may_not_be_left_out() -> None:
    found, reasons = combine(rounds(VALID, LIMITED, VALID, VALID))
    assert found == "client-limited"
    assert reasons == ("generator used 97 % of its core; limit 90 % (1 of 4 rounds)",)


def test_a_case_has_the_most_frequent_bad_verdict_of_its_rounds() -> None:
    invalid: tuple[Verdict, tuple[str, ...]] = ("invalid", ("lost",))
    assert combine(rounds(LIMITED, invalid, LIMITED, VALID, VALID))[0] == "client-limited"


def test_of_two_equally_frequent_bad_verdicts_a_case_has_the_worse() -> None:
    failed: tuple[Verdict, tuple[str, ...]] = ("failed", ("no start",))
    assert combine(rounds(LIMITED, failed, VALID)) == ("failed", ("no start (1 of 3 rounds)",))


def test_reasons_that_differ_only_in_their_figures_are_reported_once_with_those_of_the_first_round() -> None:
    later: tuple[Verdict, tuple[str, ...]] = ("client-limited", ("generator used 99.3 % of its core; limit 90 %",))
    records = rounds(LIMITED, later, later)
    expected = ("client-limited", ("generator used 97 % of its core; limit 90 %",))
    assert combine(records) == expected
    assert combine(records[::-1]) == expected


def test_notes_on_valid_rounds_are_kept_for_a_valid_case() -> None:
    noted: tuple[Verdict, tuple[str, ...]] = ("valid", ("generator and server shared CPUs",))
    assert combine(rounds(noted, VALID)) == ("valid", ("generator and server shared CPUs (1 of 2 rounds)",))


@pytest.mark.parametrize("found", ["unsupported", "failed"])
def test_a_case_with_a_single_record_has_its_verdict_and_reasons(found: Verdict) -> None:
    assert combine(rounds((found, ("in these words",)))) == (found, ("in these words",))


OPEN = replace(CASE, load=Rate(5000))
LATE = Histogram.of([1_500] * 10_000)


@pytest.mark.parametrize(
    ("result", "expected", "reason"),
    [
        (trial(10_000), "valid", None),
        (trial(9_910), "valid", None),
        (trial(9_800), "invalid", "98 % of the offered 5,000 requests/s were answered; limit 99 %"),
        (trial(dropped=7), "invalid", "7 requests found the queue full and were not sent; limit 0"),
        (
            trial(send_lag=LATE),
            "client-limited",
            "the generator sent 1,500 µs late at p99 while users were free; limit 1,000 µs",
        ),
        (
            trial(send_lag=LATE, queued=2_000),
            "valid",
            "19 % of the requests were due when all 8 users waited for an answer; noted from 1 %",
        ),
    ],
)
def test_an_open_loop_must_keep_its_rate(result: LoadResult, expected: Verdict, reason: str | None) -> None:
    assert judge(result, OPEN) == (expected, (reason,) if reason else ())


def test_an_open_loop_may_have_few_requests_in_flight() -> None:
    assert judge(trial(users_busy=0.5), OPEN) == ("valid", ())
