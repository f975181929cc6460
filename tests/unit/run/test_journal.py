"""Records reach the disk as they come, and progress follows an injected clock."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.model.plan import Exclusion
from harness.model.records import Probe
from harness.run.directory import RunDirectory
from harness.run.journal import Journal, Progress
from tests.builders import CASE, record

if TYPE_CHECKING:
    from pathlib import Path

OTHER = replace(CASE, server="b")


class Clock:
    """Shows the time that a test sets."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def journal(tmp_path: Path, clock: Clock, told: list[Progress], run_id: str = "one") -> Journal:
    path = tmp_path / run_id
    directory = RunDirectory(path) if path.exists() else RunDirectory.create(tmp_path, run_id)
    return Journal(directory, told.append, estimate_s=60.0, clock=clock)


def test_the_time_left_is_the_estimate_at_first_and_then_what_cases_have_taken(tmp_path: Path) -> None:
    clock, told = Clock(), list[Progress]()
    kept = journal(tmp_path, clock, told)
    kept.begin([], 4)
    clock.now_s += 10
    kept.write(record())
    clock.now_s += 20
    kept.write(record(OTHER))
    assert [(each.done, each.total, each.left_s) for each in told] == [(0, 4, 60.0), (1, 4, 30.0), (2, 4, 30.0)]
    kept.expect(2)
    kept.write(record(number=1))
    assert (told[-1].done, told[-1].total, told[-1].round, told[-1].left_s) == (3, 6, 2, 30.0)


def test_a_step_of_a_search_is_on_disk_and_is_no_progress(tmp_path: Path) -> None:
    told = list[Progress]()
    kept = journal(tmp_path, Clock(), told)
    kept.begin([], 1)
    step = replace(record(), probe=Probe(1_000, "doubling", met=True))
    kept.write(step)
    assert told[-1].done == 0
    assert RunDirectory(tmp_path / "one").read_trials() == [step]


def test_exclusions_are_written_once_and_are_no_trials(tmp_path: Path) -> None:
    exclusion = Exclusion(OTHER, "b does not speak h1")
    for _ in range(2):
        kept = journal(tmp_path, Clock(), [])
        kept.begin([exclusion], 1)
        assert kept.records == []
    (written,) = RunDirectory(tmp_path / "one").read_trials()
    assert (written.case, written.verdict, written.reasons) == (OTHER, "unsupported", ("b does not speak h1",))


def test_what_an_interrupted_run_has_found_is_taken_up_and_says_nothing_of_the_speed(tmp_path: Path) -> None:
    before = journal(tmp_path, Clock(), [])
    before.begin([], 4)
    before.write(record())
    before.write(replace(record(OTHER), probe=Probe(1_000, "doubling", met=True)))
    clock, told = Clock(), list[Progress]()
    resumed = journal(tmp_path, clock, told)
    resumed.begin([], 4)
    assert set(resumed.take_up(0)) == {(0, CASE)}
    assert not resumed.take_up(1)
    clock.now_s += 12
    resumed.write(record(OTHER))
    assert (told[-1].done, told[-1].left_s) == (2, 24.0)
