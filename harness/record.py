"""Records on disk: one JSON line for each trial and each life of a server, and what a run stands on.

`results/<run-id>/` holds `run.json`, `trials.jsonl`, `lives.jsonl`, `logs/`, and what the report makes of them.
"""

from __future__ import annotations

import os
import platform
import subprocess
from typing import TYPE_CHECKING, TypeVar

import msgspec

from harness import packages
from harness.findings import Environment, LifeRecord, Record, RunInfo
from harness.model import SCHEMA, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from harness.machine import Machine

Stored = TypeVar("Stored", Record, LifeRecord)


class RunDirectory:
    """The files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, results: Path, run_id: str) -> RunDirectory:
        """A new one under `results`, which `results/latest` then points at."""
        path = results / run_id
        (path / "logs").mkdir(parents=True)
        latest = results / "latest"
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
        """Read `run.json`; raises `UsageError` when it is not there, or of another schema."""
        path = self.path / "run.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=RunInfo)
        except FileNotFoundError:
            raise UsageError(f"expected a run's folder, found no run.json in {self.path}") from None
        except msgspec.ValidationError as error:
            raise UsageError(f"{path}: expected schema {SCHEMA} of this version, found that {error}") from error

    def append(self, record: Record | LifeRecord) -> None:
        """Write a record to the end of its file, and to the disk."""
        name = "trials.jsonl" if isinstance(record, Record) else "lives.jsonl"
        with (self.path / name).open("ab") as file:
            file.write(msgspec.json.encode(record) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def trials(self) -> list[Record]:
        """All trials so far; a last line that was cut off by a crash is left out."""
        return _read_lines(self.path / "trials.jsonl", Record)

    def lives(self) -> list[LifeRecord]:
        """All lives of servers so far."""
        return _read_lines(self.path / "lives.jsonl", LifeRecord)


def _read_lines(path: Path, kind: type[Stored]) -> list[Stored]:
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    return [msgspec.json.decode(line, type=kind) for line in lines[:-1]]


def environment(
    machine: Machine,
    server_cpus: Iterable[int],
    load_cpus: Iterable[int],
    server_versions: Mapping[str, str],
    directory: Path,
) -> Environment:
    """Where this run's numbers come from; `directory` is looked at for its git commit."""
    return Environment(
        host=platform.node(),
        cpu_model=machine.processor.model or platform.processor() or platform.machine(),
        cpu_count=len(machine.processor.cpus) or os.cpu_count() or 1,
        memory_bytes=machine.ram.total_bytes or 0,
        kernel=machine.system.kernel or platform.release(),
        system=machine.system.os or platform.platform(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        packages=packages.installed(),
        server_cpus=tuple(sorted(server_cpus)),
        load_cpus=tuple(sorted(load_cpus)),
        git_commit=_git_commit(directory),
        server_versions=server_versions,
        machine=machine,
    )


def _git_commit(directory: Path) -> str | None:
    try:
        found = subprocess.run(
            ["git", "-C", str(directory), "describe", "--always", "--dirty", "--abbrev=12"],  # noqa: S607 - git is where it is
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()
