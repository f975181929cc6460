"""Carries rounds out: for each start of a server its cases, each measured by a trial or by a search of several."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.host import logs
from harness.model.errors import ServerError
from harness.model.loads import Capacity, Rate
from harness.plan.schedule import keep_cases
from harness.run import search

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.model.plan import Case, Conditions, PlannedStart, Round, ServerConfig
    from harness.model.results import Probe, Record
    from harness.run.journal import Journal
    from harness.run.launcher import Launcher, Started
    from harness.run.measurer import Measurer


class Rounds:
    """Carries out rounds of one run; launcher and measurer do what takes processes."""

    def __init__(self, conditions: Conditions, launcher: Launcher, measurer: Measurer, journal: Journal) -> None:
        self._conditions = conditions
        self._launcher = launcher
        self._measurer = measurer
        self._journal = journal

    def carry_out(self, number: int, starts: Round) -> None:
        """One round: every server configuration once, for the cases that have no number of this round yet."""
        done = self._journal.take_up(number)
        asked = {case for start in starts for case in start.cases}
        for start in keep_cases(starts, asked - set(done)):
            self._serve(number, start)

    def _serve(self, number: int, start: PlannedStart) -> None:
        """Start a server, and again if it ends in between, until every case has been measured."""
        cases: Sequence[Case] = start.cases
        while cases:
            try:
                cases = self._serve_once(number, start.config, cases)
            except ServerError as error:
                for case in cases:
                    record = self._measurer.record(case, number, "failed", (str(error),), log_tail=error.log_tail)
                    self._journal.write(record)
                return

    def _serve_once(self, number: int, config: ServerConfig, cases: Sequence[Case]) -> Sequence[Case]:
        """Measure until the cases or the server come to an end; the cases that are left."""
        left = list(cases)
        with self._launcher.started(config, number) as started:
            while left and started.running.ended is None:
                self._measure(number, left.pop(0), started)
        if len(left) == len(cases):
            # It would be started again and again.
            log, ended = started.running.log, started.running.ended
            found = f"found that it ended with {ended}{logs.quote_reason(log)}"
            raise ServerError(f"{config.server}: expected it to keep running, {found}", logs.tail(log))
        return left

    def _measure(self, number: int, case: Case, started: Started) -> None:
        """Measure a case once: by a trial, by a second if the machine disturbed it, or by a search of several."""
        if isinstance(case.load, Capacity):
            self._search(number, case, case.load, started)
            return
        record = self._measurer.measure(started, case, number, case, self._conditions.duration_s)
        if record.disturbed and started.running.ended is None:
            self._journal.write(replace(record, repeated=True))
            record = self._measurer.measure(started, case, number, case, self._conditions.duration_s)
        self._journal.write(record)

    def _search(self, number: int, case: Case, level: Capacity, started: Started) -> None:
        """The highest rate that meets the level; from the second round on the search starts near the earlier ones."""
        first_rps = search.starting_rps(level, [each for each in self._journal.records if each.case == case])
        seen: list[Probe] = []
        while (attempt := search.next_try(seen, first_rps, search.least_rps(level))) is not None:
            trial = self._attempt(number, case, level, attempt, started)
            record, probe = search.weigh(trial, attempt, level, seen)
            if trial.verdict in search.MAYBE_ACCIDENTS and not probe.met:
                # Once may be an accident of the machine's, or of the generator's; twice is not.
                self._journal.write(replace(record, probe=replace(probe, final=False)))
                trial = self._attempt(number, case, level, attempt, started)
                record, probe = search.weigh(trial, attempt, level, seen)
            self._journal.write(record)
            if probe.final:
                return
            seen.append(probe)

    def _attempt(self, number: int, case: Case, level: Capacity, attempt: search.Try, started: Started) -> Record:
        """One trial at a rate that the search tries."""
        driven = replace(case, load=Rate(attempt.rate_rps))
        window_s = search.window_s(level, attempt.rate_rps, self._conditions.duration_s)
        return self._measurer.measure(started, case, number, driven, window_s)
