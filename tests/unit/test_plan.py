"""The plan: what is asked for is measured or excluded with a reason, in an order that the seed fixes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model import PROTOCOLS, App, Protocol, Scenario, Selection, Server
from harness.plan import cases, make_plan


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
    rounds=3,
    seed=1,
)


def test_every_case_is_measured_once_in_each_round_or_excluded() -> None:
    plan = make_plan(SELECTION)
    excluded = [exclusion.case for exclusion in plan.exclusions]
    for stints in plan.rounds:
        measured = [case for stint in stints for case in stint.cases]
        assert Counter(measured + excluded) == Counter(cases(SELECTION))


def test_a_scenario_is_not_asked_for_in_protocols_that_it_cannot_speak() -> None:
    asked = {(case.scenario, case.protocol) for case in cases(SELECTION)}
    assert asked == {("small", "h1"), ("small", "h2"), ("large", "h1"), ("large", "h2"), ("talk", "ws")}


def test_what_a_server_does_not_speak_is_excluded_in_its_own_words() -> None:
    exclusions = make_plan(SELECTION).exclusions
    assert {(each.case.server, each.case.protocol, each.reason) for each in exclusions} == {("a", "h2", "a has no h2")}


def test_a_server_that_is_not_installed_is_excluded_with_the_command_that_installs_it() -> None:
    plan = make_plan(replace(SELECTION, not_installed={"b": "not installed: b; pip install 'b'"}))
    assert {each.reason for each in plan.exclusions if each.case.server == "b"} == {"not installed: b; pip install 'b'"}
    assert {stint.life.server for stints in plan.rounds for stint in stints} == {"a"}


def test_more_workers_than_a_server_can_have_are_excluded() -> None:
    plan = make_plan(replace(SELECTION, workers=2))
    assert "b has no more than 1 worker, asked for 2" in {each.reason for each in plan.exclusions}


def test_a_stint_holds_all_cases_of_one_life_and_no_others() -> None:
    for stints in make_plan(SELECTION).rounds:
        lives = [stint.life for stint in stints]
        assert len(lives) == len(set(lives))
        assert all(case.life == stint.life for stint in stints for case in stint.cases)


@given(st.integers(0, 2**31))
def test_the_same_seed_gives_the_same_plan(seed: int) -> None:
    assert make_plan(replace(SELECTION, seed=seed)) == make_plan(replace(SELECTION, seed=seed))


def test_the_order_differs_from_round_to_round() -> None:
    plan = make_plan(replace(SELECTION, rounds=20))
    assert len(set(plan.rounds)) > 1


def test_the_estimate_grows_with_rounds_and_with_the_window() -> None:
    short = make_plan(SELECTION).estimate_s
    assert make_plan(replace(SELECTION, rounds=6)).estimate_s == pytest.approx(2 * short)
    longer = make_plan(replace(SELECTION, duration_s=SELECTION.duration_s + 1))
    assert longer.estimate_s - short == pytest.approx(longer.trial_count)
