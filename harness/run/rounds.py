"""Carries rounds out: for each block its servers, and the measurements in which its cases take turns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.analysis.advice import IDLE_CPU_ALONE, advise
from harness.host import interruption
from harness.model.loads import Capacity, Rate
from harness.plan.blocks import separate
from harness.run.measurer import TurnOf
from harness.run.search import Search, choose_length_s

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.model.plan import Block, Case, Round, ServerConfig
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
                interruption.check()
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
            self._search(started, running, running[0].load, turn)
            return
        records = self._measurer.measure(started, running, turn)
        for record in records:
            self._journal.write(record)
        if not running[0].aside:
            self._journal.notify(advise(records))

    def _search(
        self, started: Mapping[ServerConfig, Started], cases: Sequence[Case], level: Capacity, turn: TurnOf
    ) -> None:
        """The highest rate of each case that meets the level; later rounds start near what earlier ones found.

        In each step the cases take turns, each at the rate that its own search tries next.
        """
        earlier = self._journal.records
        searches = {case: Search(level, [each for each in earlier if each.case == case]) for case in cases}
        while due := {case: own.due for case, own in searches.items() if own.due is not None}:
            interruption.check()
            length_s = max(choose_length_s(level, attempt.rate_rps, turn.duration_s) for attempt in due.values())
            rates = {case: Rate(attempt.rate_rps) for case, attempt in due.items()}
            step = replace(turn, duration_s=length_s, slice_s=length_s, loads=rates)
            for record in self._measurer.measure(started, list(due), step):
                self._journal.write(searches[record.case].take(due[record.case], record))
