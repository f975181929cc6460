"""What a Locust file decides about the load, and whether that fits the options of the run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.host import inherited
from harness.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.model.targets import Scenario

IMPORT_S = 60.0
"""A Locust file must be imported within this time."""
_MARK = "harness: "
"""`harness/load/inspection.py` begins its line with it."""
OF_THE_RUN = {
    **dict.fromkeys(("LOCUST_USERS", "LOCUST_SPAWN_RATE"), "--users"),
    "LOCUST_RUN_TIME": "--duration",
    "LOCUST_PROCESSES": "--load-processes",
    "LOCUST_LOCUSTFILE": "--locustfile",
    "LOCUST_HOST": "--servers",
    "LOCUST_TAGS": "--tags",
    "LOCUST_EXCLUDE_TAGS": "--exclude-tags",
}
"""Locust's variables that options of the run decide; any other is the file's."""


@dataclass(frozen=True)
class Decisions:
    """What a Locust file decides."""

    fixed: Mapping[str, int]
    """The `fixed_count` of each user class; 0 where the number of its users is not fixed."""
    without_tasks: Sequence[str]
    """User classes whose tasks have none of the tags."""
    shapes: Sequence[str]
    """Load shapes, which would set the number of users."""


def check_variables(variables: Mapping[str, str]) -> None:
    """Raise `UsageError` for a variable of Locust that contradicts the options of the run."""
    for name in variables:
        if name in OF_THE_RUN:
            raise UsageError(f"--env: expected {OF_THE_RUN[name]} instead of {name}, which would change the load")


def check_locust_file(scenario: Scenario, users: Sequence[int]) -> None:
    """Import the file in a process of its own; raises `UsageError` for what contradicts the options of the run."""
    found = _inspect(scenario)
    for problem in find_contradictions(found, users, shared=scenario.ours):
        raise UsageError(f"--locustfile {scenario.path.name}: {problem}")


def find_contradictions(found: Decisions, users: Sequence[int], *, shared: bool = False) -> list[str]:
    """What a file decides that options of the run do too: expected and found.

    Are its users `shared` by candidates that take turns, each is to have users of all classes; a fixed number counts
    for all candidates together.
    """
    problems = []
    if found.shapes:
        problems.append(f"expected the load to be set by --users and --load, found the LoadTestShape {found.shapes[0]}")
    fixed = sum(found.fixed.values())
    names = " and ".join(f"{name}.fixed_count = {number}" for name, number in found.fixed.items() if number)
    if shared and fixed:
        problems.append(f"expected weights, since candidates take turns with these users, found {names}")
    only_fixed = bool(found.fixed) and all(found.fixed.values())
    problems += [
        f"expected {number} users (--users), found {names}, which makes {fixed}"
        for number in users
        if fixed > number or (only_fixed and fixed < number)
    ]
    if found.without_tasks:
        names = " and ".join(found.without_tasks)
        problems.append(f"expected each user to have a task with the tags of --tags and --exclude-tags, found {names}")
    return problems


def _inspect(scenario: Scenario) -> Decisions:
    lists = (json.dumps(scenario.tags), json.dumps(scenario.excluded_tags))
    argv = (sys.executable, "-m", "harness.load.inspection", str(scenario.path), *lists)
    environment = {**inherited.clean(os.environ), **scenario.environment}
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env=environment,
            timeout=IMPORT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UsageError(
            f"--locustfile: expected {scenario.path} to be imported within {IMPORT_S:g} s, found that it was not"
        ) from None
    if done.returncode != 0:
        said = (done.stderr.strip() or "nothing").splitlines()[-1]
        raise UsageError(
            f"--locustfile: expected a Locust file that can be imported, found that {scenario.path} raises {said}; "
            f"Locust files run in the harness's environment, {sys.executable}"
        )
    for line in done.stdout.splitlines():
        if line.startswith(_MARK):
            return Decisions(**json.loads(line.removeprefix(_MARK)))
    raise UsageError(
        f"--locustfile: expected a Locust file that can be imported, found that {scenario.path} ends its process"
    )
