"""What each command prints on terminals of 60, 80 and 120 columns: nothing is cut, whatever the width."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from harness.analysis.compare import compare
from harness.analysis.comparison import Side
from harness.analysis.diagnosis import Check
from harness.analysis.gates import parse_gates
from harness.analysis.history import make_history
from harness.analysis.noise import Noise
from harness.catalog import listing
from harness.check.model import Entry
from harness.cli.history import read_runs
from harness.cli.terminal import (
    Screen,
    show_catalogue,
    show_check_run,
    show_checks,
    show_comparison,
    show_drill_run,
    show_history,
    show_machine,
    show_noise,
    show_plan,
    show_ranking,
    show_run_progress,
)
from harness.drill.results import DrillRun
from harness.drill.tables import overview
from harness.model.loads import Sweep
from harness.model.plan import Candidate, Case, Conditions, Selection
from harness.model.summaries import Ratio
from harness.plan.schedule import make_plan
from harness.report.compare import make_page
from harness.report.history.page import make_page as make_history_page
from harness.report.sections import make_sections
from harness.run.journal import Progress
from tests import builders, synthetic
from tests.past_runs import write_summary
from tests.unit.check.test_report import RUN as CHECK_RUN

if TYPE_CHECKING:
    from collections.abc import Iterable

DRILLS = Path(__file__).parents[4] / "docs/results/2026-11-30/drills/drill.json"
FOUR = ("uvicorn", "hypercorn", "daphne", "granian")
MANY = tuple(each.name for each in listing.servers())
WIDTHS = (60, 80, 120)
Show = Callable[[Callable[[Screen], object]], str]
_COMMANDS = ("to settle it: ", "to do: ", "Report: ", "All numbers: ", "Evidence: ", "unsupported: ")
"""What these lines begin with is never broken, so that it can be copied."""


@pytest.fixture(params=WIDTHS)
def show(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Show:
    """Show something on a terminal of that width, and return its lines without escape sequences."""
    width = request.param
    for name, value in {"FORCE_COLOR": "1", "COLUMNS": str(width), "LINES": "24", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)

    def show(act: Callable[[Screen], object]) -> str:
        screen = Screen()
        assert screen.is_terminal
        act(screen)
        text = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", capsys.readouterr().out)
        for line in text.splitlines():
            assert len(line) <= width or any(line.lstrip().startswith(each) for each in _COMMANDS), line
        assert not re.search(r"\S…|…\S", text), "an ellipsis that is no part of an interval cuts something off"
        return text

    return show


def assert_whole(text: str, cells: Iterable[str]) -> None:
    """Each of these cells is in the text, in one piece."""
    missing = [each for each in cells if not re.search(rf"(?<!\S){re.escape(each)}(?!\S)", text)]
    assert not missing


@pytest.mark.parametrize("servers", [FOUR[:3], (*FOUR, "granian-mt", "gunicorn", "gunicorn-uvicorn", "tremolo"), MANY])
@pytest.mark.parametrize("requests", [False, True])
def test_a_ranking_has_its_names_and_main_figures_whole(show: Show, servers: tuple[str, ...], requests: bool) -> None:
    run = synthetic.run_info(servers, control=True)
    comparisons = synthetic.summaries(servers, synthetic.USUAL_COMPARISONS[:2], requests_per_case=200, control=True)
    text = show(lambda screen: show_ranking(screen, run, comparisons, requests=requests))
    assert_whole(text, servers)
    for section in make_sections(run, comparisons):
        kept = [n for n, name in enumerate(section.table.columns) if name in {"Requests/s", "Verdict"}]
        assert_whole(text, (row.cells[n].value for row in section.table.rows for n in kept))


def test_a_sweep_has_its_rates_whole(show: Show) -> None:
    run, comparisons = synthetic.run_info(("uvicorn", "daphne"), load=Sweep()), synthetic.sweep()
    text = show(lambda screen: show_ranking(screen, run, comparisons))
    (section,) = make_sections(run, comparisons)
    assert_whole(text, (row.cells[1].value for row in section.table.rows))


def test_a_comparison_has_its_changes_whole(show: Show) -> None:
    cases = [Case("granian-asyncio", "asgi", scenario, "h1-tls", users=128) for scenario in ("plaintext", "json")]
    a, b = (
        Side(
            name,
            builders.run_info(id=name),
            [builders.record(case, n, rps + n) for case in cases for n in range(5)],
            [],
        )
        for name, rps in (("a", 10_000), ("b", 9_300))
    )
    page = make_page(compare(a, b, parse_gates("throughput<-5%")))
    text = show(lambda screen: show_comparison(screen, page))
    assert page.rows
    assert_whole(text, (row.cells[4] for row in page.rows))


@pytest.mark.parametrize("servers", [FOUR[:3], MANY])
def test_checks_have_all_servers_and_marks(show: Show, servers: tuple[str, ...]) -> None:
    entries = [
        Entry(server, "h1", each.name, "pass", "", "1,048,576") for server in servers for each in CHECK_RUN.checks
    ]
    run = replace(CHECK_RUN, results=tuple(entries))
    text = show(lambda screen: show_check_run(screen, run, Path("page")))
    assert_whole(text, servers)
    assert text.count("1,048,576") == len(entries)


def test_drills_have_all_servers_and_cells(show: Show) -> None:
    run = msgspec.json.decode(DRILLS.read_bytes(), type=DrillRun)
    text = show(lambda screen: show_drill_run(screen, run, Path("page")))
    assert_whole(text, run.servers)
    assert_whole(text, (cell for _, *cells in overview(run).rows for cell in cells))


def test_the_catalogue_has_all_names(show: Show) -> None:
    servers, apps, scenarios = listing.servers(), listing.apps(), listing.scenarios()
    absent = {"uwsgi": "not installed: pip install uwsgi"}
    text = show(lambda screen: show_catalogue(screen, servers, apps, scenarios, absent))
    for entries in (servers, apps, scenarios):
        assert_whole(text, (each.name for each in entries))


def _selection(servers: Iterable[str]) -> Selection:
    return Selection(
        servers=listing.choose("servers", listing.servers(), servers),
        apps=listing.choose("apps", listing.apps(), ["asgi"]),
        scenarios=listing.choose("scenarios", listing.scenarios(), ["plaintext"]),
        protocols=("h1", "h2", "h3"),
        conditions=Conditions(seed=1, rounds=2),
        baseline=Candidate("uvicorn", "asgi"),
    )


def test_a_plan_has_all_names_and_one_line_for_each_reason(show: Show) -> None:
    selection = _selection(["uvicorn", *(name for name in MANY if name != "uvicorn")])
    plan = make_plan(selection)
    text = show(lambda screen: show_plan(screen, plan, selection, every_start=True))
    assert_whole(text.replace(",", ""), {case.server for case in plan.cases})
    assert text.count("unsupported: ") <= len({(each.reason, each.case.protocol) for each in plan.exclusions})
    assert len(plan.exclusions) > 2 * text.count("unsupported: ")


def test_a_diagnosis_has_all_words(show: Show) -> None:
    found = "3,412 of 28,232 ports in use by other processes than this one, which is more than a run would need"
    checks = [Check("CPUs", "ok", "8"), Check("ports", "note", found, "most of them free", "sysctl net.ipv4.x=2")]
    noise = Noise("uvicorn", 2, 0.5, (9_000.0, 9_400.0), 0.07, Ratio(1.01, 0.98, 1.04), None, 0.034, None, 0.021, 1)

    def act(screen: Screen) -> None:
        show_machine(screen, synthetic.machine())
        show_checks(screen, checks)
        show_noise(screen, noise)

    assert_whole(show(act), [*found.split(), "sysctl", "9,000", "9,400", "(-2.0%", "+4.0%);"])


def test_progress_shows_the_estimate_of_each_candidate_and_like_faults_once(show: Show) -> None:
    selection = replace(_selection(FOUR), protocols=("h1",))
    plan = make_plan(selection)
    good = [
        builders.record(Case(server, "asgi", "plaintext", "h1"), round_, 1_000 * speed)
        for round_ in (0, 1)
        for server, speed in (("uvicorn", 1), ("granian", 2))
    ]
    bad = [
        replace(good[0], case=Case("daphne", "asgi", "plaintext", "h1"), verdict="invalid", reasons=(f"{n} % of all",))
        for n in (3, 5, 7)
    ]

    def act(screen: Screen) -> None:
        with show_run_progress(screen, plan, selection.baseline) as watch:
            for done, record in enumerate([*good, *bad], 1):
                watch(Progress(done, 8, record.round + 1, 1.0, record))

    text = show(act)
    assert_whole(text, ["granian", "uvicorn", "2.00×"])
    assert text.count("% of all") == 1
    assert "More trials without a valid number, for the same reasons: 2 invalid (daphne)" in " ".join(text.split())


def test_without_colours_no_escape_sequence_sets_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    comparisons = synthetic.summaries(FOUR, requests_per_case=200)
    colour = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|9[0-7])[;m]")
    outputs = []
    for variables in ({"FORCE_COLOR": "1"}, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, {}):
        for name in ("FORCE_COLOR", "NO_COLOR"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {"TERM": "xterm", "COLUMNS": "120", **variables}.items():
            monkeypatch.setenv(name, value)
        show_ranking(Screen(), synthetic.run_info(), comparisons)
        outputs.append(capsys.readouterr().out)
    coloured, colourless, file = outputs
    assert colour.search(coloured)
    assert not colour.search(colourless)
    assert "\x1b" not in file


def test_a_history(show: Show, tmp_path: Path) -> None:
    days = enumerate((1.0, 1.3, 0.8, 1.1), start=1)
    folders = [write_summary(tmp_path / f"{day}", day, {"granian": factor}) for day, factor in days]
    found, _ = read_runs(folders, tmp_path, {})
    page = make_history_page(make_history(run for _, run in found.values()), [], charts=False)
    text = show(lambda screen: show_history(screen, page))
    courses = [each for part in page.eras[0].parts for each in part.courses]
    cells = [word for each in courses for word in (each.last, *each.steps.split())]
    assert_whole(text, ["Figure", "Latest", "Steps", *cells])
