"""Records on disk: one JSON line for each trial and each start of a server, and what a run stands on.

`results/<run-id>/` holds `run.json`, `trials.jsonl`, `starts.jsonl`, `logs/`, and what the report makes of them.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from harness.host.files import append_line, make_folder, make_new_folder, read_file, replace_file, storing, writing
from harness.model.errors import UsageError
from harness.model.loads import parse_load, write_load
from harness.model.records import SCHEMA, TRIAL_SCHEMA, Record, ServerStart
from harness.model.run_info import RunInfo
from harness.run import former, trial_lines
from harness.run.validation import find_fault
from harness.text.secrets import mask_argv
from harness.text.suggestions import suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


TRIALS, STARTS = "trials.jsonl", "starts.jsonl"
Stored = TypeVar("Stored", RunInfo, Record, ServerStart)
Plain = dict[str, Any]
Upgrades = Mapping[int, Callable[[Plain], Plain]]
"""What brings values of each schema to today's; the last is that of today."""


class _Versioned(msgspec.Struct):
    """The version that every file names; a file that names none is of the first."""

    schema: int = 1


class RunDirectory:
    """The files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, results: Path, run_id: str, *, private: bool = False) -> RunDirectory:
        """A new one under `results`, which `results/latest` then points at; raises `UsageError` where none can be.

        Its name is `run_id`, with a number if another run has that. If it is `private`, only its owner can read it.
        """
        latest = results / "latest"
        with writing(results):
            if latest.exists() and not latest.is_symlink():
                raise UsageError(f"--out: expected latest in {results} to be a link to a run, found something else")
            path = make_new_folder(results / run_id, private=private)
            make_folder(path / "logs")
            link = results / f".latest.{os.getpid()}"
            link.unlink(missing_ok=True)
            link.symlink_to(path.name)
            link.replace(latest)
        return cls(path)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from measuring into this folder during the block; raises `UsageError` if one does.

        The kernel ends the lock with its process, however that ends.
        """
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _take_lock(descriptor, self.path)
            yield
        finally:
            os.close(descriptor)

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    def write_info(self, info: RunInfo) -> None:
        """Write `run.json`; raises `StorageError`, as all that writes here."""
        text = msgspec.json.encode(info, enc_hook=write_load)
        replace_file(self.path / "run.json", msgspec.json.format(text, indent=2))

    def read_info(self) -> RunInfo:
        """Read `run.json`; raises `UsageError` when it is not there, cannot be read, or is of another schema.

        Secrets on the command line, which an earlier version recorded, are masked.
        """
        upgrades = {former.SCHEMA: former.upgrade_run, SCHEMA: _keep}
        found = _decode(self._read_run(), RunInfo, "a run", self.path / "run.json", upgrades)
        return replace(found, argv=mask_argv(found.argv))

    def append(self, record: Record | ServerStart) -> None:
        """Write a record to the end of its file, and to the disk."""
        append_line(self.path / _file_of(record), _encode(record))

    def write_again(self, info: RunInfo, written: Iterable[Record | ServerStart]) -> None:
        """Write everything once more: the folder may have been removed since."""
        with storing(self.path):
            self.logs.mkdir(parents=True, exist_ok=True)
        self.write_info(info)
        lines: dict[str, list[bytes]] = {TRIALS: [], STARTS: []}
        for each in written:
            lines[_file_of(each)].append(_encode(each) + b"\n")
        for name, own in lines.items():
            replace_file(self.path / name, b"".join(own))

    def repair(self) -> None:
        """Cut off last lines that a crash left unfinished, so that others can follow."""
        for name in (TRIALS, STARTS):
            path = self.path / name
            text = _read_if_there(path)
            if not text.endswith(b"\n") and text:
                with storing(path):
                    os.truncate(path, text.rfind(b"\n") + 1)

    def read_trials(self) -> list[Record]:
        """All trials so far; a last line that was cut off by a crash is left out.

        Raises `UsageError` for any other line that cannot be read, and for a trial that is there twice.
        """
        upgrades = {
            former.SCHEMA: lambda old: former.upgrade_trial(old, self._read_plain_run()),
            former.VERBOSE_SCHEMA: former.upgrade_verbose_trial,
            TRIAL_SCHEMA: trial_lines.unpack,
        }
        trials = self._read_lines(TRIALS, Record, upgrades)
        _refuse_repeated(trials, self.path / TRIALS)
        return trials

    def read_starts(self) -> list[ServerStart]:
        """All starts of servers so far."""
        name = former.STARTS if (self.path / former.STARTS).exists() else STARTS
        upgrades = {
            former.SCHEMA: lambda old: former.upgrade_start(old, self._read_plain_run()),
            SCHEMA: _keep,
        }
        return self._read_lines(name, ServerStart, upgrades)

    def _read_run(self) -> bytes:
        try:
            return read_file(self.path / "run.json")
        except FileNotFoundError:
            others = [path.parent.name for path in self.path.parent.glob("*/run.json")]
            hint = suggest(self.path.name, others) or "; `harness run` makes one"
            raise UsageError(f"expected a run's folder, found no run.json in {self.path}{hint}") from None

    def _read_plain_run(self) -> Plain:
        found: Plain = msgspec.json.decode(self._read_run())
        return found

    def _read_lines(self, name: str, kind: type[Stored], upgrades: Upgrades) -> list[Stored]:
        path = self.path / name
        return [
            _decode(line, kind, "a record", f"{path}, line {n}", upgrades)
            for n, line in enumerate(_read_if_there(path).split(b"\n")[:-1], 1)
            if not former.was_repeated(line)
        ]


def _refuse_repeated(trials: Iterable[Record], path: Path) -> None:
    """No two trials of a case have slices that opened at the same moment: the second would count what was counted."""
    seen = set()
    for each in trials:
        if each.result is None or not each.result.slices:
            continue
        key = each.case, each.round, each.result.slices[0].opened_ns
        if key in seen:
            raise UsageError(
                f"{path}: expected each trial once, found one of {each.case.label} in round {each.round} twice; "
                "remove one of the lines"
            )
        seen.add(key)


def _take_lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = _find_holder(os.fstat(descriptor).st_ino)
        raise UsageError(
            f"{path}: expected a run that no process is measuring, found that {holder} is; wait until it has ended"
        ) from None
    except OSError:
        return  # a file system without locks


def _find_holder(inode: int) -> str:
    """Which process holds the lock of a folder, as far as the kernel says."""
    locks = [line.split() for line in Path("/proc/locks").read_text(encoding="ascii").splitlines()]
    holders = [each[4] for each in locks if each[1] == "FLOCK" and each[5].rpartition(":")[2] == str(inode)]
    return f"process {holders[0]}" if holders and holders[0] not in {"0", "-1"} else "another process"


def _read_if_there(path: Path) -> bytes:
    try:
        return read_file(path)
    except FileNotFoundError:
        return b""


def _file_of(record: Record | ServerStart) -> str:
    return TRIALS if isinstance(record, Record) else STARTS


def _encode(record: Record | ServerStart) -> bytes:
    if isinstance(record, ServerStart):
        return msgspec.json.encode(record)
    return msgspec.json.encode(trial_lines.pack(msgspec.to_builtins(record, enc_hook=write_load)))


def _decode(text: bytes, kind: type[Stored], what: str, where: object, upgrades: Upgrades) -> Stored:
    """A value of today's schema, or of a former one once it is upgraded; `where` is for the error message."""
    today = max(upgrades)
    try:
        schema = msgspec.json.decode(text, type=_Versioned).schema
        if schema not in upgrades:
            raise UsageError(f"{where}: expected schema {today} of this version, found {schema}")
        plain = _upgrade(text, schema, upgrades[schema])
        found = msgspec.convert(plain, type=kind, dec_hook=_read_load, str_keys=True)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        raise UsageError(f"{where}: expected {what} of schema {today}, found that {error}") from error
    if fault := find_fault(found):
        raise UsageError(f"{where}: {fault}")
    return found


def _upgrade(text: bytes, schema: int, upgrade: Callable[[Plain], Plain]) -> Plain:
    """Raises `msgspec.ValidationError` for a value that the schema does not have."""
    try:
        return upgrade(msgspec.json.decode(text))
    except KeyError as error:
        raise msgspec.ValidationError(f"schema {schema} needs {error}") from error
    except ValueError as error:
        raise msgspec.ValidationError(f"schema {schema} does not allow it ({error})") from error
    except (AttributeError, LookupError, TypeError) as error:
        raise msgspec.ValidationError(f"a value is of another kind than schema {schema} has there") from error


def _keep(today: Plain) -> Plain:
    return today


def _read_load(_kind: type, value: object) -> object:
    """A load, which files hold as text."""
    return parse_load(str(value))
