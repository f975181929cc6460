"""The apps of `tests/apps/` that are projects of their own: their environments, and what they saw of a run."""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import sqlite3
import subprocess
import sys
import venv
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.catalog import environments

APPS = Path(__file__).parent / "apps"


@dataclass(frozen=True)
class Seen:
    """A request that an app saw: when it came, in ns of the monotonic clock, and how the app answered it."""

    came_ns: int
    method: str
    path: str
    status: int


@dataclass(frozen=True)
class Project:
    """A copy of a project, in which it may write."""

    folder: Path
    python: str
    """The interpreter of its environment."""

    @staticmethod
    def copy(name: str, folder: Path) -> Project:
        shutil.copytree(APPS / name, folder / name)
        return Project(folder / name, _make_environment(name))

    def call(self, *arguments: str, **variables: str) -> None:
        """Call the project's interpreter with these arguments and environment variables."""
        subprocess.run([self.python, *arguments], cwd=self.folder, env=variables, check=True, timeout=60)

    def query(self, database: str, sql: str) -> Any:
        """The first value of the first row."""
        with closing(sqlite3.connect(self.folder / database, timeout=20)) as connection:
            return connection.execute(sql).fetchone()[0]

    def seen(self, method: str = "", path: str = "", status: int | None = None) -> list[Seen]:
        """What the app saw, or only what fits."""
        fields = (line.split() for line in (self.folder / "seen.log").read_text().splitlines())
        requests = [Seen(int(came_ns), method, path, int(status)) for came_ns, method, path, status in fields]
        return [
            each
            for each in requests
            if method in {"", each.method} and path in {"", each.path} and status in {None, each.status}
        ]


def assert_all_were_seen(seen: list[Seen], records: list[Any]) -> None:
    """The app saw exactly the right answers of each slice, and of each request as many as were counted.

    A request is counted by when it was sent, and seen by when it came, so each user may have one on either side of the
    beginning and of the end of a counted stretch.
    """
    for record in records:
        result, users = record["result"], record["case"]["users"]
        slices = result["slices"]
        for each in slices:
            assert each["finished"] == len(between(seen, each["opened_ns"], each["drained_ns"]))
        counted = [came for each in slices for came in between(seen, each["start_ns"], each["end_ns"])]
        for request in result["by_request"]:
            method = request["method"]
            route = re.sub(r"\{\w+\}", "[^/]+", request["name"].removeprefix(f"{method} "))
            found = sum(each.method == method and bool(re.fullmatch(route, each.path)) for each in counted)
            assert abs(request["requests"] - found) <= users * len(slices), request["name"]


def between(seen: list[Seen], from_ns: int, to_ns: int) -> list[Seen]:
    return [each for each in seen if from_ns <= each.came_ns <= to_ns]


def _make_environment(name: str) -> str:
    """Return the interpreter of a project's environment, which pip makes once from its pinned packages.

    It is kept in the user's cache, by the digest of what it is made from.
    """
    pinned = APPS / name / "requirements.txt"
    digest = hashlib.blake2b(pinned.read_bytes() + sys.version.encode(), digest_size=6).hexdigest()
    place = environments.folder().parent / "test-apps" / f"{name}-{digest}"
    python, complete = place / "bin" / "python", place / "complete"
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests in another process may need it at the same time
        if not complete.exists():
            venv.create(place, clear=True, symlinks=True)
            pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
            subprocess.run([*pip, "--require-hashes", "--no-deps", "-r", str(pinned)], check=True)
            complete.touch()
    return str(python)
