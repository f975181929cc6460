from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.catalog import listing
from harness.model.errors import UsageError
from harness.plan.locust_file import Decisions, check_locust_file, check_variables, find_contradictions


@pytest.mark.parametrize(
    ("decisions", "users", "problem"),
    [
        (Decisions({"A": 0}, [], []), [1, 32], None),
        (Decisions({"A": 2, "B": 0}, [], []), [32], None),
        (Decisions({"A": 30, "B": 2}, [], []), [32], None),
        (
            Decisions({"A": 30, "B": 3, "C": 0}, [], []),
            [128, 32],
            "expected 32 users (--users), found A.fixed_count = 30 and B.fixed_count = 3, which makes 33",
        ),
        (Decisions({"A": 3}, [], []), [8], "expected 8 users (--users), found A.fixed_count = 3, which makes 3"),
        (
            Decisions({}, [], ["Ramp"]),
            [8],
            "expected the load to be set by --users and --load, found the LoadTestShape Ramp",
        ),
        (
            Decisions({"A": 0, "B": 0}, ["B"], []),
            [8],
            "expected each user to have a task with the tags of --tags and --exclude-tags, found B",
        ),
        (Decisions({}, [], []), [8], None),  # a file of pytest
    ],
)
def test_what_a_file_decides_must_fit_the_options(decisions: Decisions, users: list[int], problem: str | None) -> None:
    assert find_contradictions(decisions, users) == ([] if problem is None else [problem])


def test_variables_of_locust_are_the_files_own_unless_an_option_decides() -> None:
    check_variables({"SHOP": "1", "LOCUST_TOKEN": "x", "LOCUST_STOP_TIMEOUT": "1"})
    with pytest.raises(UsageError, match="--env: expected --users instead of LOCUST_USERS"):
        check_variables({"LOCUST_USERS": "5"})


def test_users_that_candidates_share_have_no_fixed_number() -> None:
    (problem,) = find_contradictions(Decisions({"A": 1, "B": 0}, [], []), [8], shared=True)
    assert problem == "expected weights, since candidates take turns with these users, found A.fixed_count = 1"


USERS = """
from locust import User, task


class Reader(User):
    @task
    def read(self): ...
"""


@pytest.mark.parametrize(
    "text",
    [
        "import atexit; atexit.register(print, 'good bye')",
        "import sys; sys.stdout.buffer.write(b'\\xff\\n')",
        "import sys; assert not sys.stdin.read()",
    ],
)
def test_a_file_may_print_and_read(text: str, tmp_path: Path) -> None:
    path = tmp_path / "shop.py"
    path.write_text(text + USERS)
    check_locust_file(listing.read_scenario(path), [8])


@pytest.mark.parametrize("text", ["import sys; sys.exit(0)", "import os; os._exit(0)"])
def test_a_file_that_ends_its_process_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "shop.py"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"\A--locustfile: expected [^\n]* found that .* ends its process\Z"):
        check_locust_file(listing.read_scenario(path), [8])


FILE = """
import os
from locust import HttpUser, LoadTestShape, constant, tag, task

assert os.environ["SHOP"] == "1"
print("noise")


class Reader(HttpUser):
    fixed_count = 3

    @tag("read")
    @task
    def read(self): ...


class Unused(HttpUser):
    weight = 0
    fixed_count = 0
"""


def test_a_file_is_imported_as_locust_does_with_its_variables(tmp_path: Path) -> None:
    path = tmp_path / "shop.py"
    path.write_text(FILE)
    scenario = replace(listing.read_scenario(path), environment={"SHOP": "1"})
    check_locust_file(replace(scenario, tags=("read",)), [3])
    for changed, problem in (
        ({}, "Reader.fixed_count = 3"),
        ({"tags": ("write",)}, "--tags and --exclude-tags, found Reader"),
        ({"excluded_tags": ("read",)}, "--tags and --exclude-tags, found Reader"),
        ({"environment": {}}, "expected a Locust file that can be imported, found that .* raises KeyError: 'SHOP'"),
    ):
        with pytest.raises(UsageError, match=problem):
            check_locust_file(replace(scenario, **changed), [3] if changed else [8])
    path.write_text(FILE + "\n\nclass Ramp(LoadTestShape):\n    def tick(self):\n        return None\n")
    with pytest.raises(UsageError, match=r"--locustfile shop\.py: .* LoadTestShape Ramp"):
        check_locust_file(scenario, [3])
