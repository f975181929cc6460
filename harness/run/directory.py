"""Records on disk: one JSON line for each trial and each start of a server, and what a run stands on.

`results/<run-id>/` holds `run.json`, `trials.jsonl`, `starts.jsonl`, `logs/`, and what the report makes of them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from harness.host.files import writing
from harness.model.errors import UsageError
from harness.model.loads import parse_load, write_load
from harness.model.results import SCHEMA, Record, RunInfo, ServerStart
from harness.run import former

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


TRIALS, STARTS = "trials.jsonl", "starts.jsonl"
Stored = TypeVar("Stored", RunInfo, Record, ServerStart)


class _Versioned(msgspec.Struct):
    """The version that every file names; a file that names none is of the first."""

    schema: int = 1


class RunDirectory:
    """The files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, results: Path, run_id: str) -> RunDirectory:
        """A new one under `results`, which `results/latest` then points at; raises `UsageError` where none can be."""
        path, latest = results / run_id, results / "latest"
        with writing(results):
            if latest.exists() and not latest.is_symlink():
                raise UsageError(f"--out: expected latest in {results} to be a link to a run, found something else")
            (path / "logs").mkdir(parents=True)
            latest.unlink(missing_ok=True)
            latest.symlink_to(run_id)
        return cls(path)

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    def write_info(self, info: RunInfo) -> None:
        """Write `run.json`."""
        text = msgspec.json.encode(info, enc_hook=write_load)
        (self.path / "run.json").write_bytes(msgspec.json.format(text, indent=2))

    def read_info(self) -> RunInfo:
        """Read `run.json`; raises `UsageError` when it is not there, cannot be read, or is of another schema."""
        return _decode(self._read_run(), RunInfo, "a run", self.path / "run.json", former.upgrade_run)

    def append(self, record: Record | ServerStart) -> None:
        """Write a record to the end of its file, and to the disk."""
        name = TRIALS if isinstance(record, Record) else STARTS
        with (self.path / name).open("ab") as file:
            file.write(msgspec.json.encode(record, enc_hook=write_load) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def repair(self) -> None:
        """Cut off last lines that a crash left unfinished, so that others can follow."""
        for name in (TRIALS, STARTS):
            path = self.path / name
            if path.exists():
                text = path.read_bytes()
                os.truncate(path, text.rfind(b"\n") + 1)

    def read_trials(self) -> list[Record]:
        """All trials so far; a last line that was cut off by a crash is left out.

        Raises `UsageError` for any other line that cannot be read.
        """
        return self._read_lines(TRIALS, Record, former.upgrade_trial)

    def read_starts(self) -> list[ServerStart]:
        """All starts of servers so far."""
        name = STARTS if (self.path / STARTS).exists() else former.STARTS
        return self._read_lines(name, ServerStart, former.upgrade_start)

    def _read_run(self) -> bytes:
        path = self.path / "run.json"
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise UsageError(f"expected a run's folder, found no run.json in {self.path}") from None
        except OSError as error:
            raise UsageError(f"{path}: expected a readable file, found that {error.strerror}") from error

    def _read_lines(
        self, name: str, kind: type[Stored], upgrade: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]
    ) -> list[Stored]:
        path = self.path / name
        try:
            lines = path.read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise UsageError(f"{path}: expected a readable file, found that {error.strerror}") from error

        def upgrade_line(old: dict[str, Any]) -> dict[str, Any]:
            return upgrade(old, msgspec.json.decode(self._read_run()))

        return [
            _decode(line, kind, "a record", f"{path}, line {n}", upgrade_line)
            for n, line in enumerate(lines, 1)
            if not former.was_repeated(line)
        ]


def _decode(
    text: bytes, kind: type[Stored], what: str, where: object, upgrade: Callable[[dict[str, Any]], dict[str, Any]]
) -> Stored:
    """A value of today's schema, or of the former one once it is upgraded."""
    try:
        schema = msgspec.json.decode(text, type=_Versioned).schema
        if schema == SCHEMA:
            return msgspec.json.decode(text, type=kind, dec_hook=_read_load)
        if schema == former.SCHEMA:
            text = msgspec.json.encode(upgrade(msgspec.json.decode(text)))
            return msgspec.json.decode(text, type=kind, dec_hook=_read_load)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{where}: expected {what} of schema {SCHEMA}, found that {error}") from error
    except KeyError as error:
        raise UsageError(f"{where}: expected {what} of schema {schema}, found none of its {error}") from error
    raise UsageError(f"{where}: expected schema {SCHEMA} of this version, found {schema}")


def _read_load(_kind: type, value: object) -> object:
    """A load, which files hold as text."""
    return parse_load(str(value))
