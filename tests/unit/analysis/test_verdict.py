"""One row per reason: a healthy trial, one thing changed, and the verdict with its reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.analysis import verdict
from harness.analysis.case_rounds import combine
from harness.model.histogram import Histogram
from harness.model.loads import SATURATE, Load, Rate
from harness.model.plan import Case
from harness.model.protocols import PROTOCOLS, Protocol
from harness.model.records import Record, Verdict
from harness.model.results import Connections, Errors, LoadResult
from tests.builders import load_result, load_slices

COUNTED_NS = 2_000_000_000
CASE = Case("uvicorn", "asgi", "plaintext", "h1", users=8)


def trial(requests: int = 10_000, users_busy: float = 7.9, counted_ns: int = COUNTED_NS, **changes: Any) -> LoadResult:
    """A result of one slice, of 2 s, in which `users_busy` users had a request in flight on average."""
    result = load_result(
        response_us=[int(users_busy * counted_ns / 1000 / requests)] * requests if requests else [],
        slices=load_slices([requests], counted_ns, in_flight=users_busy),
        started=requests + 500,
        finished=requests + 500,
        connections=Connections(opened=8, negotiated="http/1.1"),
        cpu_ratio=0.7,
    )
    return replace(result, **changes)


def answered_of(answers: float, due: int) -> LoadResult:
    """An open loop whose server answered so many of the requests while they were due, and the others later."""
    (whole,) = load_slices([due], COUNTED_NS)
    return trial(due, slices=(replace(whole, answers=answers),))


HEALTHY = trial()
SURROUNDINGS: dict[str, Any] = {
    "server_cpu_ratio": 0.98,
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
    assert judge(server_cpu_ratio=None, steal_ratio=None, other_cpu_ratio=None, ceiling_rps=None) == ("valid", ())


ERRORS = Errors(3, {"status": 2, "timeout": 1}, {"status": "GET /: 500", "timeout": "GET /: 30 s"})
FAILED_PASS = trial(0, slices=(), checked=False, finished=1, errors=Errors(1, {"body": 1}, {"body": "GET /: b''"}))
IDLE_SERVER = {"server_cpu_ratio": 0.6}
UNANSWERED = Errors(8, {"unanswered": 8}, {"unanswered": "GET /: nothing within 30 s"})

REASONS: list[tuple[str, LoadResult, dict[str, Any], Verdict, str]] = [
    (
        "the pass before anything counts",
        FAILED_PASS,
        {},
        "invalid",
        "before anything counted, requests without a right answer: 1 (100 %), first 1 × body (GET /: b''); limit 0",
    ),
    (
        "errors",
        trial(errors=ERRORS, finished=15_000, started=15_000),
        {},
        "invalid",
        "requests without a right answer: 3 (0.02 %), first 2 × status (GET /: 500); limit 0",
    ),
    (
        "no requests",
        trial(0),
        {},
        "invalid",
        "0 requests got a right answer; limit 1",
    ),
    (
        "lost requests",
        trial(started=10_503),
        {},
        "invalid",
        "3 of 10,503 started requests are unaccounted for; limit 0",
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
        "8.2 requests in flight with 8 users; limit one for each",
    ),
    (
        "fewer in flight than half the users",
        trial(users_busy=3.9),
        {},
        "client-limited",
        "3.9 requests in flight with 8 users; limit 50 % of them",
    ),
    (
        "a busy generator",
        trial(cpu_ratio=0.98),
        IDLE_SERVER,
        "client-limited",
        "generator used 98 % of its core, the server 60 % of its own; limit 90 %",
    ),
    (
        "a busy load worker",
        trial(cpu_ratio=0.98, load_workers={"gen1-7": 0.6, "gen2-9": 0.98}),
        {**IDLE_SERVER, "load_workers": 2},
        "client-limited",
        "load worker gen2-9 used 98 % of its core, the server 60 % of its own; limit 90 %",
    ),
    (
        "a missing load worker",
        trial(load_workers={"gen1-7": 0.7}),
        {"load_workers": 2, "missing_workers": ("gen2-9",)},
        "valid",
        "load came from 1 of 2 load workers; missing: gen2-9",
    ),
    (
        "a busy generator and a server without samples",
        trial(cpu_ratio=0.9),
        {"server_cpu_ratio": None},
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
    (
        "above the ceiling",
        HEALTHY,
        {"ceiling_rps": 4_500, **IDLE_SERVER},
        "client-limited",
        "as fast as the generator's ceiling of 4,500 requests/s; limit 80 %",
    ),
    (
        "some steal",
        HEALTHY,
        {"steal_ratio": 0.12},
        "valid",
        "the host took 12 % of the CPU: absolute numbers are disturbed; noted from 5 %",
    ),
    (
        "some CPU time of other processes",
        HEALTHY,
        {"other_cpu_ratio": 0.06},
        "valid",
        "other processes used 6 % of the server's CPUs: absolute numbers are disturbed; noted from 5 %",
    ),
    (
        "much CPU time of other processes",
        HEALTHY,
        {"other_cpu_ratio": 0.5},
        "valid",
        "other processes used 50 % of the server's CPUs: absolute numbers are disturbed; noted from 5 %",
    ),
    (
        "pauses of a container's processes",
        HEALTHY,
        {"paused_ratio": 0.2},
        "valid",
        "a CPU quota paused servers or harness for 20 % of the time: absolute numbers are disturbed; noted from 5 %",
    ),
    (
        "pauses of the generator, however busy the server is",
        trial(paused_ratio=0.011),
        {},
        "client-limited",
        "a CPU quota paused the generator for 1.1 % of the time; limit 1 %, give its container whole CPUs",
    ),
    (
        "much steal",
        HEALTHY,
        {"steal_ratio": 0.25},
        "valid",
        "the host took 25 % of the CPU: absolute numbers are disturbed; noted from 5 %",
    ),
    (
        "unanswered requests",
        trial(errors=UNANSWERED, unanswered=8),
        {},
        "invalid",
        "requests without a right answer: 8 (0.0762 %), first 8 × unanswered (GET /: nothing within 30 s); limit 0",
    ),
    ("shared CPUs", HEALTHY, {"disjoint": False}, "valid", "generator and server shared CPUs; each needs 1 of its own"),
    (
        "a master that shares the server's CPUs",
        trial(load_workers={"a": 0.6, "b": 0.5}),
        {"disjoint": False, "load_workers": 2},
        "valid",
        "Locust's master and server shared CPUs; each needs 1 of its own",
    ),
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
        (trial(users_busy=8.0), {}),
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
    ("ended", "new", "reasons"),
    [
        ((), 3, ()),
        ((12,), 1, ("worker process 12 ended and was replaced during the measurement",)),
        ((12, 14), 5, ("worker processes 12, 14 ended and were replaced during the measurement",)),
        ((12,), 0, ("worker process 12 ended during the measurement and was not replaced by its end",)),
        (
            (12, 14),
            1,
            (
                "worker process 12 ended and was replaced during the measurement",
                "worker process 14 ended during the measurement and was not replaced by its end",
            ),
        ),
    ],
)
def test_a_worker_that_ended_is_told(ended: tuple[int, ...], new: int, reasons: tuple[str, ...]) -> None:
    assert judge(ended_workers=ended, new_workers=new) == ("valid", reasons)
    # Also where the pass before the load failed, perhaps for that reason.
    assert judge(FAILED_PASS, ended_workers=ended, new_workers=new)[1][1:] == reasons


def test_bodies_that_changed_are_told_and_cost_no_number() -> None:
    changes = {"GET /visits": "expected b'1', found b'2'", "GET /health": "expected b'ok', found b'OK'"}
    told = "bodies that changed during the run, checked by status, type and length only: GET /health, GET /visits"
    assert judge(trial(changes=changes)) == ("valid", (f"{told} (GET /health: expected b'ok', found b'OK')",))


@pytest.mark.parametrize("verified", [True, False])
def test_users_that_ended_make_a_trial_invalid(verified: bool) -> None:
    found, reasons = judge(trial(stopped_users=2, verified=verified))
    assert (found, reasons[0]) == ("invalid", "2 of 8 users ended before the measurement did; limit 0")


@pytest.mark.parametrize(
    ("generator", "server", "expected"),
    [
        (0.99, 0.93, "valid"),
        (0.99, 0.91, "client-limited"),
        (0.93, 0.91, "valid"),
        (0.93, 0.89, "client-limited"),
        (0.50, 0.30, "valid"),
    ],
)
def test_of_a_busy_generator_and_a_busy_server_the_one_nearer_to_full_is_the_bottleneck(
    generator: float, server: float, expected: Verdict
) -> None:
    assert judge(trial(cpu_ratio=generator), server_cpu_ratio=server)[0] == expected


@pytest.mark.parametrize(
    ("workers", "cpus", "cpu_ratio", "expected"),
    [(4, 2, 1.95, "valid"), (2, 8, 1.95, "valid"), (2, 8, 0.975, "client-limited"), (1, 0, 0.975, "valid")],
)
def test_a_server_is_as_busy_as_its_workers_can_be_on_the_cpus_they_have(
    workers: int, cpus: int, cpu_ratio: float, expected: Verdict
) -> None:
    case = replace(CASE, workers=workers)
    assert judge(trial(cpu_ratio=0.98), case, server_cpu_ratio=cpu_ratio, server_cpus=cpus)[0] == expected


def test_requests_in_flight_are_checked_in_closed_loops_only() -> None:
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


def test_if_no_request_got_an_answer_in_time_the_reason_says_how_many_waited() -> None:
    nothing = trial(0, errors=UNANSWERED, unanswered=8, started=508, finished=508)
    found, (first, _) = judge(nothing)
    assert (found, first) == (
        "invalid",
        "0 requests got a right answer, 8 had none within the time limit; limit 1",
    )


def test_if_the_machine_was_observed_for_a_short_time_the_error_of_the_clock_ticks_raises_the_limit() -> None:
    assert judge(other_cpu_ratio=0.1, observed_s=0.3)[1] == ()
    noted = judge(other_cpu_ratio=0.15, observed_s=0.3)
    assert noted == (
        "valid",
        ("other processes used 15 % of the server's CPUs: absolute numbers are disturbed; noted from 13.3 %",),
    )


OVERLOAD = answered_of(7_000, 10_000)


@pytest.mark.parametrize(
    ("load", "result", "surroundings", "overloaded"),
    [
        (Rate(5000), OVERLOAD, {}, True),
        (Rate(5000), answered_of(9_920, 10_000), {}, False),
        (Rate(5000), OVERLOAD, {"other_cpu_ratio": 0.5}, False),
        (Rate(5000), OVERLOAD, {"steal_ratio": 0.5}, False),
        (Rate(5000), replace(OVERLOAD, cpu_ratio=0.99), {"server_cpu_ratio": 0.5}, False),
        (Rate(5000), replace(OVERLOAD, checked=False, slices=()), {}, False),
        (SATURATE, OVERLOAD, {}, False),
    ],
)
def test_a_server_is_overloaded_only_if_nothing_else_can_be_the_reason(
    load: Load, result: LoadResult, surroundings: dict[str, Any], *, overloaded: bool
) -> None:
    around = verdict.Surroundings(**{**SURROUNDINGS, **surroundings})
    assert verdict.is_overloaded(replace(CASE, load=load), result, around) is overloaded


def test_a_difference_between_server_and_generator_within_the_error_of_the_samples_is_valid() -> None:
    for server, expected in ((0.92, "valid"), (0.91, "client-limited")):
        assert judge(trial(cpu_ratio=0.948), server_cpu_ratio=server)[0] == expected


def test_a_trial_is_disturbed_only_by_steal_other_processes_and_quotas() -> None:
    def disturbed(**surroundings: Any) -> bool:
        return verdict.is_disturbed(verdict.Surroundings(**{**SURROUNDINGS, **surroundings}))

    assert disturbed(steal_ratio=0.06)
    assert disturbed(other_cpu_ratio=0.06)
    assert disturbed(paused_ratio=0.06)
    assert not disturbed(steal_ratio=0.05, other_cpu_ratio=0.05)
    assert not disturbed(steal_ratio=None, other_cpu_ratio=None, disjoint=False, server_cpu_ratio=0.1)
    assert not disturbed(other_cpu_ratio=0.15, observed_s=0.2)


@pytest.mark.parametrize(
    ("result", "case", "surroundings", "expected"),
    [
        (trial(errors=ERRORS), CASE, {}, "invalid"),
        (trial(errors=UNANSWERED, unanswered=8), CASE, {}, "invalid"),
        (trial(connections=Connections(negotiated="h2c")), CASE, {}, "invalid"),
        (trial(started=11_000), CASE, {}, "invalid"),
        (answered_of(9_000, 10_000), replace(CASE, load=Rate(5000)), {}, "invalid"),
        (trial(cpu_ratio=0.98), CASE, IDLE_SERVER, "client-limited"),
        (HEALTHY, CASE, {}, "valid"),
    ],
    ids=["errors", "unanswered", "protocol", "lost", "rate", "generator", "healthy"],
)
def test_however_disturbed_a_trial_is_only_its_own_faults_decide_on_its_verdict(
    result: LoadResult, case: Case, surroundings: dict[str, Any], expected: Verdict
) -> None:
    assert judge(result, case, **surroundings)[0] == expected
    assert judge(result, case, **surroundings, steal_ratio=0.6, other_cpu_ratio=0.9)[0] == expected


def test_custom_users_with_think_time_make_a_trial_client_limited() -> None:
    waiting = replace(trial(60, users_busy=0.02), verified=False, connections=Connections())
    found, reasons = judge(waiting)
    assert found == "client-limited"
    assert reasons == (
        "0.02 requests in flight with 8 users: their think time limits the rate; limit 50 % of them",
        "custom Locust users: responses were checked only as far as that file checks them",
    )
    busy = replace(trial(60, users_busy=4.1), verified=False, connections=Connections())
    assert judge(busy)[0] == "valid"


def test_the_worst_finding_decides_and_comes_first_and_the_others_follow() -> None:
    found, reasons = judge(trial(users_busy=2, started=10_501), disjoint=False, steal_ratio=0.3)
    assert found == "invalid"
    assert [reason.split()[0] for reason in reasons] == ["1", "2", "the", "generator"]


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


def test_a_case_that_had_several_blocks_in_a_round_counts_its_trials() -> None:
    records = [replace(each, round=number // 2) for number, each in enumerate(rounds(*[VALID] * 5, LIMITED))]
    (reason,) = combine(records)[1]
    assert reason.startswith("1 of 6 trials left out as client-limited")


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
        (trial(9_700), "valid", None),
        (answered_of(9_910, 10_000), "valid", None),
        (answered_of(9_800, 10_000), "invalid", "98 % of the offered 5,000 requests/s were answered; limit 99 %"),
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
