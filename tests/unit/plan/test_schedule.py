"""The plan: every selected case is measured or excluded with a reason, in an order that the seed fixes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.errors import UsageError
from harness.model.loads import SATURATE, Capacity, Rate, Sweep
from harness.model.plan import REFERENCE_APP, Candidate, Case, Conditions, Reference, Round, Selection
from harness.model.protocols import PROTOCOLS, Protocol
from harness.model.targets import App, RunsAt, Scenario, Server
from harness.plan.blocks import keep_cases
from harness.plan.cases import list_cases
from harness.plan.schedule import make_plan, plan_half_rate, plan_sweep


def server(name: str, *protocols: Protocol, max_workers: int | None = None) -> Server:
    why: dict[Protocol, str] = {protocol: f"{name} has no {protocol}" for protocol in PROTOCOLS}
    return Server(name, (name,), frozenset(protocols), lambda _: [name], why, max_workers)


def scenario(name: str, *protocols: Protocol) -> Scenario:
    return Scenario(name, Path(name), frozenset(protocols), "")


SELECTION = Selection(
    servers=(server("a", "h1", "ws"), server("b", "h1", "h2", "ws", max_workers=1)),
    apps=(App("app", "app:app", Path()),),
    scenarios=(scenario("small", "h1", "h2"), scenario("large", "h1", "h2"), scenario("talk", "ws")),
    protocols=("h1", "h2", "ws"),
    conditions=Conditions(rounds=3, seed=1, control=False),
    baseline=Candidate("a", "app"),
)


def under(**changes: Any) -> Selection:
    """The selection under other conditions."""
    return replace(SELECTION, conditions=replace(SELECTION.conditions, **changes))


def measured(blocks: Round) -> list[Case]:
    """All cases of a round, in the order in which they are measured."""
    return [case for block in blocks for cases in block.measurements for case in cases]


def test_every_case_is_measured_once_in_each_round_or_excluded() -> None:
    plan = make_plan(SELECTION)
    excluded = [exclusion.case for exclusion in plan.exclusions]
    for blocks in plan.rounds:
        assert Counter(measured(blocks) + excluded) == Counter(list_cases(SELECTION, SATURATE))


def test_a_scenario_is_measured_only_over_protocols_that_it_supports() -> None:
    asked = {(case.scenario, case.protocol) for case in list_cases(SELECTION, SATURATE)}
    assert asked == {("small", "h1"), ("small", "h2"), ("large", "h1"), ("large", "h2"), ("talk", "ws")}


def test_each_case_is_measured_at_each_distance_and_a_measurement_has_one() -> None:
    selection = under(rtt_s=(0.0, 0.02), loss=0.001)
    plan = make_plan(selection)
    near = [replace(case, rtt_s=0.0, loss=0.0) for case in plan.cases]
    assert Counter(near) == Counter(dict.fromkeys(make_plan(SELECTION).cases, 2))
    for cases in (cases for blocks in plan.rounds for block in blocks for cases in block.measurements):
        assert len({case.distance for case in cases}) == 1
    assert plan.estimate_s > make_plan(under(rtt_s=(0.0,))).estimate_s


def test_a_scenario_with_a_number_of_users_of_its_own_is_measured_with_that() -> None:
    small, *others = SELECTION.scenarios
    many = replace(under(users=(8, 16)), scenarios=(replace(small, users=512), *others))
    found = {(case.scenario, case.users) for case in list_cases(many, SATURATE)}
    assert found == {("small", 512), ("large", 8), ("large", 16), ("talk", 8), ("talk", 16)}
    assert make_plan(many).most_connections == 2 * 512


def test_a_protocol_that_a_server_does_not_speak_is_excluded_with_the_reason_of_the_server() -> None:
    exclusions = make_plan(SELECTION).exclusions
    assert {(each.case.server, each.case.protocol, each.reason) for each in exclusions} == {("a", "h2", "a has no h2")}


def test_a_server_that_is_not_installed_is_excluded_with_the_command_that_installs_it() -> None:
    plan = make_plan(replace(SELECTION, not_installed={"b": "not installed: b; pip install 'b'"}))
    assert {each.reason for each in plan.exclusions if each.case.server == "b"} == {"not installed: b; pip install 'b'"}
    assert {config.server for blocks in plan.rounds for block in blocks for config in block.configs} == {"a"}


def test_an_app_that_is_not_installed_is_excluded_with_the_command_that_installs_it() -> None:
    plan = make_plan(replace(SELECTION, not_installed={"app": "not installed: web; pip install web"}))
    assert {each.reason for each in plan.exclusions} == {"not installed: web; pip install web"}
    assert not any(plan.rounds)


def test_a_scenario_that_an_app_does_not_answer_is_excluded_and_the_others_are_not() -> None:
    partial = App("partial", "partial:app", Path(), scenarios=frozenset({"small", "large"}))
    plan = make_plan(replace(SELECTION, apps=(*SELECTION.apps, partial), protocols=("h1", "ws")))
    excluded = {(each.case.app, each.case.scenario, each.reason) for each in plan.exclusions}
    assert excluded == {("partial", "talk", "partial does not answer talk")}


def test_a_wsgi_server_serves_only_apps_that_have_a_wsgi_callable() -> None:
    wsgi = replace(server("a", "h1"), interface="wsgi")
    app, both = SELECTION.apps[0], replace(SELECTION.apps[0], name="both", wsgi_target="app:wsgi")
    plan = make_plan(replace(SELECTION, servers=(wsgi,), apps=(app, both), protocols=("h1",)))
    reasons = {(each.case.app, each.reason) for each in plan.exclusions}
    assert reasons == {("app", "a serves WSGI only, and app has no WSGI callable")}
    assert {config.app for blocks in plan.rounds for block in blocks for config in block.configs} == {"both"}
    assert wsgi.target(both) == "app:wsgi"


def test_on_trio_scenarios_are_excluded_that_are_known_to_need_asyncio() -> None:
    trio = replace(server("a", "h1"), event_loop="trio")
    known = replace(SELECTION.apps[0], name="known", on_trio=frozenset({"small"}))
    plan = make_plan(replace(SELECTION, servers=(trio,), apps=(known, SELECTION.apps[0]), protocols=("h1",)))
    reasons = {(each.case.app, each.case.scenario, each.reason) for each in plan.exclusions}
    assert reasons == {("known", "large", "a runs on trio, and known needs asyncio for large")}


def test_a_command_without_workers_is_excluded_where_several_are_asked_for() -> None:
    own = replace(SELECTION.servers[1], name="ours", template=("serve", "{port}"), max_workers=None)
    plan = make_plan(replace(under(workers=(1, 2)), servers=(SELECTION.servers[0], own)))
    reasons = {each.reason for each in plan.exclusions if each.case.server == "ours"}
    assert reasons == {"the command of ours has no {workers}, asked for 2"}


def test_more_workers_than_a_server_can_have_are_excluded() -> None:
    plan = make_plan(under(workers=(2,)))
    assert "b has at most 1 worker, asked for 2" in {each.reason for each in plan.exclusions}


def test_a_block_runs_the_servers_of_its_cases_and_measures_all_that_they_share() -> None:
    for blocks in make_plan(SELECTION).rounds:
        assert {block.configs[0].tls for block in blocks} == {False, True}
        for block in blocks:
            assert {case.config for cases in block.measurements for case in cases} == set(block.configs)
            for cases in block.measurements:
                assert len({(case.scenario, case.protocol) for case in cases}) == 1


MANY = tuple(server(name, "h1") for name in "abcdefghij")


@pytest.mark.parametrize(
    ("together", "control", "blocks", "common"),
    [
        (2, True, 10, {("a", False)}),
        (3, True, 9, {("a", False), ("a", True)}),
        (4, True, 5, {("a", False), ("a", True)}),
        (6, True, 3, {("a", False), ("a", True)}),
        (11, True, 1, {("a", False), ("a", True)}),
        (2, False, 9, {("a", False)}),
        (4, False, 3, {("a", False)}),
    ],
)
def test_of_many_candidates_each_block_holds_the_baseline_its_control_and_a_share_of_the_others(
    together: int, control: bool, blocks: int, common: set[tuple[str, bool]]
) -> None:
    selection = replace(under(control=control, together=together), servers=MANY, protocols=("h1",))
    for planned in make_plan(selection).rounds:
        assert len(planned) == blocks
        assert all(common <= {(c.server, c.control) for c in block.configs} for block in planned)
        assert all(len(block.configs) <= together for block in planned)
        others = Counter(config.server for block in planned for config in block.configs if config.server != "a")
        assert others == Counter("bcdefghij")


def test_the_shares_are_shuffled_anew_in_each_round() -> None:
    plan = make_plan(replace(under(control=True, together=5, rounds=6), servers=MANY, protocols=("h1",)))
    shares = {frozenset(frozenset(c.server for c in block.configs) for block in blocks) for blocks in plan.rounds}
    assert len(shares) > 1


@pytest.mark.parametrize(("together", "blocks"), [(4, 10), (5, 9), (6, 5), (7, 5), (30, 1)])
def test_of_two_apps_both_are_in_the_block_of_a_server(together: int, blocks: int) -> None:
    apps = (replace(SELECTION.apps[0], name="base"), replace(SELECTION.apps[0], name="head"))
    selection = replace(under(control=True, together=together), servers=MANY, protocols=("h1",), apps=apps)
    selection = replace(selection, baseline=Candidate("a", "base"))
    for planned in make_plan(selection).rounds:
        assert len(planned) == blocks
        for block in planned:
            assert len(block.configs) <= together
            by_server = Counter(config.server for config in block.configs if not config.control)
            assert all(number == 2 for name, number in by_server.items() if name != "a")
            assert {("a", "base", False), ("a", "base", True)} <= {(c.server, c.app, c.control) for c in block.configs}
        every = Counter((c.server, c.app) for block in planned for c in block.configs if not c.control)
        assert all(number == 1 for candidate, number in every.items() if candidate != ("a", "base"))
        assert len(every) == 20


def test_one_at_a_time_is_a_block_of_one() -> None:
    for blocks in make_plan(under(together=1, control=True)).rounds:
        assert all(len(block.configs) == 1 for block in blocks)


def test_custom_users_measure_one_candidate_at_a_time() -> None:
    scenarios = tuple(replace(each, ours=False) for each in SELECTION.scenarios)
    plan = make_plan(replace(SELECTION, scenarios=scenarios))
    assert all(len(block.configs) == 1 for blocks in plan.rounds for block in blocks)


def test_each_number_of_custom_users_is_measured_by_itself_since_they_do_not_wait_for_their_turn() -> None:
    scenarios = tuple(replace(each, ours=False) for each in SELECTION.scenarios)
    plan = make_plan(replace(under(users=(8, 32)), scenarios=scenarios))
    levels = [{case.users for case in cases} for each in plan.rounds for block in each for cases in block.measurements]
    assert {8} in levels
    assert {32} in levels
    assert all(len(each) == 1 for each in levels)


def test_the_candidates_of_a_search_take_turns_as_those_of_any_load_do() -> None:
    search, closed = (make_plan(under(load=load)).rounds for load in (Capacity({99.0: 50_000}), SATURATE))
    assert [[block.configs for block in blocks] for blocks in search] == [
        [block.configs for block in blocks] for blocks in closed
    ]


def test_user_levels_take_turns_in_one_measurement() -> None:
    (block, *_) = [
        block for block in make_plan(under(users=(8, 32))).rounds[0] if block.measurements[0][0].protocol == "ws"
    ] or make_plan(under(users=(8, 32))).rounds[0]
    for cases in block.measurements:
        assert {case.users for case in cases} == {8, 32}


@given(st.integers(0, 2**31))
def test_the_same_seed_gives_the_same_plan(seed: int) -> None:
    assert make_plan(under(seed=seed)) == make_plan(under(seed=seed))


def test_the_order_differs_from_round_to_round() -> None:
    plan = make_plan(under(rounds=20))
    assert len(set(plan.rounds)) > 1


def test_the_estimate_grows_with_rounds_and_with_the_counted_time() -> None:
    short = make_plan(SELECTION).estimate_s
    assert make_plan(under(rounds=6)).estimate_s == pytest.approx(2 * short)
    longer = make_plan(under(duration_s=SELECTION.conditions.duration_s + 1))
    assert longer.estimate_s - short >= longer.case_count


def test_several_worker_counts_are_cases_of_their_own() -> None:
    plan = make_plan(under(workers=(1, 2)))
    assert {case.workers for case in measured(plan.rounds[0]) if case.server == "a"} == {1, 2}
    for block in plan.rounds[0]:
        assert len({config.workers for config in block.configs}) == 1


def test_a_plan_with_a_precision_has_further_rounds_up_to_the_limit() -> None:
    plan = make_plan(under(precision=0.05, max_rounds=7))
    assert (len(plan.rounds), len(plan.further)) == (3, 4)
    assert make_plan(SELECTION).further == ()
    assert plan.rounds == make_plan(SELECTION).rounds


def test_a_reduced_round_has_the_wanted_cases_and_no_server_without_any() -> None:
    (blocks, *_) = make_plan(SELECTION).rounds
    wanted = {case for case in measured(blocks) if case.server == "b" and case.protocol == "ws"}
    left = keep_cases(blocks, wanted)
    assert set(measured(left)) == wanted
    assert [[config.server for config in block.configs] for block in left] == [["b"]]


def test_a_sweep_begins_with_rounds_in_a_closed_loop() -> None:
    plan = make_plan(under(load=Sweep()))
    assert len(plan.rounds) == SELECTION.conditions.rounds
    assert {case.load for blocks in plan.rounds for case in measured(blocks)} == {SATURATE}
    assert plan.estimate_s > 10 * make_plan(SELECTION).estimate_s


def test_a_sweep_measures_shares_of_the_own_rate_and_common_rates() -> None:
    slow, fast = Case("a", "app", "small", "h1"), Case("b", "app", "small", "h1")
    rounds = plan_sweep(SELECTION, {slow: 1_000.0, fast: 8_080.0})
    assert len(rounds) == SELECTION.conditions.rounds
    rates: dict[str, set[float]] = {"a": set(), "b": set()}
    for case in measured(rounds[0]):
        assert isinstance(case.load, Rate)
        rates[case.server].add(case.load.rps)
    assert rates["a"] >= {100, 250, 500, 700, 800, 900, 950, 1_050}
    assert rates["b"] >= {808, 2_020, 4_040, 5_656, 6_464, 7_272, 7_676, 8_484}
    assert rates["a"] & rates["b"] == {100, 200, 500, 1_000}
    assert rates["b"] >= {2_000, 5_000}


def test_rates_of_a_sweep_are_common_within_a_comparison_only() -> None:
    here, there = Case("a", "app", "small", "h1"), Case("a", "app", "talk", "ws")
    (blocks, *_) = plan_sweep(SELECTION, {here: 10.0, there: 100_000.0})
    own = [case.load.rps for case in measured(blocks) if case.scenario == "small" and isinstance(case.load, Rate)]
    assert max(own) <= 11


def test_the_control_has_the_cases_of_the_baseline_and_a_server_of_its_own() -> None:
    plan = make_plan(replace(under(control=True), protocols=("h1", "ws")))
    controls = [case for case in plan.cases if case.control]
    assert {case.candidate for case in controls} == {replace(SELECTION.baseline, control=True)}
    assert {replace(case, control=False) for case in controls} == {
        case for case in plan.cases if case.candidate == SELECTION.baseline
    }
    assert not any(case.control for case in make_plan(SELECTION).cases)


def test_where_the_baseline_does_not_speak_the_protocol_another_has_a_control() -> None:
    plan = make_plan(replace(under(control=True), protocols=("h2",)))
    assert {case.server for case in plan.cases if case.control} == {"b"}


@pytest.mark.parametrize("changes", [{"rounds": 1_000}, {"rounds": 1, "precision": 0.05, "max_rounds": 1_000}])
def test_a_run_that_would_never_end_is_refused(changes: dict[str, Any]) -> None:
    many = under(users=tuple(range(1, 101)), **changes)
    with pytest.raises(UsageError, match=r"--rounds: expected at most 100000 .* found 1800 in each of 1000 rounds"):
        make_plan(many)


def test_the_most_connections_are_those_of_all_candidates_that_take_turns() -> None:
    assert make_plan(under(users=(8, 32))).most_connections == 2 * 32
    assert make_plan(under(users=(8,), together=1)).most_connections == 8


REFERENCE = Reference(
    App(REFERENCE_APP, "apps.asgi:app", Path()), (scenario("tiny", "h1", "h2"), scenario("tiny talk", "ws"))
)


def beside(reference: Reference = REFERENCE, **changes: Any) -> Selection:
    """The selection with the reference app, under other conditions."""
    return replace(under(**changes), reference=reference)


def test_the_reference_app_is_measured_under_the_same_servers_as_each_comparison() -> None:
    plan = make_plan(beside())
    own = {(case.server, case.protocol) for case in plan.cases if not case.aside}
    asides = [case for case in plan.cases if case.aside]
    assert {(case.server, case.protocol) for case in asides} == own
    assert {case.app for case in asides} == {REFERENCE_APP}
    assert {(case.scenario, case.protocol) for case in asides} == {("tiny", "h1"), ("tiny", "h2"), ("tiny talk", "ws")}


def test_the_reference_app_leaves_the_rest_of_a_plan_as_it_was() -> None:
    plain, plan = make_plan(SELECTION), make_plan(beside())
    for without, blocks in zip(plain.rounds, plan.rounds, strict=True):
        assert blocks[: len(without)] == without
        assert all(case.aside for case in measured(blocks[len(without) :]))
    assert plan.exclusions == plain.exclusions
    assert plan.estimate_s == pytest.approx(plain.estimate_s + plan.aside_s)


def test_only_the_most_users_and_the_first_rounds_are_measured_with_the_reference_app() -> None:
    plan = make_plan(beside(rounds=9, users=(8, 32)))
    found = [[case.users for case in measured(blocks) if case.aside] for blocks in plan.rounds]
    assert [bool(users) for users in found] == [True] * 5 + [False] * 4
    assert {each for users in found for each in users} == {32}


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"rounds": 3}, True),
        ({"rounds": 2}, False),
        ({"rounds": 3, "duration_s": 200.0}, False),
        ({"rounds": 40, "duration_s": 200.0}, True),
    ],
)
def test_unless_asked_for_it_takes_a_third_of_the_time_at_most_or_the_run_is_short(
    changes: dict[str, Any], wanted: bool
) -> None:
    for always in (False, True):
        plan = make_plan(beside(replace(REFERENCE, always=always), **changes))
        assert plan.aside_s > 0
        assert any(case.aside for case in plan.cases) is (wanted or always)
        assert (plan.half_rate_rounds > 0) is (wanted or always)


def test_a_server_that_cannot_be_given_an_app_goes_without_the_reference() -> None:
    a, b = SELECTION.servers
    others = (
        replace(a, name="runs", runs_at=RunsAt("127.0.0.1", 9000)),
        replace(a, name="names its app", template=("gunicorn", "-c", "conf.py")),
        replace(a, name="is told", template=("gunicorn", "{target}")),
        replace(a, name="wsgi", interface="wsgi"),
    )
    apps = (replace(SELECTION.apps[0], wsgi_target="app:wsgi"),)
    plan = make_plan(replace(beside(), servers=(a, b, *others), apps=apps))
    assert {case.server for case in plan.cases if case.aside} == {"a", "b", "is told"}
    assert {case.server for case in plan.at_half_rate} == {"a", "b", *(each.name for each in others)}


def test_half_of_what_the_slowest_reached_is_a_rate_for_all_of_a_comparison() -> None:
    selection = beside(control=True)
    plan = make_plan(selection)
    reached = {case: 1_000.0 if case.server == "a" else 311.0 for case in plan.at_half_rate}
    rounds = plan_half_rate(plan, selection, reached)
    assert len(rounds) == 3
    for blocks in rounds:
        cases = measured(blocks)
        assert {replace(case, load=SATURATE, aside=False) for case in cases} == set(plan.at_half_rate)
        rates = {(case.protocol, case.load.rps) for case in cases if isinstance(case.load, Rate)}
        assert rates == {("h1", 156.0), ("h2", 156.0), ("ws", 156.0)}
        assert all(case.aside and not case.control for case in cases)


def test_a_server_without_a_rate_is_not_measured_at_half_of_one() -> None:
    selection = beside()
    plan = make_plan(selection)
    reached = {case: 1_000.0 for case in plan.at_half_rate if case.server == "b"}
    rounds = plan_half_rate(plan, selection, reached)
    assert {case.server for blocks in rounds for case in measured(blocks)} == {"b"}
    assert plan_half_rate(plan, selection, {}) == ()


def test_users_that_cannot_be_given_a_rate_are_not_measured_at_half_of_one() -> None:
    assert make_plan(beside(load=Rate(100))).half_rate_rounds == 0
    custom = tuple(replace(each, ours=False) for each in SELECTION.scenarios)
    plan = make_plan(replace(beside(), scenarios=custom))
    assert plan.half_rate_rounds == 0
    assert any(case.aside for case in plan.cases)
