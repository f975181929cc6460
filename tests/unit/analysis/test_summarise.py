"""Summaries of records: medians, intervals, ratios and ranks, and what these must not depend on."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.analysis.figures import list_rows
from harness.analysis.intervals import estimate
from harness.analysis.summarise import RANKED_FROM_ROUNDS, reached_rps, summarise
from harness.model.loads import Capacity, Rate, Sweep
from harness.model.plan import Candidate, Case, ServerConfig
from harness.model.protocols import Protocol
from harness.model.records import Probe, Record, Sample, ServerStart, Verdict
from harness.model.results import Connections, Errors
from harness.model.summaries import Estimate, Latency, Ratio
from tests import builders
from tests.builders import SECOND_NS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.model.plan import Preference
    from harness.model.summaries import CaseSummary

NO_ERRORS = Errors()
POSITIVE = st.floats(1e-3, 1e7)


def record(
    server: str,
    number: int,
    requests: int,
    *,
    verdict: Verdict = "valid",
    service_us: Sequence[int] | None = None,
    protocol: Protocol = "h1",
    scenario: str = "plaintext",
    errors: Errors = NO_ERRORS,
) -> Record:
    """A round of one second, sampled from its start to its end."""
    times: Any = {} if service_us is None else {"response_us": service_us}
    case = Case(server, "asgi", scenario, protocol)
    return builders.record(
        case, number, requests, verdict=verdict, peak_bytes=40_000_000 + number, errors=errors, **times
    )


def records_of(speeds: Mapping[str, Sequence[int]], **options: Any) -> list[Record]:
    """Rounds of servers, given their requests in one second."""
    return [
        record(server, number, requests, **options)
        for server, several in speeds.items()
        for number, requests in enumerate(several)
    ]


def flat(
    records: Sequence[Record], starts: Sequence[ServerStart] = (), seed: int = 1, **changes: Any
) -> list[CaseSummary]:
    """The summaries of all comparisons."""
    run = builders.run_info(seed=seed, **changes)
    return [each for comparison in summarise(records, starts, run) for each in comparison.summaries]


def summaries(records: Sequence[Record], starts: Sequence[ServerStart] = (), seed: int = 1) -> dict[str, CaseSummary]:
    return {each.case.label: each for each in flat(records, starts, seed)}


def ranks(records: Sequence[Record]) -> dict[str, int | None]:
    return {server: each.rank for server, each in summaries(records).items()}


def about(value: float) -> Any:
    """The number, compared with an allowance for rounding."""
    return pytest.approx(value)


BASELINE = Candidate("a", "asgi")
FIVE = [1_000, 1_040, 960, 1_020, 990]
HALF = [each // 2 for each in FIVE]
SPEEDS = st.dictionaries(
    st.sampled_from("abcd"), st.lists(st.integers(200, 2_000), min_size=3, max_size=3), min_size=1
).map(lambda speeds: {"a": [500, 600, 700], **speeds})


def test_a_summary_gathers_the_rounds_of_its_case() -> None:
    life = ServerConfig("a", "asgi", 1, tls=False)
    lives = [
        ServerStart(life, 0, (), ready_s=0.1, stop_s=0.05, idle_memory_bytes=20_000_000),
        ServerStart(life, 1, (), ready_s=0.3, idle_memory_bytes=30_000_000),
        ServerStart(replace(life, tls=True), 0, (), ready_s=9.0, idle_memory_bytes=90_000_000),
    ]
    found = summaries(records_of({"a": [1_000, 2_000, 1_500]}), lives)["a"]
    assert (found.verdict, found.reasons, found.rounds, found.requests) == ("valid", (), 3, 4_500)
    assert found.throughput_by_round_rps == (1_000, 2_000, 1_500)
    assert found.throughput_rps is not None
    assert found.throughput_rps.median == 1_500
    assert found.cpu_us_per_request_by_round == pytest.approx((500, 250, 1_000 / 3))
    assert (found.memory_pss_bytes.idle, found.memory_pss_bytes.peak) == (25_000_000, 40_000_002)
    by_round = found.memory_pss_bytes.by_round
    assert by_round is not None
    assert by_round.low < by_round.median == 40_000_001 < by_round.high
    assert found.ready_s is not None
    assert found.ready_s.median == pytest.approx(0.2)
    assert found.stop_s == estimate([0.05])
    assert found.connections == 96
    assert found.response.count == 4_500
    assert found.latency_us.p99 is not None
    assert found.latency_us.p99.median == 1_000
    assert found.send_lag_us.p50 == Estimate(0, 0, 0)


def test_summaries_come_in_the_order_of_scenario_protocol_and_rank() -> None:
    records = [
        *records_of({"a": [900] * 3, "b": [1_900] * 3}, scenario="json"),
        *records_of({"b": [500] * 3, "a": [500] * 3}, protocol="ws"),
        *records_of({"b": [700] * 3, "a": [900] * 3, "c": [800] * 3}, protocol="h2"),
    ]
    order = [(each.case.scenario, each.case.protocol, each.case.server) for each in flat(records)]
    assert order == [
        ("json", "h1", "b"),
        ("json", "h1", "a"),
        *(("plaintext", "h2", server) for server in "acb"),
        *(("plaintext", "ws", server) for server in "ab"),
    ]


@settings(max_examples=20)
@given(SPEEDS, st.randoms(use_true_random=False), st.integers(-5, 5))
def test_the_same_records_in_any_order_and_the_same_seed_give_the_same_summaries(
    speeds: dict[str, list[int]], shuffler: Any, seed: int
) -> None:
    chance = np.random.default_rng(1)
    records = [
        record(server, number, requests, service_us=chance.integers(100, 5_000, requests).tolist())
        for server, several in speeds.items()
        for number, requests in enumerate(several)
    ]
    once = flat(records, seed=seed)
    shuffler.shuffle(records)
    assert flat(records, seed=seed) == once


def test_another_case_in_the_run_changes_no_number_of_a_case() -> None:
    chance = np.random.default_rng(1)
    own = [record("a", number, 500, service_us=chance.integers(100, 5_000, 500).tolist()) for number in range(3)]
    beside = summaries([*records_of({"b": FIVE}), *own])["a"]
    # Alone, its precision is that of its own figures; beside another, that of its ratios.
    ranks = {"throughput": 2, "cpu": 2, "memory": 1}
    assert replace(beside, precision=None) == replace(summaries(own)["a"], rank=2, ranks=ranks, precision=None)


@settings(max_examples=30)
@given(SPEEDS, st.integers(2, 5))
def test_a_machine_that_is_n_times_faster_has_n_times_the_throughput_and_the_same_ratios_and_ranks(
    speeds: dict[str, list[int]], factor: int
) -> None:
    slow = summaries(records_of(speeds))
    fast = summaries(records_of({server: [factor * each for each in several] for server, several in speeds.items()}))
    for server, one in slow.items():
        other = fast[server]
        assert one.throughput_rps is not None
        assert other.throughput_rps is not None
        assert other.throughput_rps.median == pytest.approx(factor * one.throughput_rps.median)
        assert other.throughput_rps.low == pytest.approx(factor * one.throughput_rps.low)
        assert other.rank == one.rank
        assert one.ratio_to_baseline is not None
        assert other.ratio_to_baseline is not None
        assert other.ratio_to_baseline.throughput.value == pytest.approx(one.ratio_to_baseline.throughput.value)


def test_the_baselines_ratio_to_itself_is_exactly_one() -> None:
    ratios = summaries(records_of({"a": FIVE}))["a"].ratio_to_baseline
    assert ratios is not None
    assert ratios.throughput == ratios.cpu == Ratio(1, 1, 1)


def test_ratios_to_the_baseline_are_of_throughput_cost_and_p99() -> None:
    found = summaries(records_of({"a": [1_000, 2_000], "b": [2_000, 4_000]}))["b"].ratio_to_baseline
    assert found is not None
    assert found.throughput == Ratio(about(2), about(2), about(2))
    assert found.cpu == Ratio(about(0.5), about(0.5), about(0.5))
    assert found.p99 == Ratio(1, 1, 1)


def test_rounds_with_few_requests_have_no_ratio_of_p99_and_rounds_without_samples_none_of_cpu() -> None:
    records = [
        replace(each, samples=(), slice_cpu_s=(None,)) for each in records_of({"a": [999, 999], "b": [2_000, 2_000]})
    ]
    found = summaries(records)["b"]
    assert found.ratio_to_baseline is not None
    assert (found.ratio_to_baseline.p99, found.ratio_to_baseline.cpu, found.cpu_us_per_request) == (None, None, None)


def test_servers_without_a_difference_seen_share_a_rank_and_the_next_rank_is_skipped() -> None:
    close = [each + step for each, step in zip(FIVE, (8, -9, 7, -8, 1), strict=True)]
    assert ranks(records_of({"a": FIVE, "b": close, "c": [each // 2 for each in FIVE]})) == {"a": 1, "b": 1, "c": 3}


def test_a_small_difference_that_every_round_shows_is_seen() -> None:
    slightly_slower = [each - 30 for each in FIVE]
    assert ranks(records_of({"a": FIVE, "b": slightly_slower})) == {"a": 1, "b": 2}


def test_after_a_single_round_there_are_no_ranks() -> None:
    assert ranks(records_of({"a": [1_000], "b": [500], "c": [20]})) == {"a": None, "b": None, "c": None}


def test_servers_are_ranked_within_their_comparison_only() -> None:
    records = [*records_of({"a": [500] * 3}), *records_of({"b": [100] * 3}, protocol="h2")]
    assert ranks(records) == {"a": 1, "b": 1}


@pytest.mark.parametrize("verdict", ["client-limited", "invalid"])
def test_a_number_that_is_not_valid_is_shown_and_never_ranked(verdict: Verdict) -> None:
    found = summaries([*records_of({"a": FIVE}), *records_of({"b": [9_000, 9_100]}, verdict=verdict)])
    assert found["b"].verdict == verdict
    assert found["b"].throughput_rps is not None
    assert found["b"].throughput_rps.median == 9_050
    assert (found["a"].rank, found["b"].rank) == (1, None)


@pytest.mark.parametrize("verdict", ["client-limited", "invalid", "failed"])
def test_with_a_baseline_that_is_not_valid_there_are_ranks_and_no_ratios(verdict: Verdict) -> None:
    records = records_of({"b": FIVE, "c": HALF}) + records_of({"a": FIVE}, verdict=verdict)
    found = summaries(records)
    assert {each.ratio_to_baseline for each in found.values()} == {None}
    assert (found["b"].rank, found["c"].rank) == (1, 2)
    (comparison,) = summarise(records, (), builders.run_info())
    assert comparison.reference is None


def test_where_the_baseline_does_not_speak_the_protocol_the_fastest_takes_its_place() -> None:
    silent = Record(Case("a", "asgi", "plaintext", "h1"), 0, -1, "unsupported", ("no such protocol",))
    others = records_of({"b": HALF, "c": FIVE})
    for records in (others, [*others, silent]):
        (comparison,) = summarise(records, (), builders.run_info())
        assert comparison.reference == Candidate("c", "asgi")
        ratios = {each.name: each.ratio_to_baseline for each in comparison.summaries if each.measured}
        assert {name: each.throughput.value for name, each in ratios.items() if each} == {"c": 1, "b": about(0.5)}


def test_otherwise_the_ratios_are_to_the_baseline_and_the_comparison_says_so() -> None:
    (comparison,) = summarise(records_of({"a": HALF, "b": FIVE}), (), builders.run_info())
    assert comparison.reference == BASELINE


def test_a_control_is_divided_by_its_original_even_where_another_took_the_place_of_the_baseline() -> None:
    slow, fast = records_of({"b": HALF}), records_of({"c": FIVE})
    controls = [replace(each, case=replace(each.case, control=True)) for each in slow]
    (comparison,) = summarise([*slow, *fast, *controls], (), builders.run_info())
    assert comparison.reference == Candidate("c", "asgi")
    (control,) = comparison.controls
    assert control.ratio_to_baseline is not None
    assert control.ratio_to_baseline.throughput == Ratio(1, 1, 1)


def test_of_several_blocks_the_place_of_the_baseline_is_taken_by_one_that_all_of_them_hold() -> None:
    often, fast = records_of({"b": HALF}), records_of({"c": FIVE})
    records = [*often, *fast, *(replace(each, block=1) for each in often)]
    (comparison,) = summarise(records, (), builders.run_info())
    assert comparison.reference == Candidate("b", "asgi")
    ratio = next(each.ratio_to_baseline for each in comparison.summaries if each.name == "c")
    assert ratio is not None
    assert ratio.throughput.value == about(2)


@pytest.mark.parametrize(("rounds", "place"), [(1, None), (2, None), (3, 1)])
def test_nobody_is_ranked_below_three_rounds(rounds: int, place: int | None) -> None:
    assert ranks(records_of({"a": FIVE[:rounds], "b": HALF[:rounds]}))["a"] == place


def test_a_case_in_several_blocks_of_two_rounds_has_two_rounds() -> None:
    often = records_of({"a": FIVE[:2]})
    found = summaries([*often, *(replace(each, block=1) for each in often)])["a"]
    assert (found.rounds, found.rank, len(found.throughput_by_round_rps)) == (2, None, 4)
    assert sorted(found.throughput_rounds) == sorted(found.cpu_rounds) == [1, 1, 2, 2]


def test_the_rounds_that_count_are_named() -> None:
    records = [replace(each, verdict="invalid") if each.round == 1 else each for each in records_of({"a": FIVE})]
    assert summaries(records)["a"].throughput_rounds == (1, 3, 4, 5)


def test_servers_that_shared_a_block_in_one_round_are_not_ranked_by_that_round() -> None:
    records = [
        replace(each, block=each.round > 0) if each.case.server == "c" else each
        for each in records_of({"b": [1_000, 900, 1_100, 1_000, 1_000], "c": [990, 1_100, 900, 1_000, 995]})
    ]
    assert ranks(records) == {"b": 1, "c": 1}


def test_servers_in_different_blocks_are_ranked_by_their_ratios_to_the_baseline() -> None:
    speeds = {"b": (1_000, 100, 1_010, 101, 1_000), "c": (90, 900, 89, 910, 90)}
    common = [
        replace(record("a", number, level), block=block) for number in range(5) for block, level in ((0, 500), (1, 50))
    ]
    records = [
        replace(record(server, number, requests), block=requests < 500)
        for server, several in speeds.items()
        for number, requests in enumerate(several)
    ]
    assert ranks([*common, *records]) == {"a": 3, "b": 1, "c": 2}


# Blocks and slices


def turns(server: str, rates: Sequence[Sequence[float]], *, control: bool = False) -> list[Record]:
    """Rounds of a server, given its rate in each cycle; a hundred of its response times are kept."""
    case = Case(server, "asgi", "plaintext", "h1", control=control)
    times = [1_000] * 100
    return [
        builders.record(case, number, response_us=times, slices=builders.load_slices(own))
        for number, own in enumerate(rates)
    ]


def test_one_disturbed_cycle_does_not_move_the_ratio_of_throughput_and_cpu() -> None:
    steady, disturbed = [[1_000] * 5] * 3, [[500] * 5, [500, 500, 20, 500, 500], [500] * 5]
    ratios = summaries([*turns("a", steady), *turns("b", disturbed)])["b"].ratio_to_baseline
    assert ratios is not None
    assert ratios.throughput.value == about(0.5)


def test_what_went_on_beside_the_numbers_is_summed_up_over_rounds() -> None:
    connections = Connections(opened=40, reopened=8, resent=2, negotiated="http/1.1")
    one, other, third = records_of({"a": [900] * 3})
    noisy = replace(
        one,
        result=builders.load_result(900, unanswered=3, connections=connections, pushes=7),
        idle_cpu_ratio=0.03,
    )
    found = summaries([noisy, replace(other, idle_cpu_ratio=0.01), third])["a"]
    assert (found.unanswered, found.reopened, found.resent, found.pushes) == (3, 8, 2, 7)
    assert (found.idle_cpu_ratio, found.slice_s) == (0.03, 1.0)


def test_the_cpu_time_of_programs_is_told_by_request() -> None:
    one, other, third = records_of({"a": [1_000] * 3})
    found = summaries([
        replace(one, cpu_s_by_program={"nginx": 0.03, "uvicorn": 0.06}),
        replace(other, cpu_s_by_program={"nginx": 0.03, "uvicorn": 0.06, "sh": 0.001}),
        third,
    ])["a"].cpu_us_by_program  # fmt: skip
    assert {name: each.median for name, each in found.items()} == about({"nginx": 30.0, "uvicorn": 60.0, "sh": 0.5})
    assert summaries([one, other, third])["a"].cpu_us_by_program == {}


@pytest.mark.parametrize(
    ("disturbed_rounds", "rounds", "disturbed"),
    [(0, 3, False), (1, 3, False), (2, 3, True), (1, 2, True), (3, 7, False)],
)
def test_a_case_is_disturbed_when_half_of_its_rounds_were_so_that_its_median_may_be(
    disturbed_rounds: int, rounds: int, *, disturbed: bool
) -> None:
    records = [replace(each, disturbed=each.round < disturbed_rounds) for each in records_of({"a": [900] * rounds})]
    found = summaries(records)["a"]
    assert (found.disturbed, found.disturbed_rounds) == (disturbed, disturbed_rounds)


def test_a_round_that_does_not_count_disturbs_no_number() -> None:
    records = records_of({"a": [900] * 6})
    left_out = replace(records[0], verdict="invalid", disturbed=True)
    assert summaries([left_out, *records[1:]])["a"].disturbed_rounds == 0


def test_a_bad_round_in_a_valid_case_does_not_count() -> None:
    bad = record("a", 5, 50_000, verdict="invalid")
    found = summaries([*records_of({"a": FIVE}), bad])["a"]
    assert (found.verdict, found.rounds, found.requests) == ("valid", 5, sum(FIVE))
    assert found.reasons == ("1 of 6 rounds left out as invalid: invalid for a reason",)


def test_a_round_with_errors_is_never_left_out() -> None:
    errors = Errors(2, {"reset": 2}, {"reset": "GET /"})
    bad = record("a", 5, 50_000, verdict="invalid", errors=errors)
    found = summaries([*records_of({"a": FIVE}), bad])["a"]
    assert (found.verdict, found.reasons) == ("invalid", ("invalid for a reason (1 of 6 rounds)",))
    assert (found.errors, found.rank) == (errors, None)


def test_errors_are_added_up_by_kind_with_the_first_example_of_each() -> None:
    first = record("a", 0, 10, verdict="invalid", errors=Errors(2, {"reset": 2}, {"reset": "first"}))
    second = record("a", 1, 10, verdict="invalid", errors=Errors(4, {"reset": 3, "body": 1}, {"reset": "second"}))
    assert summaries([second, first])["a"].errors == Errors(6, {"reset": 5, "body": 1}, {"reset": "first"})


@pytest.mark.parametrize("verdict", ["unsupported", "failed"])
def test_a_case_without_any_result_has_a_row_without_numbers(verdict: Verdict) -> None:
    nothing = Record(Case("b", "asgi", "plaintext", "h1"), 0, -1, verdict, ("because",))
    found = summaries([*records_of({"a": FIVE}), nothing])["b"]
    assert (found.verdict, found.reasons, found.rounds, found.measured) == (verdict, ("because",), 0, False)
    assert (found.rank, found.ratio_to_baseline, found.latency_us) == (None, None, Latency())


def test_a_round_without_any_answer_has_no_throughput() -> None:
    found = summaries([record("a", 0, 0, verdict="invalid", service_us=[])])["a"]
    assert (found.throughput_rps, found.rounds) == (None, 0)


@pytest.mark.parametrize("verdict", ["valid", "client-limited", "invalid"])
def test_the_closed_loop_rate_of_a_server_is_known_whatever_the_verdict(verdict: Verdict) -> None:
    (record,) = records_of({"a": [900]}, verdict=verdict)
    assert reached_rps([record]) == {record.case: 900}


def test_without_answers_or_in_an_open_loop_there_is_no_closed_loop_rate() -> None:
    silent, given = records_of({"a": [0], "b": [500]})
    silent, given = replace(silent, verdict="invalid"), replace(given, case=replace(given.case, load=Rate(500)))
    assert reached_rps([silent, given]) == {}


def candidates(speeds: Mapping[tuple[str, str], Sequence[int]]) -> list[Record]:
    """Rounds of candidates, each a server and an app."""
    return [
        replace(each, case=replace(each.case, app=app))
        for (server, app), several in speeds.items()
        for each in records_of({server: several})
    ]


def test_apps_under_one_server_are_compared_as_servers_are() -> None:
    found = {
        each.name: each
        for each in flat(
            candidates({("a", "small"): [1_000, 1_010, 990], ("a", "large"): [500, 505, 495]}),
            baseline=Candidate("a", "small"),
        )
    }
    assert {name: each.rank for name, each in found.items()} == {"small": 1, "large": 2}
    assert found["large"].ratio_to_baseline is not None
    assert found["large"].ratio_to_baseline.throughput.value == about(0.5)


def test_candidates_are_named_by_server_or_app_or_both_whichever_there_are_several_of() -> None:
    several = {("a", "x"): [1_000], ("b", "x"): [900], ("a", "y"): [800]}
    names = {each.name for each in flat(candidates(several))}
    assert names == {"x on a", "x on b", "y on a"}
    assert {each.name for each in flat(records_of({"a": FIVE, "b": FIVE}))} == {
        "a",
        "b",
    }


STEADY, SHAKY = [1_000, 1_001, 999, 1_000] * 2, [1_000, 1_400, 700, 1_200] * 2


def test_the_control_has_no_rank_and_is_named_as_control() -> None:
    records = records_of({"a": STEADY, "b": [500, 501, 499, 500] * 2})
    controls = [replace(each, case=replace(each.case, control=True)) for each in records if each.case.server == "a"]
    (found,) = summarise([*records, *controls], (), builders.run_info(control=True))
    assert {each.name: each.rank for each in found.summaries} == {"a": 1, "b": 2, "a (control)": None}
    assert [each.name for each in found.controls] == ["a (control)"]
    assert [each.name for each in found.candidates] == ["a", "b"]


def test_a_case_is_overloaded_when_most_of_its_rounds_were() -> None:
    def rounds(*overloaded: bool) -> CaseSummary:
        records = [replace(record("a", number, 900), overloaded=each) for number, each in enumerate(overloaded)]
        return summaries(records)["a"]

    assert rounds(True, True, False).overloaded
    assert not rounds(True, False).overloaded


def test_of_a_search_only_the_final_trial_counts() -> None:
    def probe(each: Record, rate_rps: float, *, final: bool) -> Record:
        case = replace(each.case, load=Capacity({99.0: 50_000}))
        return replace(each, case=case, probe=Probe(rate_rps, "confirmation" if final else "doubling", True, final))

    ends = [probe(record("a", number, 900), 910.0, final=True) for number in range(2)]
    steps = [probe(record("a", number, 100), 100.0, final=False) for number in range(2)]
    (found,) = flat([*steps, *ends])
    assert (found.rounds, found.offered_rps) == (2, 910.0)
    assert found.throughput_rps is not None
    assert found.throughput_rps.median == about(900)


def test_in_a_sweep_each_rate_has_its_share_of_the_closed_loop_rate() -> None:
    rate = [replace(each, case=replace(each.case, load=Rate(250))) for each in records_of({"a": [250]})]
    found = {str(each.case.load): each for each in flat([*records_of({"a": [1_000]}), *rate], load=Sweep())}
    assert (found["rate=250"].own_share, found["saturate"].own_share) == (0.25, None)


def test_context_switches_are_counted_from_the_first_slice_to_the_last_only() -> None:
    each = record("a", 0, 1_000)
    half_ns = SECOND_NS // 2
    seen = [(half_ns, 0), (SECOND_NS + half_ns, 3_000), (3 * SECOND_NS, 9_000)]
    samples = tuple(Sample(at_ns, 1.0, 1, switches=switches, frequency_mhz=2_000.0) for at_ns, switches in seen)
    (found,) = flat([replace(each, samples=samples)])
    assert found.context_switches_per_request is not None
    assert found.context_switches_per_request.median == about((5_000 - 1_500) / 1_000)
    assert found.frequency_mhz is not None
    assert found.frequency_mhz.median == about(2_000)
    assert summaries([each])["a"].context_switches_per_request is None


def test_a_summary_says_how_precise_it_is_and_how_much_its_server_differs_from_start_to_start() -> None:
    steady, shaky = [[1_000, 1_010, 990]] * 4, [[1_000, 1_010, 990], [1_200, 1_210, 1_190]] * 2
    found = summaries([*turns("a", steady), *turns("a", steady, control=True), *turns("b", shaky)])
    assert (found["a"].precision, found["a"].start_spread) == (0.0, 0.0)
    assert found["b"].precision is not None
    assert found["b"].start_spread is not None
    assert min(found["b"].precision, found["b"].start_spread) > 0.05


@pytest.mark.parametrize(
    ("prefer", "first"),
    [(None, "a"), ("throughput", "a"), ("p99", "b"), ("cpu", "b"), ("memory", "c")],
)
def test_candidates_are_ranked_by_the_preferred_figure_and_their_places_by_all_are_known(
    prefer: Preference | None, first: str
) -> None:
    figures = {  # requests a second, CPU seconds, response time in µs, bytes
        "a": (4_000, 0.9, 9_000, 50_000_000),
        "b": (3_000, 0.3, 2_000, 40_000_000),
        "c": (2_000, 0.9, 9_000, 10_000_000),
    }
    records = [
        builders.record(
            Case(server, "asgi", "plaintext", "h1"),
            number,
            answers + number,
            cpu_s=cpu_s,
            response_us=response_us + number,
            peak_bytes=peak_bytes + number,
        )
        for server, (answers, cpu_s, response_us, peak_bytes) in figures.items()
        for number in range(3)
    ]
    (comparison,) = summarise(records, [], builders.run_info(prefer=prefer))
    assert comparison.ranked_by == (prefer or "throughput")
    assert comparison.summaries[0].case.server == first
    for each in comparison.summaries:
        assert each.rank == each.ranks[comparison.ranked_by]
        assert each.ranks.keys() == {"throughput", "p99", "cpu", "memory"}


def test_a_figure_in_which_no_difference_is_seen_is_no_win() -> None:
    records = [*records_of({"a": FIVE}), *records_of({"b": [990, 1_000, 1_030, 980, 1_010]})]
    (comparison,) = summarise(records, [], builders.run_info(prefer="memory"))
    assert [each.ranks["throughput"] for each in comparison.summaries] == [1, 1]


# Whatever was measured


@st.composite
def odd_records(draw: st.DrawFn) -> list[Record]:
    """Rounds that lack an answer, a result, a block in common, CPU time, or a right answer in a slice."""
    found = []
    for server in draw(st.lists(st.sampled_from("abc"), min_size=1, unique=True)):
        case = Case(server, "asgi", "plaintext", "h1")
        for number in range(draw(st.integers(1, 4))):
            rates = draw(st.lists(st.sampled_from([0.0, 0.4, 1.0, 1_000.0]), min_size=1, max_size=3))
            times = draw(st.lists(st.sampled_from([0, 1, 10**7]), max_size=2)) * draw(st.sampled_from([1, 600]))
            each = builders.record(
                case,
                number,
                verdict=draw(st.sampled_from(["valid", "valid", "invalid"])),
                response_us=times,
                slices=builders.load_slices(rates),
            )
            cpu_s = tuple(draw(st.sampled_from([None, 0.0, 0.1])) for _ in rates)
            block, result = draw(st.integers(0, 1)), draw(st.sampled_from([each.result, each.result, None]))
            found.append(replace(each, block=block, slice_cpu_s=cpu_s, result=result))
    return found


@settings(max_examples=40, deadline=None)
@given(odd_records())
def test_whatever_was_measured_every_figure_is_a_number_inside_its_interval(records: list[Record]) -> None:
    comparisons = summarise(records, (), builders.run_info())
    for row in list_rows(comparisons):
        low, high = (row.value if end is None else end for end in (row.low, row.high))
        assert 0 <= low <= row.value <= high < math.inf, row.figure.name
    for each in (each for comparison in comparisons for each in comparison.summaries):
        assert each.rank is None or (each.verdict == "valid" and each.rounds >= RANKED_FROM_ROUNDS)
