"""Comparing two runs: which cases are compared, which differences are seen, and the results of gates."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.analysis.compare import compare
from harness.analysis.comparison import Side
from harness.analysis.gates import METRICS, ON_DEMAND, parse_gates
from harness.model.errors import UsageError
from harness.model.histogram import Histogram
from harness.model.loads import Rate, Sweep
from harness.model.plan import Case, ServerConfig
from harness.model.records import Record, ServerStart
from harness.model.results import Errors, RequestResult
from harness.model.run_info import RunInfo
from harness.model.summaries import Ratio
from tests.builders import CASE, RUN, SECOND_NS, record, run_info

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.analysis.comparison import Difference, RunComparison
    from harness.analysis.gates import Metric

INFO = RUN
OTHER = replace(INFO, id="other", started_at="2026-11-21T10:00:00+00:00")
FIVE = (1_000, 1_040, 960, 1_020, 990)
SLOWER = tuple(round(each * 0.8) for each in FIVE)


def rounds(several: Sequence[int], case: Case = CASE, **options: Any) -> list[Record]:
    return [record(case, number, requests, **options) for number, requests in enumerate(several)]


def starts(times_s: Sequence[float], config: ServerConfig = CASE.config) -> list[ServerStart]:
    return [ServerStart(config, number, (), ready_s) for number, ready_s in enumerate(times_s)]


def side(
    records: Sequence[Record],
    started: Sequence[ServerStart] = (),
    *,
    info: RunInfo = INFO,
    server: str | None = None,
    app: str | None = None,
) -> Side:
    return Side("a folder", info, records, started, server, app)


def figures(comparison: RunComparison) -> Mapping[Metric, Difference]:
    """The differences of the only pair and of its starts."""
    return {each.metric: each for each in comparison.differences}


def outcomes(comparison: RunComparison) -> list[str]:
    return [each.outcome for each in comparison.gates]


# What is seen


@pytest.mark.parametrize("info", [INFO, OTHER], ids=["one run", "two runs"])
def test_between_identical_records_every_ratio_is_exactly_one(info: RunInfo) -> None:
    records, started = rounds(FIVE), starts([0.2, 0.3, 0.25])
    comparison = compare(side(records, started), side(records, started, info=info))
    assert set(figures(comparison)) == set(METRICS) - ON_DEMAND - {"errors"}
    for each in figures(comparison).values():
        assert each.ratio is not None
        assert each.ratio.value == 1.0
        assert each.finding == "no difference seen"
    throughput = figures(comparison)["throughput"]
    assert throughput.ratio is not None
    assert (throughput.ratio.low < 1 < throughput.ratio.high) == (info is OTHER)


@settings(max_examples=40)
@given(
    st.lists(st.integers(200, 2_000), min_size=2, max_size=5),
    st.lists(st.integers(200, 2_000), min_size=2, max_size=5),
    st.sampled_from([INFO, OTHER]),
)
def test_swapping_the_sides_inverts_every_ratio_and_every_finding(
    ours: list[int], theirs: list[int], info: RunInfo
) -> None:
    a = side([record(CASE, n, each, response_us=each, cpu_s=each / 900) for n, each in enumerate(ours)], starts(ours))
    b = side([record(CASE, n, each) for n, each in enumerate(theirs)], starts(theirs), info=info)
    there, back = figures(compare(a, b)), figures(compare(b, a))
    swapped = {"better": "worse", "worse": "better"}
    for metric, one in there.items():
        other = back[metric]
        assert other.finding == swapped.get(one.finding, one.finding)
        assert (one.ratio is None) == (other.ratio is None)
        if one.ratio is not None and other.ratio is not None:
            for bound, inverse in (("value", "value"), ("low", "high"), ("high", "low")):
                assert getattr(one.ratio, bound) == pytest.approx(1 / getattr(other.ratio, inverse))


def test_every_figure_is_estimated_from_the_rounds() -> None:
    a = side(rounds([1_000] * 3, response_us=500, cpu_s=0.25, peak_bytes=30_000_000), starts([0.2] * 3))
    b = side(rounds([2_000] * 3, response_us=750, cpu_s=1.0, peak_bytes=45_000_000), starts([0.3] * 3), info=OTHER)
    found = {metric: each.ratio for metric, each in figures(compare(a, b)).items()}
    expected = {"throughput": 2.0, "p50": 1.5, "p99": 1.5, "cpu": 2.0, "memory": 1.5, "ready": 1.5}
    assert found == {
        metric: Ratio(pytest.approx(each), pytest.approx(each), pytest.approx(each))
        for metric, each in expected.items()
    }
    medians = {metric: each.b.median for metric, each in figures(compare(a, b)).items() if each.b}
    assert medians == pytest.approx(
        {"throughput": 2_000, "p50": 750, "p99": 750, "cpu": 500, "memory": 45_000_000, "ready": 0.3}
    )


def test_more_throughput_is_better_and_more_of_anything_else_is_worse() -> None:
    a = side(rounds(FIVE * 2), starts([0.2, 0.21] * 3))
    more = [
        record(CASE, n, 2 * each, response_us=2_000, cpu_s=2.0, peak_bytes=90_000_000)
        for n, each in enumerate(FIVE * 2)
    ]
    found = figures(compare(a, side(more, starts([0.9, 0.91] * 3), info=OTHER)))
    assert {metric: each.finding for metric, each in found.items()} == {
        "throughput": "better",
        **dict.fromkeys(("p50", "p99", "cpu", "memory", "ready"), "worse"),
    }


def test_rounds_of_one_run_are_paired_so_that_noise_common_to_both_cancels() -> None:
    noisy = (1_000, 3_000, 500, 2_000)
    half = rounds([each // 2 for each in noisy], replace(CASE, server="b"))
    one = compare(side(rounds(noisy), server="a"), side(half, server="b"))
    two = compare(side(rounds(noisy), server="a"), side(half, info=OTHER, server="b"))
    assert (one.paired, two.paired) == (True, False)
    assert figures(one)["throughput"].finding == "worse"
    assert figures(two)["throughput"].finding == "no difference seen"
    assert figures(one)["throughput"].told_from == pytest.approx(0.0)
    told_from = figures(two)["throughput"].told_from
    assert told_from is not None
    assert told_from > 1


def test_candidates_that_took_turns_are_compared_cycle_by_cycle_so_that_one_disturbed_cycle_hardly_counts() -> None:
    machine = (1_000, 600, 1_300, 800, 1_100)
    disturbed = [700, 420, 910 // 3, 560, 770]
    ours = [record(CASE, number, machine) for number in range(4)]
    theirs = [record(replace(CASE, server="b"), number, disturbed) for number in range(4)]
    found = figures(compare(side(ours, server="a"), side(theirs, server="b")))
    for metric, expected in (("throughput", 0.7), ("cpu", sum(machine) / sum(disturbed))):
        ratio = found[metric].ratio
        assert ratio is not None
        assert ratio.value == pytest.approx(expected)


def test_candidates_of_different_blocks_are_compared_round_by_round() -> None:
    ours = [record(CASE, number, [each, each]) for number, each in enumerate((1_000, 3_000, 500))]
    theirs = [
        replace(record(replace(CASE, server="b"), number, [each // 2, each // 2]), block=1)
        for number, each in enumerate((1_000, 3_000, 500))
    ]
    throughput = figures(compare(side(ours, server="a"), side(theirs, server="b")))["throughput"]
    assert throughput.finding == "worse"
    assert throughput.ratio is not None
    assert throughput.ratio.value == pytest.approx(0.5)


def test_the_control_is_compared_with_the_baseline_including_its_starts() -> None:
    control = replace(CASE, control=True)
    records = [*rounds(FIVE), *rounds(FIVE, control)]
    started = [*starts([0.2, 0.21, 0.22]), *starts([0.4, 0.42, 0.44], control.config)]
    comparison = compare(side(records, started, server="a"), side(records, started, server="a-control"))
    assert [(pair.a.case, pair.b.case) for pair in comparison.cases] == [(CASE, control)]
    (pair,) = comparison.starts
    assert (pair.a, pair.b) == (CASE.config, control.config)
    assert pair.difference.ratio is not None
    assert pair.difference.ratio.value == pytest.approx(2)
    back = compare(side(records, started, server="a-control"), side(records, started, server="a"))
    assert [(each.a, each.b) for each in back.starts] == [(control.config, CASE.config)]


def test_a_difference_above_the_smallest_detectable_is_seen_and_one_below_is_not() -> None:
    a, b = rounds(FIVE), rounds(FIVE)
    told_from = figures(compare(side(a), side(b, info=OTHER)))["throughput"].told_from
    assert told_from is not None
    faster, barely = (
        figures(compare(side(a), side([stretched(each, factor) for each in b], info=OTHER)))["throughput"].finding
        for factor in (1 + told_from * 1.01, 1 + told_from * 0.99)
    )
    assert (faster, barely) == ("better", "no difference seen")


def stretched(each: Record, factor: float) -> Record:
    """The same answers in a shorter time."""
    assert each.result is not None
    (whole,) = each.result.slices
    shorter = replace(whole, end_ns=whole.start_ns + round(SECOND_NS / factor))
    return replace(each, result=replace(each.result, slices=(shorter,)))


def test_a_single_round_is_not_compared() -> None:
    comparison = compare(side(rounds(FIVE)), side(rounds([10]), info=OTHER))
    throughput = figures(comparison)["throughput"]
    assert (throughput.finding, throughput.reason) == ("not compared", "a single round has no interval")
    assert (throughput.told_from, throughput.rounds_b) == (None, 1)


def test_without_a_common_round_candidates_of_one_run_are_not_compared() -> None:
    late = [replace(each, round=each.round + 9) for each in rounds(FIVE, replace(CASE, server="b"))]
    comparison = compare(side(rounds(FIVE), server="a"), side(late, server="b"))
    assert figures(comparison)["throughput"].reason == "no round has it on both sides"


def test_a_missing_figure_is_reported_with_the_reason() -> None:
    unsampled = [replace(each, samples=(), slice_cpu_s=(None,)) for each in rounds([400, 400])]
    found = figures(compare(side(rounds([2_000, 2_000])), side(unsampled, info=OTHER)))
    assert found["cpu"].reason == "B does not have it: the server's CPU time was not sampled"
    assert found["p99"].reason == "B does not have it: too few requests for it"
    assert found["p50"].finding == "no difference seen"


def test_a_round_with_too_few_requests_does_not_count_for_p99() -> None:
    found = figures(compare(side(rounds(FIVE)), side(rounds(FIVE), info=OTHER)))
    assert (found["p99"].rounds_a, found["p50"].rounds_a) == (3, 5)


# What is compared with what


def test_cases_that_only_one_side_has_are_listed_and_the_others_compared() -> None:
    echo, json = replace(CASE, scenario="echo"), replace(CASE, scenario="json")
    comparison = compare(
        side([*rounds(FIVE), *rounds(FIVE, echo)]), side([*rounds(FIVE), *rounds(FIVE, json)], info=OTHER)
    )
    assert [pair.a.case for pair in comparison.cases] == [CASE]
    assert [each.case for each in comparison.only_a] == [echo]
    assert [each.case for each in comparison.only_b] == [json]


def test_two_candidates_are_compared_in_cases_that_are_equal_in_all_but_the_server() -> None:
    b, over_h2 = replace(CASE, server="b"), replace(CASE, server="b", protocol="h2")
    records = [*rounds(FIVE), *rounds(FIVE, b), *rounds(FIVE, over_h2), *rounds(FIVE, replace(CASE, server="c"))]
    comparison = compare(side(records, server="a"), side(records, server="b"))
    assert [(pair.a.case, pair.b.case) for pair in comparison.cases] == [(CASE, b)]
    assert (comparison.only_a, [each.case for each in comparison.only_b]) == ((), [over_h2])


@pytest.mark.parametrize("bad", ["A", "B"])
def test_a_case_that_is_not_valid_on_either_side_is_not_compared_and_says_why(bad: str) -> None:
    good, limited = rounds(FIVE), rounds(FIVE, verdict="client-limited")
    a, b = (limited, good) if bad == "A" else (good, limited)
    (pair,) = compare(side(a), side(b, info=OTHER)).cases
    assert pair.differences == ()
    entry = pair.a if bad == "A" else pair.b
    assert (entry.verdict, entry.reasons) == ("client-limited", ("client-limited for a reason",))


def test_two_apps_are_compared_in_cases_that_are_equal_in_all_but_the_app_and_the_control_is_none_of_them() -> None:
    base, head = replace(CASE, app="base"), replace(CASE, app="head")
    other, control = replace(head, server="b"), replace(base, control=True)
    records = [each for case in (base, head, other, control) for each in rounds(FIVE, case)]
    started = [*starts([0.2, 0.21], base.config), *starts([0.4, 0.42], head.config), *starts([9, 9], control.config)]
    info = replace(INFO, environment=replace(INFO.environment, app_versions={"base": "1a2b", "head": "3c4d-dirty"}))
    comparison = compare(side(records, started, info=info, app="base"), side(records, started, info=info, app="head"))
    assert [(pair.a.case, pair.b.case) for pair in comparison.cases] == [(base, head)]
    assert (comparison.only_a, [each.case for each in comparison.only_b]) == ((), [other])
    assert [(pair.a.case, pair.b.case) for pair in comparison.controls] == [(base, control)]
    (pair,) = comparison.starts
    assert (pair.a, pair.b) == (base.config, head.config)
    assert pair.difference.ratio == Ratio(pytest.approx(2), pytest.approx(2), pytest.approx(2))
    assert [(each.kind, each.a, each.b) for each in comparison.changes] == [("app", "base 1a2b", "head 3c4d-dirty")]
    assert (comparison.a.app_commit, comparison.b.app_commit) == ("1a2b", "3c4d-dirty")


def test_packages_of_two_revisions_with_environments_of_their_own_are_among_the_changes() -> None:
    packages = {"base": {"starlette": "1.0"}, "head": {"starlette": "1.1"}}
    info = replace(INFO, environment=replace(INFO.environment, other_packages=packages))
    records = [each for app in packages for each in rounds(FIVE, replace(CASE, app=app))]
    comparison = compare(side(records, info=info, app="base"), side(records, info=info, app="head"))
    assert ("starlette", "1.0", "1.1") in [(each.name, each.a, each.b) for each in comparison.changes]


def test_starts_are_compared_once_however_many_cases_they_served() -> None:
    cases = [replace(CASE, scenario=name) for name in ("echo", "json")] + [replace(CASE, protocol="h1-tls")]
    records = [each for case in cases for each in rounds(FIVE, case)]
    started = [*starts([0.2, 0.3]), *starts([0.4, 0.5], cases[2].config)]
    comparison = compare(side(records, started), side(records, started, info=OTHER))
    assert [pair.a for pair in comparison.starts] == [cases[0].config, cases[2].config]


def test_if_a_server_was_started_several_times_in_a_round_the_median_counts() -> None:
    again = [*starts([0.2, 0.2]), *starts([0.4, 0.4]), *starts([0.9, 0.9])]
    comparison = compare(side(rounds(FIVE), starts([0.2, 0.2])), side(rounds(FIVE), again, info=OTHER))
    ratio = figures(comparison)["ready"].ratio
    assert ratio is not None
    assert ratio.value == pytest.approx(2)


# Gates


@pytest.mark.parametrize(
    ("gate", "ratio", "outcome"),
    [
        ("throughput<-5%", Ratio(0.93, 0.90, 0.949), "missed"),
        ("throughput<-5%", Ratio(0.93, 0.90, 0.95), "not clear"),
        ("throughput<-5%", Ratio(0.93, 0.88, 0.98), "not clear"),
        ("throughput<-5%", Ratio(0.93, 0.949, 1.0), "not clear"),
        ("throughput<-5%", Ratio(0.97, 0.95, 1.0), "met"),
        ("throughput<-5%", Ratio(1.4, 1.2, 1.6), "met"),
        ("p99>10%", Ratio(1.2, 1.101, 1.3), "missed"),
        ("p99>10%", Ratio(1.2, 1.1, 1.3), "not clear"),
        ("p99>10%", Ratio(1.05, 1.0, 1.1), "met"),
        ("p99>10%", Ratio(1.05, 1.0, 1.101), "not clear"),
        ("p99>10%", Ratio(0.5, 0.4, 0.6), "met"),
        ("memory>0%", Ratio(1.0, 1.0, 1.0), "met"),
    ],
)
def test_a_gate_is_missed_only_if_the_whole_interval_is_beyond_it(gate: str, ratio: Ratio, outcome: str) -> None:
    assert parse_gates(gate)[0].judge(ratio) == outcome


@given(st.floats(0.01, 100), st.floats(1, 10), st.floats(1, 10), st.floats(-90, 200))
def test_a_gate_is_met_missed_or_not_clear_as_its_opposite_is_missed_met_or_not_clear(
    value: float, down: float, up: float, limit: float
) -> None:
    ratio = Ratio(value, value / down, value * up)
    below, above = parse_gates(f"p99<{limit:.3f}%,p99>{limit:.3f}%")
    opposite = {"met": "missed", "missed": "met", "not clear": "not clear"}
    if below.limit not in (ratio.low, ratio.high):
        assert above.judge(ratio) == opposite[below.judge(ratio)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("speed<-5%", "speed<-5%"),
        ("throughput<-5", "throughput<-5"),
        ("throughput=5%", "throughput=5%"),
        ("p99>10%,", "nothing between two commas"),
        ("p99>ten%", "p99>ten%"),
    ],
)
def test_an_invalid_gate_is_named_with_what_was_expected(text: str, found: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_gates(text)
    assert str(error.value).startswith("--fail-if: expected METRIC<-5% or METRIC>10%")
    assert str(error.value).endswith(f"found {found}")


def test_a_gate_that_no_figure_could_miss_is_refused() -> None:
    with pytest.raises(UsageError, match="expected a limit above -100%"):
        parse_gates("throughput<-100%")


def test_an_empty_text_has_no_gate_and_several_gates_are_separated_by_commas() -> None:
    assert parse_gates("") == ()
    assert [(each.metric, each.above, each.limit) for each in parse_gates("cpu > +2.5%, ready<-50%")] == [
        ("cpu", True, pytest.approx(1.025)),
        ("ready", False, 0.5),
    ]


def test_gates_are_checked_on_every_case_and_on_every_server_configuration() -> None:
    echo = replace(CASE, scenario="echo")
    a = side([*rounds(FIVE * 2), *rounds(FIVE * 2, echo)], starts([0.2, 0.21, 0.2]))
    b = side([*rounds(FIVE * 2, echo), *rounds(SLOWER * 2)], starts([0.4, 0.41, 0.4]), info=OTHER)
    comparison = compare(a, b, parse_gates("throughput<-5%,ready>50%"))
    assert [(each.gate, each.about, each.outcome) for each in comparison.gates] == [
        ("throughput<-5%", echo, "met"),
        ("throughput<-5%", CASE, "missed"),
        ("ready>50%", CASE.config, "missed"),
    ]


@pytest.mark.parametrize(
    ("theirs", "reason"),
    [
        (rounds(FIVE, replace(CASE, scenario="echo")), "B has no such case"),
        (rounds(FIVE, verdict="invalid"), "B is invalid"),
        ([Record(CASE, 0, -1, "unsupported", ("no longer",))], "B is unsupported"),
        (rounds([900]), "a single round has no interval"),
    ],
)
def test_a_gate_without_its_figure_is_not_checked_and_says_why(theirs: list[Record], reason: str) -> None:
    (judgement,) = compare(side(rounds(FIVE)), side(theirs, info=OTHER), parse_gates("throughput<-5%")).gates
    assert (judgement.about, judgement.outcome, judgement.reason) == (CASE, "not checked", reason)


def test_a_gate_on_server_starts_that_failed_is_not_checked() -> None:
    comparison = compare(
        side(rounds(FIVE), starts([0.2, 0.2])), side(rounds(FIVE), info=OTHER), parse_gates("ready>5%")
    )
    assert comparison.gates[0].reason == "B does not have it: no server start gave a right answer"
    elsewhere = side(rounds(FIVE, replace(CASE, app="mine")), info=OTHER)
    comparison = compare(side(rounds(FIVE), starts([0.2, 0.2])), elsewhere, parse_gates("ready>5%"))
    assert comparison.gates[0].reason == "B has no such start"


def test_cases_that_a_does_not_support_or_does_not_have_are_not_checked() -> None:
    h2, ws = replace(CASE, protocol="h2"), replace(CASE, protocol="ws", scenario="ws_echo")
    json = replace(CASE, scenario="json", protocol="h2")
    a = side([*rounds(FIVE), *(Record(each, 0, -1, "unsupported", ("no h2",)) for each in (h2, json))])
    b = side([*rounds(FIVE), *rounds(FIVE, ws), *rounds(FIVE, h2)], info=OTHER)
    assert outcomes(compare(a, b, parse_gates("throughput<-50%"))) == ["met"]


def test_if_a_measured_nothing_a_gate_is_not_checked() -> None:
    nothing = side([Record(CASE, 0, -1, "unsupported", ("no",))])
    assert outcomes(compare(nothing, side(rounds(FIVE), info=OTHER), parse_gates("cpu>5%"))) == ["not checked"]


def test_p90_and_p95_are_compared_where_a_gate_asks_for_them() -> None:
    a, b = side(rounds([1_000] * 3, response_us=500)), side(rounds([1_000] * 3, response_us=750), info=OTHER)
    comparison = compare(a, b, parse_gates("p95>10%"))
    assert set(figures(comparison)) == set(METRICS) - {"p90", "errors"}
    assert outcomes(comparison) == ["missed"]


@pytest.mark.parametrize(
    ("gate", "of_a", "of_b", "outcome"),
    [
        ("errors>0%", 0, 0, "met"),
        ("errors>0%", 0, 1, "missed"),
        ("errors>0.1%", 0, 1, "met"),
        ("errors>0.1%", 0, 9, "missed"),
        ("errors>0%", 9, 9, "met"),
        ("errors>0%", 9, 1, "met"),
    ],
)
def test_errors_are_counted_whatever_the_verdicts_and_a_gate_is_about_how_many_more_there_are(
    gate: str, of_a: int, of_b: int, outcome: str
) -> None:
    ours, theirs = (
        rounds([1_000, 1_000], verdict="invalid" if each else "valid", errors=Errors(each, {"status": each}))
        for each in (of_a, of_b)
    )
    (judgement,) = compare(side(ours), side(theirs, info=OTHER), parse_gates(gate)).gates
    assert judgement.outcome == outcome
    share = 100 * 2 * of_b / (2_000 + 2 * of_b)
    assert judgement.reason.startswith(f"{2 * of_b} of B's {2_000 + 2 * of_b:,} requests, {share:.3g} %; ")


def test_a_gate_on_errors_of_a_server_that_answered_nothing_is_not_checked() -> None:
    failed = [Record(CASE, 0, -1, "failed", ("it did not start",))]
    (judgement,) = compare(side(rounds(FIVE)), side(failed, info=OTHER), parse_gates("errors>0%")).gates
    assert (judgement.outcome, judgement.reason) == ("not checked", "B is failed")


@pytest.mark.parametrize("text", ["errors<-1%", "errors>-1%"])
def test_a_gate_on_errors_is_about_more_of_them(text: str) -> None:
    with pytest.raises(UsageError, match="expected errors>N% with N of 0 or more"):
        parse_gates(text)


@pytest.mark.parametrize(("of_control", "outcome"), [(FIVE, "missed"), (SLOWER, "not clear")])
def test_a_gate_that_the_control_misses_too_is_not_clear(of_control: Sequence[int], outcome: str) -> None:
    base, head = replace(CASE, app="base"), replace(CASE, app="head")
    records = [*rounds(FIVE, base), *rounds(SLOWER, head), *rounds(of_control, replace(base, control=True))]
    comparison = compare(side(records, app="base"), side(records, app="head"), parse_gates("throughput<-5%"))
    (judgement,) = comparison.gates
    assert judgement.outcome == outcome
    assert ("misses it too" in judgement.reason) == (outcome == "not clear")


# Sweeps


SWEEP = run_info(load=Sweep())
LATER = run_info(OTHER, load=Sweep())


def sweep(own_rps: Sequence[int], server: str = "a") -> list[Record]:
    """Rounds in a closed loop, then in open loops at the server's own rates and at common rates."""
    case = replace(CASE, server=server)
    records = rounds([4_000] * 5, case)
    for rps in (*own_rps, 1_000, 500):
        records += rounds([rps] * 5, replace(case, load=Rate(rps)))
    return records


@pytest.mark.parametrize("servers", [(None, None), ("a", "b")], ids=["two runs", "two servers"])
def test_in_sweeps_common_rates_are_compared_and_own_rates_are_only_counted(
    servers: tuple[str | None, str | None],
) -> None:
    ours, theirs = sweep([400, 3_542]), sweep([380, 3_711, 3_899], servers[1] or "a")
    if servers == (None, None):
        a, b = side(ours, info=SWEEP), side(theirs, info=LATER)
    else:
        a, b = side(ours, info=SWEEP, server="a"), side(theirs, info=SWEEP, server="b")
    comparison = compare(a, b, parse_gates("cpu>10%"))
    assert [str(pair.a.case.load) for pair in comparison.cases] == ["saturate", "rate=500", "rate=1000"]
    assert (comparison.only_a, comparison.only_b) == ((), ())
    assert comparison.own_rates == (2, 3)
    assert [(each.outcome, each.about) for each in comparison.gates] == [
        ("met", pair.a.case) for pair in comparison.cases
    ]


def test_in_a_sweep_a_failed_closed_loop_is_not_checked() -> None:
    theirs = [replace(each, verdict="failed", result=None) for each in sweep([])[:5]]
    comparison = compare(side(sweep([400]), info=SWEEP), side(theirs, info=LATER), parse_gates("cpu>10%"))
    assert [each.reason for each in comparison.gates] == ["B is failed"]


def test_outside_sweeps_a_rate_that_only_a_has_is_a_missing_case() -> None:
    case = replace(CASE, load=Rate(500))
    comparison = compare(side(rounds(FIVE, case)), side(rounds(FIVE), info=OTHER), parse_gates("cpu>10%"))
    assert [each.reason for each in comparison.gates] == ["B has no such case"]
    assert comparison.own_rates == (0, 0)


# What users sent


def sent(*names: str) -> tuple[RequestResult, ...]:
    return tuple(RequestResult("GET", f"GET {name}", (100.0,), 100, Histogram()) for name in names)


@pytest.mark.parametrize(
    ("ours", "theirs", "workloads", "reason"),
    [
        (sent("/items"), sent("/items", "/report"), ("1", "2"), "the requests differ: GET /report is new"),
        (sent("/items", "/old"), sent("/items"), ("1", "2"), "the requests differ: GET /old is gone"),
        (
            sent("/items"),
            sent("/items"),
            ("1", "2"),
            "the requests differ: payloads, weights, headers or tags are others",
        ),
        (
            sent("/items"),
            sent("/items"),
            ("1 tags\n2 shop.py\n3 names.csv", "1 tags\n4 shop.py\n5 more.csv"),
            "the requests differ: shop.py not the same, names.csv not the same, more.csv not the same",
        ),
        (sent("/items"), sent("/items", "/new"), ("1", "1 tags\n2 shop.py"), ""),
        (sent("/items", "/rare"), sent("/items"), ("1", "1"), ""),
        (sent("/items"), sent("/items", "/report"), (None, "2"), ""),
        ((), sent("/items"), ("1", "2"), ""),
    ],
)
def test_no_gate_is_decided_on_requests_that_are_not_the_same(
    ours: tuple[RequestResult, ...],
    theirs: tuple[RequestResult, ...],
    workloads: tuple[str | None, str | None],
    reason: str,
) -> None:
    one, other = (
        replace(info, workloads={CASE.scenario: digest} if digest else {})
        for info, digest in zip((INFO, OTHER), workloads, strict=True)
    )
    comparison = compare(
        side(rounds(FIVE, by_request=ours), info=one),
        side(rounds(SLOWER, by_request=theirs), info=other),
        parse_gates("throughput<-5%,cpu>10%"),
    )
    assert [each.requests for each in comparison.cases] == [reason]
    assert all((each.outcome, each.reason) == ("not checked", reason) for each in comparison.gates) == bool(reason)
    assert (figures(comparison)["throughput"].finding == "not compared") == bool(reason)
