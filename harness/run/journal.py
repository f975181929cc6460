"""What a run has found so far: every record goes to the disk before anything else happens, and progress is reported."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING

from harness.model.errors import StorageError
from harness.model.records import Record
from harness.run.masking import clean_record, clean_start
from harness.text.secrets import Secrets

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from harness.analysis.advice import Advice
    from harness.model.plan import Case, Exclusion
    from harness.model.records import ServerStart
    from harness.model.run_info import RunInfo
    from harness.run.directory import RunDirectory


@dataclass(frozen=True)
class Progress:
    """How far a run is; what the command shows."""

    done: int
    total: int
    """Cases known so far, each once for each round; a precision or a sweep adds to them."""
    round: int
    left_s: float
    record: Record | None
    """The trial that has just ended; None before the first, and with a notice."""
    notice: str = ""
    """Something to say once: the cause of trouble and its remedy."""


Watcher = Callable[[Progress], None]


class Journal:
    """The records of a run, those of an interrupted one included, and how far it is."""

    def __init__(
        self,
        directory: RunDirectory,
        watch: Watcher,
        estimate_s: float,
        clock: Callable[[], float] = monotonic,
        secrets: Secrets | None = None,
    ) -> None:
        self.directory = directory
        self.records: list[Record] = []
        self.starts = 0
        """Servers started so far."""
        self._watch = watch
        self._estimate_s = estimate_s
        self._clock = clock
        self._began_s = clock()
        self._total = 0
        self._done: set[tuple[int, int, Case]] = set()
        """What is measured: round, block and case."""
        self._measured = 0
        self._round = 0
        self._told: set[str] = set()
        self._secrets = secrets or Secrets()
        self._written: list[Record | ServerStart] = []
        """Everything that is in the files."""

    def begin(self, exclusions: Iterable[Exclusion], cases: int) -> None:
        """Write down what cannot be measured, or take up what an interrupted run has found; `cases` are to be measured.

        A case counts once for each of its rounds.
        """
        self._total = cases
        found, starts = self.directory.read_trials(), self.directory.read_starts()
        self._written = [*found, *starts]
        for exclusion in exclusions if not found else ():
            self._append(Record(exclusion.case, 0, -1, "unsupported", (exclusion.reason,), now()))
        self.records = [record for record in found if record.position >= 0]
        self.starts = len(starts)
        self._report(0, None)

    def expect(self, cases: int) -> None:
        """So many more cases are to be measured than were known before."""
        self._total += cases

    def take_up(self, number: int) -> Collection[tuple[int, Case]]:
        """The cases that an interrupted run has measured in this round, with their blocks; they count as done."""
        done = {(record.block, record.case) for record in self.records if record.round == number and record.counts}
        self._done |= {(number, *each) for each in done}
        return done

    def write(self, record: Record) -> None:
        """Put the record of a trial on the disk, without secrets, and report progress."""
        record = clean_record(record, self._secrets)
        self.records.append(record)
        self._append(record)
        if record.counts:
            self._done.add((record.round, record.block, record.case))
        self._measured += record.counts
        self._report(record.round, record)

    def write_start(self, start: ServerStart) -> None:
        """Put what is known of a start of a server on the disk."""
        self._append(clean_start(start, self._secrets))

    def save(self, info: RunInfo) -> None:
        """Write everything once more, as far as there is room: the folder may have been removed."""
        with suppress(StorageError):
            self.directory.write_again(info, self._written)

    def _append(self, record: Record | ServerStart) -> None:
        self._written.append(record)
        self.directory.append(record)

    def notify(self, advice: Iterable[Advice]) -> None:
        """Pass advice on, each topic once in the run."""
        for each in advice:
            if each.topic not in self._told:
                self._told.add(each.topic)
                self._report(self._round, None, each.text)

    def _report(self, number: int, record: Record | None, notice: str = "") -> None:
        """The time left is what the run has taken so far, per case; before the first case it is the estimate."""
        took_s = self._clock() - self._began_s
        per_case_s = took_s / self._measured if self._measured else self._estimate_s / max(self._total, 1)
        self._round = number
        done = len(self._done)
        left_s = per_case_s * (self._total - done)
        self._watch(Progress(done, self._total, number + 1, left_s, record, notice))


def now() -> str:
    """ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
