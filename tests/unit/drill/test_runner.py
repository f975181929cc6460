"""Repetitions in turns, servers that cannot, and faults that do not end the others; and what is printed of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from harness.cli.drill import exit_status
from harness.drill import report, tables
from harness.drill.load import Traffic
from harness.drill.model import Drill, Entry, Figure, NotApplicable, Observation, Outcome, Seen, Tally, Words
from harness.drill.results import DrillInfo, DrillRun, Setting
from harness.drill.runner import Runner
from harness.drill.site import Site
from harness.model.errors import LoadError, ServerError
from harness.model.targets import App, Server
from tests.pages import Reader

FIGURE = Figure("end_s", "time to end")


def explain(_family: str, seen: Seen) -> Words:
    tally = seen.tally("all")
    return Words("bad" if tally.lost else "good", f"{tally.lost} lost", "It means something.", "--option N")


def drill(run: Callable[[Site], Observation]) -> Drill:
    return Drill("stop", "Stop", "It is stopped.", (FIGURE,), run, explain)


def site(name: str, *, requires: str = "gunicorn>=25.1", max_workers: int | None = None, workers: int = 2) -> Site:
    server = Server(name, (requires,), frozenset({"h1"}), lambda _: [name], max_workers=max_workers)
    return Site(server, App("a", "a:app", Path()), "python", frozenset(), "token", Path(), workers, 100.0, "/")


def observe(each: Site) -> Observation:
    each.argv.append((each.server.name, "--port", "1"))
    each.traffic.append(Traffic(lag_ms=3.0))
    return Observation((Tally("all", right=8, reset=2),), {"end_s": 0.5})


def carried_out(run: Callable[[Site], Observation], *sites: Site, repeats: int = 2) -> tuple[list[str], list[Entry]]:
    places: list[str] = []
    runner = Runner(sites, [drill(run)], repeats, {}, places.append)
    runner.run()
    return places, runner.entries


def test_repetitions_take_turns_and_each_begins_with_another_server() -> None:
    places, entries = carried_out(observe, site("a"), site("b"))
    assert places == ["a · stop · 1 of 2", "b · stop · 1 of 2", "b · stop · 2 of 2", "a · stop · 2 of 2"]
    assert [(each.server, len(each.observations), each.argv) for each in entries] == [
        ("a", 2, ("a", "--port", "1")),
        ("b", 2, ("b", "--port", "1")),
    ]
    assert all(one.lag_ms == 3.0 for each in entries for one in each.observations)
    assert entries[0].words == Words("bad", "4 lost", "It means something.", "--option N")


@pytest.mark.parametrize(
    ("raised", "outcome", "reason"),
    [
        (NotApplicable("no worker processes"), "n/a", "no worker processes"),
        (ServerError("expected it to start", "no such module"), "no-start", "expected it to start\nno such module"),
        (LoadError("expected right answers"), "error", "expected right answers"),
        (ZeroDivisionError("oh"), "error", "ZeroDivisionError: oh"),
    ],
)
def test_a_server_that_fails_is_told_and_not_tried_again(raised: Exception, outcome: Outcome, reason: str) -> None:
    tried: list[str] = []

    def fail(each: Site) -> Observation:
        tried.append(each.server.name)
        raise raised

    _, [entry] = carried_out(fail, site("a"))
    assert tried == ["a"]
    assert entry.outcome == outcome
    assert reason in entry.reason
    assert entry.words is None


def test_a_server_that_is_not_installed_is_not_tried() -> None:
    runner = Runner([site("a")], [drill(observe)], 1, {"a": "not installed: pip install a"}, lambda _: None)
    runner.run()
    assert [(each.outcome, each.reason) for each in runner.entries] == [("n/a", "not installed: pip install a")]


def test_an_interrupted_run_keeps_what_was_seen() -> None:
    def interrupt(each: Site) -> Observation:
        if each.server.name == "b":
            raise KeyboardInterrupt
        return observe(each)

    runner = Runner([site("a"), site("b")], [drill(interrupt)], 2, {}, lambda _: None)
    with pytest.raises(KeyboardInterrupt):
        runner.run()
    assert [(each.server, len(each.observations)) for each in runner.entries] == [("a", 1)]


def test_a_server_whose_capacity_cannot_be_found_leaves_the_rate_as_it_is() -> None:
    """`site` has no program that could be started: that is told by the drills."""
    places: list[str] = []
    runner = Runner([site("a")], [drill(observe)], 1, {"a": "not installed"}, places.append, finds_rate=True)
    runner.run()
    assert places == ["a · capacity", "a · stop · 1 of 1"]
    assert runner.steps == 2
    assert [each.rate_rps for each in runner.sites] == [200.0]


def test_workers_are_demanded_in_words() -> None:
    assert site("a").demand_workers() == 2
    with pytest.raises(NotApplicable, match="no worker processes"):
        site("a", max_workers=1).demand_workers()
    with pytest.raises(NotApplicable, match="--workers 2"):
        site("a", workers=1).demand_workers()
    assert site("a", max_workers=1).most_workers == 1


def test_variants_of_a_server_are_one_family() -> None:
    assert site("gunicorn-uvicorn").family == "gunicorn"


def drill_run(*entries: Entry, whole: bool = True) -> DrillRun:
    setting = Setting("CPython 3.11", "Linux", "CPU", "a:app", "/", "/slow", 200.0, 2, 3, {"a": "1.0"}, {})
    info = DrillInfo("stop", "Stop", "It is stopped.", (FIGURE,))
    return DrillRun(1, "now", "2026-11-30T00:00:00+00:00", ("harness", "drill"), setting, (info,), entries, whole)


def seen(*numbers: float, words: Words | None = None, lag_ms: float = 0.0) -> Entry:
    observations = tuple(
        Observation((Tally("all", right=9, reset=index),), {"end_s": number}, ("ended",)[:index], lag_ms)
        for index, number in enumerate(numbers)
    )
    return Entry("a", "stop", "seen", "", ("a", "--port", "1"), observations, words)


NOT = Entry("b", "stop", "n/a", "no worker processes")


def test_the_overview_has_a_cell_for_each_entry_and_none_is_blank() -> None:
    entries = [
        seen(0.5, words=Words("bad", "4 lost", "Bad.", "--x")),
        NOT,
        Entry("c", "stop", "no-start", "why"),
        Entry("d", "stop", "error", "why"),
    ]
    assert tables.overview(drill_run(*entries)).rows == (
        ("Stop", "✗ 4 lost", "– no worker processes", "? did not start", "! not carried out"),
    )


def test_dangers_come_first() -> None:
    words = [Words(grade, "", f"{grade} news.", "--x") for grade in ("fair", "good", "bad")]
    entries = [replace(seen(0.5, words=each), server=each.grade) for each in words]
    assert [meaning for _, meaning, _ in tables.sentences(drill_run(*entries))] == ["bad news.", "fair news."]


def test_details_have_intervals_over_repetitions() -> None:
    run = drill_run(seen(0.5, 1.5, 1.0), NOT)
    assert tables.details(run, run.drills[0]).rows == (
        ("time to end", "1.00 s (500 ms – 1.50 s)", "–"),
        ("all: right", "9", "–"),
        ("all: refused", "0", "–"),
        ("all: reset", "1 (0 – 2)", "–"),
        ("all: unanswered", "0", "–"),
        ("all: error", "0", "–"),
        ("also seen", "ended (2 of 3)", "–"),
    )
    assert "a probability of 75 %" in tables.explain_intervals(run)


def test_pages_name_what_was_kept_out(tmp_path: Path) -> None:
    run = drill_run(seen(0.5))
    report.write(replace(run, setting=replace(run.setting, kept_out=("UVICORN_X",))), tmp_path)
    for name in ("drill.json", "drill.md", "drill.html"):
        assert "UVICORN_X" in (tmp_path / name).read_text().replace("\\_", "_")


def test_files_have_everything(tmp_path: Path) -> None:
    run = drill_run(seen(0.5, words=Words("bad", "4 lost", "It *hurts*.", "--x N")), NOT)
    page = report.write(run, tmp_path)
    assert page.name == "drill.html"
    said = Reader(page.read_text()).text
    for text in ("✗ a · Stop", "It *hurts*. What changes it: --x N.", "– b: no worker processes", "a --port 1"):
        assert text in said
    page = tmp_path / "drill.md"
    for text in (
        r"**✗ a · Stop**: It \*hurts\*. What changes it: --x N.",
        "**– b**: no worker processes",
        "a --port 1",
    ):
        assert text in page.read_text()
    assert msgspec.json.decode((tmp_path / "drill.json").read_bytes(), type=DrillRun) == run


def test_a_late_client_is_told() -> None:
    assert tables.explain_lag(drill_run(seen(0.5))) == ""
    assert "up to 250 ms in stop of a: " in tables.explain_lag(drill_run(seen(0.5, lag_ms=250.0)))


@pytest.mark.parametrize(
    ("entries", "whole", "status"),
    [
        ([seen(0.5), NOT], True, 0),
        ([NOT], True, 3),
        ([seen(0.5), Entry("b", "stop", "no-start")], True, 5),
        ([Entry("a", "stop", "error"), Entry("b", "stop", "no-start")], True, 4),
        ([seen(0.5)], False, 130),
    ],
)
def test_exit_status(entries: list[Entry], whole: bool, status: int) -> None:
    assert exit_status(drill_run(*entries, whole=whole)) == status
