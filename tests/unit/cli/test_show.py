"""`harness show`: what was found is printed again, and no file is touched."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import typer

from harness.check import pages
from harness.cli.show import show_
from harness.model.errors import UsageError
from tests.unit.check.test_report import RUN as CHECK_RUN

ROOT = Path(__file__).parents[3]


def files_of(folder: Path) -> dict[Path, tuple[int, bytes]]:
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def test_a_run_is_printed_again_and_without_a_report_the_command_for_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(ROOT / "tests/data/run-of-schema-1", folder)
    before = files_of(folder)
    show_(folder)
    text = capsys.readouterr().out
    assert "Requests/s" in text
    assert text.splitlines()[-1] == f"No report yet: harness report {folder}"
    (folder / "report.html").touch()
    show_(folder)
    assert capsys.readouterr().out.splitlines()[-1] == f"Report: {folder / 'report.html'}"
    (folder / "report.html").unlink()
    assert files_of(folder) == before


def test_checks_and_drills_are_printed_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = pages.write(CHECK_RUN, tmp_path)
    show_(tmp_path)
    assert capsys.readouterr().out.splitlines()[-1] == f"Evidence: {page}"
    drills = ROOT / "docs/results/2026-11-30/drills"
    show_(drills)
    assert capsys.readouterr().out.splitlines()[-1] == f"All numbers: {drills / 'drill.html'}"


def test_checks_in_the_folder_of_a_run_are_printed_before_its_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(ROOT / "tests/data/run-of-schema-1", folder)
    page = pages.write(CHECK_RUN, folder)
    show_(folder)
    before, _, after = capsys.readouterr().out.partition(f"Evidence: {page}")
    assert "Requests/s" not in before
    assert "Requests/s" in after


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": 2}', "\udcff"])
def test_results_that_are_none_are_told_with_their_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "check.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UsageError, match=r"expected what `harness check` writes, found .*check\.json"):
        show_(tmp_path)


def test_a_folder_without_results_is_told_with_the_one_that_was_meant(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"expected a run's folder, found no run.json in .*; `harness run` makes one"):
        show_(tmp_path / "results/latest")
    (tmp_path / "latest").mkdir()
    (tmp_path / "latest/run.json").touch()
    with pytest.raises(UsageError, match=r"found no run.json in .*latst; did you mean latest\?"):
        show_(tmp_path / "latst")


def test_the_exit_status_says_that_nothing_has_a_number(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "tests/data/run-of-schema-1", tmp_path / "run")
    (tmp_path / "run/trials.jsonl").write_text("")
    with pytest.raises(typer.Exit) as ended:
        show_(tmp_path / "run")
    assert ended.value.exit_code == 3
