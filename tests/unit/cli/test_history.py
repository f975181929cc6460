"""`harness history`: from folders of runs to an index, a page and lines on the terminal."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import typer

from harness.analysis.history import make_history
from harness.cli.history import history_, read_runs
from harness.model.errors import UsageError
from harness.report.history import index
from harness.report.history.page import make_page
from tests import synthetic
from tests.fault_table import Fault
from tests.past_runs import write_summary

ROOT = Path(__file__).parents[3]
FORMER = ROOT / "tests/data/run-of-schema-1"
PUBLISHED = ROOT / "docs/results/2026-11-30"
Call = Callable[..., str]


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Makes the history of these folders in a folder of its own, and returns what was printed."""

    def call(*folders: Path) -> str:
        history_(list(folders), out=tmp_path / "out")
        return capsys.readouterr().out

    return call


@pytest.fixture
def days(tmp_path: Path) -> list[Path]:
    """Three runs, in the last of which granian is 30 % better."""
    return [
        write_summary(tmp_path / f"runs/{day}", day, {"granian": factor})
        for day, factor in ((1, 1.0), (2, 1.0), (3, 1.3))
    ]


def select(folder: Path, question: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "history.sqlite")) as database:
        return database.execute(question).fetchall()


def page_of(tmp_path: Path) -> str:
    return (tmp_path / "out/history.html").read_text()


def test_the_course_of_each_case_and_its_steps_are_printed_and_on_the_page(
    call: Call, days: list[Path], tmp_path: Path
) -> None:
    text = call(*days)
    assert "History of 3 runs" in text
    steps = [line for line in text.splitlines() if line.startswith("▲ better")]
    assert [line.partition(" on ")[2].partition(":")[0] for line in steps] == [
        "plaintext · HTTP/1.1",
        "ws_echo · WebSocket",
    ]
    assert "throughput ÷ uvicorn +30.0 %" in steps[0]
    assert "since 2026-11-02 10:15; changed: granian 2.8.2 → 2.8.3" in steps[0]
    assert text.splitlines()[-1] == f"Page: {tmp_path / 'out/history.html'}"
    page = page_of(tmp_path)
    assert "+30.0 %" in page
    assert page.count("<svg ") == 2
    assert "<script" not in page


def test_the_index_can_be_asked_for_a_figure_over_time(call: Call, days: list[Path], tmp_path: Path) -> None:
    call(*days)
    rows = select(
        tmp_path / "out",
        "SELECT started_at, version, round(value, 3) FROM runs JOIN cases USING (place) JOIN figures USING (number) "
        "WHERE server = 'granian' AND scenario = 'plaintext' AND figure = 'throughput ratio' ORDER BY started_at",
    )
    assert [(str(when)[:10], version) for when, version, _ in rows] == [
        ("2026-11-01", "2.8.1"),
        ("2026-11-02", "2.8.2"),
        ("2026-11-03", "2.8.3"),
    ]
    first, second, third = (float(str(value)) for *_, value in rows)
    assert first == second
    assert third == pytest.approx(1.3 * first, rel=1e-2)


def test_an_index_holds_all_that_was_read_and_files_that_changed_are_read_again(
    days: list[Path], tmp_path: Path
) -> None:
    found, _ = read_runs([*days, FORMER], tmp_path, {})
    index.write(tmp_path / "history.sqlite", found)
    assert index.read(tmp_path / "history.sqlite") == (found, "")
    place, (state, run) = next(iter(found.items()))
    known = {**found, place: (state, replace(run, page="from the index"))}
    assert read_runs(days, tmp_path, known)[0][place][1].page == "from the index"
    summary = days[0] / "summary.json"
    summary.write_text(summary.read_text() + "\n")
    assert read_runs(days, tmp_path, known)[0][place][1] == run


def alter(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(statement)


def overwrite(path: Path, start: int, end: int) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:start] + bytes(end - start) + content[end:])


DAMAGES: dict[str, Callable[[Path], object]] = {
    "text": lambda path: path.write_bytes(b"no database"),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:5_000]),
    "overwritten": lambda path: overwrite(path, 4_096, 12_288),
    "without a table": lambda path: alter(path, "DROP TABLE figures"),
    "without a run's facts": lambda path: alter(path, "UPDATE runs SET info = '{}'"),
    "with another load": lambda path: alter(path, "UPDATE cases SET load = 'nonsense'"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_of_a_damaged_index_nothing_is_used(days: list[Path], tmp_path: Path, damage: str) -> None:
    path = tmp_path / "history.sqlite"
    index.write(path, read_runs(days[:1], tmp_path, {})[0])
    DAMAGES[damage](path)
    found, fault = index.read(path)
    assert found == {}
    assert fault


def test_a_damaged_index_is_told_and_made_again(call: Call, tmp_path: Path, fault: Fault) -> None:
    whole = call(FORMER)
    path = tmp_path / "out/history.sqlite"
    path.write_text("no database")
    warning, _, rest = call(FORMER).partition("\n")
    assert warning == f"! {path} is damaged and made again from the runs: file is not a database"
    assert rest == whole
    assert call(FORMER) == whole
    fault.report(name="index of a history damaged", happened="made again", lost="nothing", left="nothing", told=warning)


def test_an_index_of_another_version_or_none_is_no_damage(days: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    assert index.read(path) == ({}, "")
    index.write(path, read_runs(days[:1], tmp_path, {})[0])
    alter(path, "PRAGMA user_version = 99")
    assert index.read(path) == ({}, "")


def test_what_is_no_run_or_damaged_is_told_and_the_others_are_shown(
    call: Call, days: list[Path], tmp_path: Path, fault: Fault
) -> None:
    notes = tmp_path / "runs/README.md"
    notes.write_text("no folder")
    other = tmp_path / "runs/other"
    other.mkdir()
    cut = tmp_path / "runs/cut"
    shutil.copytree(FORMER, cut)
    (cut / "trials.jsonl").write_text('{"case": 1}\n')
    half = tmp_path / "runs/half"
    shutil.copytree(days[0], half)
    text = (half / "summary.json").read_text()
    (half / "summary.json").write_text(text[: len(text) // 2])
    odd = tmp_path / "runs/odd"
    odd.mkdir()
    (odd / "summary.json").write_text("[]")
    foreign = tmp_path / "runs/foreign"
    foreign.mkdir()
    (foreign / "summary.json").write_text(json.dumps({"schema": 99}))
    bare = tmp_path / "runs/bare"
    bare.mkdir()
    shutil.copy(FORMER / "run.json", bare)
    gone = tmp_path / "runs/gone"
    printed = call(*days, notes, other, cut, half, odd, foreign, bare, gone)
    told = [line.removeprefix("! left out: ") for line in printed.splitlines() if line.startswith("! left out: ")]
    assert [line.partition(": ")[0] for line in told] == [
        f"{other} and {gone}",
        f"{cut}/trials.jsonl, line 1",
        f"{half}/summary.json",
        f"{odd}/summary.json",
        f"{foreign}/summary.json",
        str(bare),
    ]
    assert "expected schema 1 of this version, found 99" in told[4]
    assert "History of 3 runs" in printed
    assert page_of(tmp_path).count("<li>") >= len(told)
    fault.report(
        name="a run of a history damaged", happened="the others shown", lost="its figures", left="nothing", told=told[1]
    )


def test_a_run_that_is_given_twice_counts_once(days: list[Path], tmp_path: Path) -> None:
    latest, copy = tmp_path / "runs/latest", tmp_path / "copy"
    latest.symlink_to(days[2])
    found, left_out = read_runs([*days, latest, days[0]], tmp_path, {})
    assert (len(found), left_out) == (3, [])
    shutil.copytree(days[1], copy)
    found, left_out = read_runs([*days, copy], tmp_path, {})
    assert (len(found), left_out) == (3, [f"{copy}: the same run as runs/2, run-2, which counts once"])


def test_runs_of_the_former_schema_and_of_another_machine_are_apart(days: list[Path], tmp_path: Path) -> None:
    run = synthetic.run_info(control=True)
    machine = run.environment.machine
    atom = replace(run.environment, machine=replace(machine, processor=replace(machine.processor, model="Atom")))
    apart = write_summary(tmp_path / "runs/4", 4, {"granian": 2.0}, run=replace(run, environment=atom))
    found, left_out = read_runs([*days, apart, FORMER, PUBLISHED], tmp_path, {})
    page = make_page(make_history(each for _, each in found.values()), left_out, charts=False)
    assert [each.runs for each in page.eras] == [3, 1, 1, 1]
    assert page.eras[1].unlike == "CPU model AMD EPYC 7B13 64-Core Processor → Atom"
    assert "schema 2 → 1" in page.eras[2].unlike
    assert {each.time[:10] for each in page.steps} == {"2026-11-03"}


def test_a_run_whose_records_are_there_is_read_from_them(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(FORMER, folder)
    found = read_runs([folder], tmp_path, {})[0]["run"][1]
    (folder / "summary.json").write_text("no summary")
    assert read_runs([folder], tmp_path, {})[0]["run"][1] == found


def test_without_a_run_there_is_an_error_and_without_a_number_a_status(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="expected folders of runs"):
        call(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="found no folder results"):
        history_(None)
    write_summary(tmp_path / "results/silent", 1)
    contract = json.loads((tmp_path / "results/silent/summary.json").read_text())
    (tmp_path / "results/silent/summary.json").write_text(json.dumps({**contract, "cases": []}))
    capsys.readouterr()
    with pytest.raises(typer.Exit) as ended:
        history_(None)
    assert ended.value.exit_code == 3
    assert capsys.readouterr().out.splitlines()[-1] == "No case of 1 run has a number."


def test_a_link_to_a_report_is_no_other_address_whatever_its_folder_is_called(tmp_path: Path) -> None:
    folder = write_summary(tmp_path / "javascript:alert(1) ü", 1)
    (folder / "report.html").touch()
    ((_, run),) = read_runs([folder], tmp_path, {})[0].values()
    assert run.page == "javascript%3Aalert%281%29%20%C3%BC/report.html"


def test_names_that_are_markup_stay_names(call: Call, tmp_path: Path) -> None:
    odd = "<script>alert(1)</script>"
    run = synthetic.run_info(("uvicorn", odd))
    call(write_summary(tmp_path / "1", 1, servers=("uvicorn", odd), run=run))
    page = page_of(tmp_path)
    assert "alert(1)" in page
    assert "<script" not in page
