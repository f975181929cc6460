"""Rounds with real server processes, and a measurer that answers from a script."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.host import guard
from harness.host.guard import processes_of
from harness.hosts.server_host import LocalHost
from harness.model.loads import Capacity, Rate
from harness.model.machine import Placement
from harness.model.plan import Block, Candidate, Case, Conditions, Selection, ServerConfig
from harness.model.records import Record
from harness.model.targets import App, Tls
from harness.run.directory import RunDirectory
from harness.run.journal import Journal
from harness.run.launcher import Launcher, Started
from harness.run.load_process import ForkServer
from harness.run.measurer import Measurer, TurnOf
from harness.run.rounds import Rounds
from tests.builders import RUN, load_result
from tests.integration.stubs import stub

FOLDER = Path(__file__).parent
APP = App("stub", "stub:app", FOLDER, ready_body=b"hello", counts_workers=True)
CPUS = frozenset(os.sched_getaffinity(0))
ONE, TWO = Case("prompt", "stub", "one", "h1"), Case("prompt", "stub", "two", "h1")
LEVEL = Capacity({99.0: 50_000})

Script = Callable[[Started, Case], dict[str, Any]]


class ScriptedMeasurer(Measurer):
    """Drives no load: a script says what the turn of each case comes to."""

    script: Script
    seen: list[tuple[str, Case, int]]

    def measure(self, servers: Mapping[ServerConfig, Started], cases: Sequence[Case], turn: TurnOf) -> list[Record]:
        records = []
        for case in cases:
            started, driven = servers[case.config], turn.drive(case)
            self.seen.append((started.config.server, driven, started.running.pid))
            answer = {"judgement": "valid", "reasons": (), **self.script(started, driven)}
            records.append(self.record(case, turn, **answer))
        return records


class Bench:
    """Everything that a round needs, in a folder of its own."""

    def __init__(self, tmp_path: Path, token: str, script: Script) -> None:
        servers = tuple(stub(kind) for kind in ("prompt", "exits", "wrong"))
        tls = Tls(tmp_path / "server.pem", tmp_path / "server.key", tmp_path / "authority.pem")
        selection = Selection(servers, (APP,), (), ("h1",), Conditions(), Candidate("prompt", "stub"), 2.0)
        placement = Placement(CPUS, CPUS)
        path = tmp_path / "run"
        self.directory = RunDirectory(path) if path.exists() else RunDirectory.create(tmp_path, "run")
        self.journal = Journal(self.directory, lambda _: None, 1.0)
        self.journal.begin([], 0)
        self.measurer = ScriptedMeasurer(selection, RUN, placement, ForkServer(token), tls, self.journal)
        self.measurer.script, self.measurer.seen = script, []
        launcher = Launcher(selection, LocalHost(placement.server), token, tls, self.journal)
        self.rounds = Rounds(launcher, self.measurer, self.journal)

    def carry_out(self, *cases: Case, number: int = 0) -> list[tuple[str, str]]:
        """One round of these cases; the scenarios and verdicts of its records, in their order."""
        configs = tuple(dict.fromkeys(case.config for case in cases))
        scenarios = dict.fromkeys(case.scenario for case in cases)
        measurements = tuple(tuple(case for case in cases if case.scenario == each) for each in scenarios)
        self.rounds.carry_out(number, (Block(configs, measurements, 1.0),))
        return [(each.case.scenario, each.verdict) for each in self.journal.records if each.round == number]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    with guard.guard() as token:
        yield lambda script=lambda _started, _case: {}: Bench(tmp_path, token, script)
        assert processes_of(token) == []


def kill(started: Started) -> None:
    """End a server, and wait until its end can be seen."""
    os.kill(started.running.pid, 9)
    os.waitid(os.P_PID, started.running.pid, os.WEXITED | os.WNOWAIT)


def test_the_cases_of_a_configuration_share_one_start_which_is_recorded(bench: Callable[..., Bench]) -> None:
    table = bench()
    assert table.carry_out(ONE, TWO) == [("one", "valid"), ("two", "valid")]
    assert len({pid for _, _, pid in table.measurer.seen}) == 1
    (start,) = table.directory.read_starts()
    assert (start.config, start.round, start.ended) == (ONE.config, 0, None)
    assert start.ready_s is not None
    assert start.stop_s is not None
    assert (table.directory.logs / start.log).exists()
    assert table.directory.read_trials() == table.journal.records


def test_the_control_is_started_beside_the_baseline_as_a_server_of_its_own(bench: Callable[..., Bench]) -> None:
    table = bench()
    table.carry_out(ONE, replace(ONE, control=True))
    assert len({pid for _, _, pid in table.measurer.seen}) == 2
    assert {start.config.control for start in table.directory.read_starts()} == {False, True}


def test_a_server_that_ends_while_it_is_measured_is_started_again_for_the_cases_that_are_left(
    bench: Callable[..., Bench],
) -> None:
    def script(started: Started, case: Case) -> dict[str, Any]:
        if case.scenario == "one":
            kill(started)
            return {"judgement": "failed", "reasons": ("it ended",)}
        return {}

    table = bench(script)
    assert table.carry_out(ONE, TWO) == [("one", "failed"), ("two", "valid")]
    assert [start.ended for start in table.directory.read_starts()] == ["SIGKILL", None]


def test_a_server_that_ends_twice_is_not_started_a_third_time(bench: Callable[..., Bench]) -> None:
    def script(started: Started, _case: Case) -> dict[str, Any]:
        if started.config.server == "prompt":
            kill(started)
            return {"judgement": "failed", "reasons": ("it ended",)}
        return {}

    three = replace(ONE, scenario="three")
    table = bench(script)
    table.carry_out(ONE, TWO, three)
    assert len(table.directory.read_starts()) == 2
    assert table.journal.records[-1].reasons[0].startswith("prompt: expected it to keep running, found that it ended")


def test_the_servers_of_a_block_run_at_the_same_time(bench: Callable[..., Bench]) -> None:
    alive: list[bool] = []

    def script(started: Started, _case: Case) -> dict[str, Any]:
        alive.append(
            all(psutil.pid_exists(pid) for pid in [started.running.pid, *(pid for *_, pid in table.measurer.seen)])
        )
        return {}

    table = bench(script)
    table.carry_out(ONE, replace(ONE, control=True))
    assert alive == [True, True]


def test_a_server_that_does_not_start_costs_its_own_cases_a_number_and_no_others(bench: Callable[..., Bench]) -> None:
    table = bench()
    silent = replace(ONE, server="wrong")
    assert table.carry_out(silent, ONE) == [("one", "failed"), ("one", "valid")]
    (failed, _) = table.journal.records
    assert failed.reasons[0].startswith("wrong: expected the right answer to GET / within 2 s")
    assert [start.ready_s is None for start in table.directory.read_starts()] == [True, False]


def test_what_an_interrupted_run_has_measured_is_not_measured_again(bench: Callable[..., Bench]) -> None:
    bench().carry_out(ONE)
    resumed = bench()
    resumed.carry_out(ONE, TWO)
    assert [case.scenario for _, case, _ in resumed.measurer.seen] == ["two"]
    resumed.carry_out(ONE, TWO, number=1)
    assert [case.scenario for _, case, _ in resumed.measurer.seen] == ["two", "one", "two"]


def test_in_a_search_the_cases_take_turns_each_at_a_rate_of_its_own(bench: Callable[..., Bench]) -> None:
    capacities = {False: 3_000, True: 700}

    def script(started: Started, case: Case) -> dict[str, Any]:
        assert isinstance(case.load, Rate)
        met = case.load.rps <= capacities[started.config.control]
        return {"result": load_result(round(case.load.rps), 1_000 if met else 60_000)}

    table = bench(script)
    case = replace(ONE, load=LEVEL)
    table.carry_out(case, replace(case, control=True))
    turns = [each.control for _, each, _ in table.measurer.seen]
    together = 2 * min(turns.count(False), turns.count(True))
    assert turns[:together] == [False, True] * (together // 2)
    assert len(set(turns[together:])) <= 1
    found = {each.case.control: each.probe.rate_rps for each in table.journal.records if each.probe and each.counts}
    assert {control: 0.93 < rate / capacities[control] <= 1 for control, rate in found.items()} == {
        False: True,
        True: True,
    }


def test_a_search_drives_rates_until_one_is_confirmed_and_the_next_round_begins_near_it(
    bench: Callable[..., Bench],
) -> None:
    def script(_started: Started, case: Case) -> dict[str, Any]:
        assert isinstance(case.load, Rate)
        met = case.load.rps <= 3_000
        return {"result": load_result(round(case.load.rps), 1_000 if met else 60_000)}

    table = bench(script)
    case = replace(ONE, load=LEVEL)
    table.carry_out(case)
    last = table.journal.records[-1]
    assert last.probe is not None
    assert last.probe.final
    assert 2_800 <= last.probe.rate_rps <= 3_000
    assert [each.counts for each in table.journal.records].count(True) == 1
    table.carry_out(case, number=1)
    first = next(each for each in table.journal.records if each.round == 1)
    assert first.probe is not None
    assert first.probe.rate_rps == pytest.approx(last.probe.rate_rps / 2)
