"""The table of faults has every fault, and nothing bad in it looks good."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fault_table import Fault, Row, draw

ROOT = Path(__file__).parents[2]
PYTEST = (sys.executable, "-m", "pytest", "-p", "tests.fault_table", "--fault-table")
TESTS = """
import pytest

def test_a_reported(fault, tmp_path):
    for name in ("one fault", "another fault"):
        fault.report(name=name, happened="seen", lost="nothing", left="nothing", told=f"{tmp_path}/log: [1/2]")

@pytest.mark.fault
def test_b_without_a_row():
    pass

def test_c_failed(fault):
    fault.report(name="a bad fault", happened="seen", lost="nothing", left="nothing", told="never")
    assert "found" == "expected"

@pytest.mark.skip(reason="no such machine")
def test_d_skipped(fault):
    pass

def test_e_no_fault():
    pass

@pytest.mark.parametrize("fault", ["a parameter"])
def test_f_no_fault_either(fault):
    pass
"""


@pytest.mark.parametrize("processes", [(), ("-n", "1")])
def test_every_marked_test_is_a_row_and_only_one_that_passed_with_a_row_is_good(
    processes: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = fault: a\n")
    page = tmp_path / "faults.md"
    done = subprocess.run(
        [*PYTEST, "-m", "fault", *processes, "--fault-page", str(page)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "160"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "5 faults, 3 bad" in done.stdout
    assert page.read_text().splitlines()[-7:] == [
        r"| one fault | seen | nothing | nothing | …/log: \[1/2\] | good |",
        r"| another fault | seen | nothing | nothing | …/log: \[1/2\] | good |",
        "| b without a row | the test has passed without a row | ? | ? | ? | BAD |",
        "| a bad fault | failed: AssertionError: assert 'found' == 'expected' | nothing | nothing | never | BAD |",
        "| d skipped | skipped: Skipped: no such machine | ? | ? | ? | BAD |",
        "",
        "5 faults, 3 bad",
    ]


def test_a_row_that_is_missing_makes_the_command_fail(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text("import pytest\n\n@pytest.mark.fault\ndef test_a(): pass\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = fault: a\n")
    done = subprocess.run(
        PYTEST,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1


@pytest.mark.parametrize("width", [80, 200])
def test_the_table_is_no_wider_than_the_terminal(width: int) -> None:
    cells = ["a fault with a name of some length", *["what was seen of it, in words " * 3] * 4]
    lines = draw([Row(*cells), Row(*cells, "BAD")], width).splitlines()
    assert max(map(len, lines)) <= width
    assert {"fault", "happened", "lost", "behind", "told"} <= set(" ".join(lines[:2]).split())
    assert [line[-4:] for line in lines if line.endswith(("good", " BAD"))] == ["good", " BAD"]


def test_what_a_command_leaves_is_named(tmp_path: Path) -> None:
    fault = Fault([], tmp_path, tmp_path)
    assert fault.left() == "nothing"
    with subprocess.Popen(["sleep", "60"], env=fault.environment) as left:
        Path(fault.environment["TMPDIR"], "server.key").touch()
        found = fault.left(within_s=0)
        left.kill()
    assert found == "sleep, server.key"
