from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.check.model import Entry
from harness.check.report import MEANING
from harness.cli.terminal import Screen, show_check_progress, show_check_run, show_faulty_checks
from tests.unit.check.test_report import RUN

if TYPE_CHECKING:
    import pytest


def test_the_legend_is_one_line_where_no_terminal_cuts_it(capsys: pytest.CaptureFixture[str]) -> None:
    show_check_run(Screen(), RUN, Path("page"))
    assert MEANING in capsys.readouterr().out.splitlines()


def test_each_fault_has_a_line_and_so_has_a_server_on_which_nothing_was_tried(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_check_run(Screen(), RUN, Path("page"))
    lines = capsys.readouterr().out.splitlines()
    assert "△ a · two (h1): expected 400, found <script>alert(1)</script> | `x`" in lines
    assert "a · not tried: a does not speak h2" in lines
    assert lines[-1] == "Evidence: page"


def test_a_table_in_a_file_names_all_servers_however_many_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    servers = [f"server-with-a-long-name-{number}" for number in range(20)]
    run = replace(RUN, results=tuple(Entry(server, "h1", "one", "pass", "") for server in servers))
    show_check_run(Screen(), run, Path("page"))
    assert servers in [line.split() for line in capsys.readouterr().out.splitlines()]


def test_a_file_has_no_progress_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with show_check_progress(Screen(), len(RUN.results)) as watch:
        for entry in RUN.results:
            watch(entry)
    assert not capsys.readouterr().out.strip()


def test_checks_with_bugs_are_printed_apart_from_the_results(capsys: pytest.CaptureFixture[str]) -> None:
    show_faulty_checks(Screen(stderr=True), RUN.results)
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "harness: b · h1 · one: the check itself has a bug\nTraceback\n")
