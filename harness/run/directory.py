"""Records on disk: one JSON line for each trial and each life of a server, and what a run stands on.

`results/<run-id>/` holds `run.json`, `trials.jsonl`, `lives.jsonl`, `logs/`, and what the report makes of them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

import msgspec

from harness.host.files import writing
from harness.model.errors import UsageError
from harness.model.results import SCHEMA, LifeRecord, Record, RunInfo

if TYPE_CHECKING:
    from pathlib import Path


Stored = TypeVar("Stored", RunInfo, Record, LifeRecord)


class _Versioned(msgspec.Struct):
    """What every file says of itself, whatever its version; one that does not is of the first."""

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
        (self.path / "run.json").write_bytes(msgspec.json.format(msgspec.json.encode(info), indent=2))

    def read_info(self) -> RunInfo:
        """Read `run.json`; raises `UsageError` when it is not there, cannot be read, or is of another schema."""
        path = self.path / "run.json"
        try:
            text = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise UsageError(f"expected a run's folder, found no run.json in {self.path}") from None
        except OSError as error:
            raise UsageError(f"{path}: expected a file that can be read, found that {error.strerror}") from error
        return _decoded(text, RunInfo, "a run", path)

    def append(self, record: Record | LifeRecord) -> None:
        """Write a record to the end of its file, and to the disk."""
        name = "trials.jsonl" if isinstance(record, Record) else "lives.jsonl"
        with (self.path / name).open("ab") as file:
            file.write(msgspec.json.encode(record) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def mend(self) -> None:
        """Cut off last lines that a crash left unfinished, so that others can follow."""
        for name in ("trials.jsonl", "lives.jsonl"):
            path = self.path / name
            if path.exists():
                text = path.read_bytes()
                os.truncate(path, text.rfind(b"\n") + 1)

    def trials(self) -> list[Record]:
        """All trials so far; a last line that was cut off by a crash is left out.

        Raises `UsageError` for any other line that cannot be read.
        """
        return _read_lines(self.path / "trials.jsonl", Record)

    def lives(self) -> list[LifeRecord]:
        """All lives of servers so far."""
        return _read_lines(self.path / "lives.jsonl", LifeRecord)


def _read_lines(path: Path, kind: type[Stored]) -> list[Stored]:
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UsageError(f"{path}: expected a file that can be read, found that {error.strerror}") from error
    return [_decoded(line, kind, "a record", f"{path}, line {n}") for n, line in enumerate(lines[:-1], 1)]


def _decoded(text: bytes, kind: type[Stored], what: str, where: object) -> Stored:
    try:
        schema = msgspec.json.decode(text, type=_Versioned).schema
        if schema == SCHEMA:
            return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{where}: expected {what} of schema {SCHEMA}, found that {error}") from error
    raise UsageError(f"{where}: expected schema {SCHEMA} of this version, found {schema}")
