"""Carries rounds out: for each block its servers, and the measurements in which its cases take turns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.analysis.advice import IDLE_CPU_ALONE, advise
from harness.model.loads import Capacity, Rate
from harness.plan.schedule import separate
from harness.run import search
from harness.run.measurer import TurnOf

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.model.plan import Block, Case, Round, ServerConfig
    from harness.model.results import Probe, Record
    from harness.run.journal import Journal
    from harness.run.launcher import Launcher, Started, Together
    from harness.run.measurer import Measurer


class Rounds:
    """Carries out rounds of one run; launcher and measurer do what takes processes."""

    def __init__(self, launcher: Launcher, measurer: Measurer, journal: Journal) -> None:
        self._launcher = launcher
        self._measurer = measurer
        self._journal = journal

    def carry_out(self, number: int, blocks: Round) -> None:
        """One round: every block once, without the measurements that an interrupted run has made already."""
        done = self._journal.take_up(number)
        for place, block in enumerate(separate(blocks, self._find_alone(number))):
            left = tuple(cases for cases in block.measurements if not all((place, case) in done for case in cases))
            if left:
                self._carry_out_block(number, place, replace(block, measurements=left))

    def _find_alone(self, number: int) -> set[ServerConfig]:
        """Servers that disturbed others while they were idle, in an earlier round; a resumed run finds the same."""
        earlier = (record for record in self._journal.records if record.round < number)
        return {record.case.config for record in earlier if (record.idle_cpu_ratio or 0.0) >= IDLE_CPU_ALONE}

    def _carry_out_block(self, number: int, place: int, block: Block) -> None:
        """Start the servers, measure everything, and stop them."""
        turn = TurnOf(number, place, block.duration_s)
        with self._launcher.run_together(block.configs, number) as together:
            for cases in block.measurements:
                together.restart_ended()
                self._measure(together, cases, turn)

    def _measure(self, together: Together, cases: Sequence[Case], turn: TurnOf) -> None:
        """Measure the cases whose servers run; the others fail with the reason."""
        started = together.started
        for case in cases:
            if case.config not in started:
                error = together.failures[case.config]
                record = self._measurer.record(case, turn, "failed", (str(error),), log_tail=error.log_tail)
                self._journal.write(record)
        running = [case for case in cases if case.config in started]
        if not running:
            return
        if isinstance(running[0].load, Capacity):
            for case in running:
                self._search(started, case, case.load, turn)  # type: ignore[arg-type] # a run has one load
            return
        records = self._measurer.measure(started, running, turn)
        for record in records:
            self._journal.write(record)
        self._journal.notify(advise(records))

    def _search(self, started: Mapping[ServerConfig, Started], case: Case, level: Capacity, turn: TurnOf) -> None:
        """The highest rate that meets the level; from the second round on the search starts near the earlier ones."""
        first_rps = search.starting_rps(level, [each for each in self._journal.records if each.case == case])
        seen: list[Probe] = []
        while (attempt := search.next_try(seen, first_rps, search.least_rps(level))) is not None:
            trial = self._attempt(started, case, level, attempt, turn)
            record, probe = search.weigh(trial, attempt, level, seen)
            if trial.verdict in search.MAYBE_ACCIDENTS and not probe.met:
                # Once may be an accident of the machine's, or of the generator's; twice is not.
                self._journal.write(replace(record, probe=replace(probe, final=False)))
                trial = self._attempt(started, case, level, attempt, turn)
                record, probe = search.weigh(trial, attempt, level, seen)
            self._journal.write(record)
            if probe.final:
                return
            seen.append(probe)

    def _attempt(
        self,
        started: Mapping[ServerConfig, Started],
        case: Case,
        level: Capacity,
        attempt: search.Try,
        turn: TurnOf,
    ) -> Record:
        """One slice at a rate that the search tries."""
        length_s = search.choose_length_s(level, attempt.rate_rps, turn.duration_s)
        driven = replace(turn, duration_s=length_s, slice_s=length_s, load=Rate(attempt.rate_rps))
        (record,) = self._measurer.measure(started, [case], driven)
        return record
