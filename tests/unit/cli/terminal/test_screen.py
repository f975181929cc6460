from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from harness.catalog import listing
from harness.cli.terminal import Screen, show_catalogue, show_plan, show_ranking, show_run_progress
from harness.model.loads import Capacity, Sweep
from harness.model.plan import REFERENCE_APP, Candidate, Case, Conditions, Reference, Selection
from harness.model.records import Record
from harness.model.summaries import Ratio, Ratios
from harness.plan.schedule import make_plan
from harness.report.decisions import decide
from harness.report.sections import make_sections
from harness.run.journal import Progress
from harness.text.numbers import duration
from tests import synthetic
from tests.reported import without_baseline

if TYPE_CHECKING:
    from collections.abc import Callable

CASE = Case("uvicorn", "asgi", "plaintext", "h1")
LEVEL = Capacity({99.0: 50_000})


def selection(*apps: str, **conditions: Any) -> Selection:
    chosen = listing.choose("servers", listing.servers(), ["uvicorn", "granian"])
    scenarios = listing.choose("scenarios", listing.scenarios(), ["plaintext"])
    return Selection(
        servers=chosen,
        apps=listing.choose("apps", listing.apps(), apps or ("asgi",)),
        scenarios=scenarios,
        protocols=("h1",),
        conditions=Conditions(seed=1, **conditions),
        baseline=Candidate("uvicorn", "asgi"),
    )


def said(capsys: pytest.CaptureFixture[str], act: Callable[[Screen], None]) -> str:
    act(Screen())
    return capsys.readouterr().out


def test_what_there_are_several_of_is_named_in_every_line(capsys: pytest.CaptureFixture[str]) -> None:
    plan = make_plan(selection("asgi", "starlette", workers=(1, 2)))
    record = Record(replace(CASE, app="starlette", workers=2), 0, 0, "failed", ("it ended with 3",))

    def show(screen: Screen) -> None:
        with show_run_progress(screen, plan) as watch:
            watch(Progress(1, 8, 1, 7.0, record))

    assert said(capsys, show) == (
        "[1/8] round 1 · 7 s left · plaintext · h1 · starlette on uvicorn, 2 workers: failed: it ended with 3\n"
    )


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"rounds": 3}, "9 trials in 3 rounds, about"),
        (
            {"rounds": 2, "precision": 0.05, "max_rounds": 20},
            "6 trials in 2 rounds, up to 20 rounds until ±5 %, about",
        ),
        (
            {"rounds": 5, "load": Sweep()},
            "15 trials in 5 rounds in a closed loop, then 5 rounds, each at 8 shares of what it reached, and at",
        ),
        ({"rounds": 2, "load": LEVEL}, "6 searches of several trials each in 2 rounds, about"),
    ],
    ids=["rounds", "precision", "sweep", "capacity"],
)
def test_the_plan_says_as_much_as_is_known_before_the_run(
    capsys: pytest.CaptureFixture[str], asked: dict[str, Any], text: str
) -> None:
    asked_for = selection(**asked)
    assert said(capsys, lambda screen: show_plan(screen, make_plan(asked_for), asked_for)).startswith(text)


@pytest.mark.parametrize(
    ("always", "rounds", "text"),
    [
        (
            False,
            3,
            "tell how much the server matters: the reference app under the same servers and 3 rounds at half of",
        ),
        (True, 2, "tell how much the server matters: the reference app under the same servers and 2 rounds at half of"),
        (False, 2, "how much the server matters would take "),
    ],
)
def test_the_plan_says_how_long_it_takes_to_tell_how_much_the_server_matters(
    capsys: pytest.CaptureFixture[str], always: bool, rounds: int, text: str
) -> None:
    reference = Reference(
        replace(listing.find("app", listing.apps(), "asgi"), name=REFERENCE_APP), listing.scenarios(), always
    )
    chosen = replace(selection("asgi", rounds=rounds), reference=reference)
    plan = make_plan(chosen)
    out = said(capsys, lambda screen: show_plan(screen, plan, chosen))
    assert text in out
    assert duration(plan.aside_s) in out


def test_the_plan_names_the_baseline_and_the_control_and_why_a_case_is_unsupported(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = replace(selection(rounds=2, control=True), protocols=("h1", "h2"))
    text = said(capsys, lambda screen: show_plan(screen, make_plan(asked), asked, every_start=True)).splitlines()
    assert text[0].endswith("seed 1, baseline uvicorn")
    together = [line.partition("(clear): ")[2].split(", ") for line in text if "together (clear)" in line]
    assert [sorted(each) for each in together] == [["granian", "uvicorn", "uvicorn (control)"]] * 2
    assert text.count("      plaintext h1, 32 users: 3 turns") == 2
    assert any(line.startswith("  unsupported: uvicorn over h2 (1 case): ") for line in text)
    over_tls = [line.partition("(TLS): ")[2].split(", ") for line in text if "together (TLS)" in line]
    assert [sorted(each) for each in over_tls] == [["granian", "granian (control)"]] * 2


def test_the_catalogue_lists_protocols_and_what_is_not_installed(capsys: pytest.CaptureFixture[str]) -> None:
    asked = selection()
    missing = {"granian": "not installed: pip install granian"}
    text = said(capsys, lambda screen: show_catalogue(screen, asked.servers, asked.apps, asked.scenarios, missing))
    assert "granian: not installed: pip install granian" in text.splitlines()
    (row,) = [line.split() for line in text.splitlines() if line.startswith("granian  ")]
    assert row[:3] == ["granian", "–", "ASGI"]


def test_a_document_is_written_as_it_is_with_one_newline_at_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    for document in ('{"a": "[bold]"}', '{"a": "[bold]"}\n'):
        assert said(capsys, lambda screen, text=document: screen.write(text)) == '{"a": "[bold]"}\n'


def test_the_ranking_begins_with_the_control_and_ends_with_how_far_it_may_be_believed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = synthetic.run_info(("uvicorn", "granian"), control=True, precision=0.01, max_rounds=9)
    found = synthetic.summaries(("uvicorn",), synthetic.USUAL_COMPARISONS[:1], requests_per_case=200, control=True)
    even = Ratio(1.0, 0.98, 1.02)
    comparisons = synthetic.grouped(
        replace(each, ratio_to_baseline=Ratios(even, even, None)) for each in synthetic.flat(found)
    )
    text = said(capsys, lambda screen: show_ranking(screen, run, comparisons)).splitlines()
    assert text[0].startswith(
        "Control: uvicorn against itself on plaintext over HTTP/1.1: throughput 1.000 (0.980 – 1.020), CPU"
    )
    assert text[-1].startswith("±1 % was not reached by uvicorn (control) on plaintext over HTTP/1.1 (±3.1 %")


def test_the_ranking_ends_with_the_answer_of_each_comparison_and_what_would_settle_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = synthetic.run_info(("uvicorn", "granian", "daphne"), control=True)
    comparisons = synthetic.summaries(
        ("uvicorn", "granian", "daphne"), synthetic.USUAL_COMPARISONS[:2], synthetic.no_faults, 200, control=True
    )
    text = said(capsys, lambda screen: show_ranking(screen, run, comparisons))
    _, _, answer = text.partition("\nAnswer\n")
    decided = [decide(run, section) for section in make_sections(run, comparisons)]
    assert len(decided) == 2
    for each in decided:
        assert f"{each.place} over {each.protocol}: {each.sentence}\n" in answer
        assert not each.command or f"to settle it: {each.command}\n" in answer


def test_an_interrupted_run_says_so_above_its_tables(capsys: pytest.CaptureFixture[str]) -> None:
    comparisons = synthetic.summaries(("uvicorn", "granian"), synthetic.USUAL_COMPARISONS[:1], requests_per_case=200)
    uvicorn, granian = sorted(synthetic.flat(comparisons), key=lambda each: each.name, reverse=True)
    planned = uvicorn.case, granian.case
    run = replace(synthetic.run_info(("uvicorn", "granian")), planned=planned, complete=False)
    text = said(capsys, lambda screen: show_ranking(screen, run, synthetic.grouped([uvicorn]))).splitlines()
    assert text[:2] == [
        "Interrupted: 1 of 2 cases has no number yet; the others have 5 of 5 rounds that count.",
        "  plaintext over HTTP/1.1: granian",
    ]
    assert "Interrupted" not in said(
        capsys, lambda screen: show_ranking(screen, replace(run, complete=True), comparisons)
    )


def test_a_sweep_is_summed_up_and_has_no_notes_on_valid_rows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = synthetic.run_info(("uvicorn", "daphne"), load=Sweep())
    noted = [replace(each, reasons=each.reasons or ("worth a note",)) for each in synthetic.flat(synthetic.sweep())]
    text = said(capsys, lambda screen: show_ranking(screen, run, [synthetic.swept(noted)]))
    assert "uvicorn keeps p99 within 10 ms up to" in text
    assert "requests/s were answered; limit 99 %" in text
    assert "worth a note" not in text


def test_the_ranking_says_what_took_the_place_of_the_baseline_and_that_the_order_changes_with_users(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run, comparisons = without_baseline()
    text = said(capsys, lambda screen: show_ranking(screen, run, comparisons))
    assert "÷ granian" in text
    assert "uvicorn is unsupported here, so ratios are ratios to granian" in text
    users = synthetic.with_users({8: {"uvicorn": 1.0, "granian": 0.4}, 128: {"uvicorn": 1.0, "granian": 1.2}})
    text = said(capsys, lambda screen: show_ranking(screen, run, users))
    assert "plaintext over HTTP/1.1 with 128 users" in text
    assert text.count("The order changes with the number of users: uvicorn is before granian with 8 users") == 1


def test_nothing_of_a_ranking_is_cut_off_on_a_terminal_of_80_columns_or_in_a_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, (found,) = without_baseline()
    twice = [
        replace(each, name=f"{each.name} (control)", case=replace(each.case, control=True))
        for each in found.summaries
        if each.name == "hypercorn"
    ]
    comparisons = [replace(found, summaries=(*found.summaries, *twice))]
    for name, value in {"FORCE_COLOR": "1", "COLUMNS": "80", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    screen = Screen()
    assert screen.is_terminal
    show_ranking(screen, run, comparisons)
    text = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    assert "…" not in text
    assert {"Requests/s", "µs/request", "(control)", "unsupported", "place"} <= set(text.split())
    monkeypatch.delenv("FORCE_COLOR")
    long = "a framework whose name is long enough to fill a whole line of a terminal, and more, on hypercorn"
    named = synthetic.grouped(replace(each, name=long) for each in synthetic.flat(comparisons))
    assert long in said(capsys, lambda screen: show_ranking(screen, run, named))


def test_a_reason_that_several_cases_have_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    (found,) = synthetic.summaries(("uvicorn", "granian", "daphne"), [("plaintext", "h1")], synthetic.no_faults, 200)
    noted = synthetic.grouped(replace(each, reasons=("the host took 12 % of the CPU",)) for each in found.summaries)
    text = said(capsys, lambda screen: show_ranking(screen, synthetic.run_info(), noted))
    assert text.count("the host took 12 %") == 1
    (line,) = [line for line in text.splitlines() if line.endswith(": the host took 12 % of the CPU")]
    assert all(each.name in line for each in found.summaries)


def test_what_holds_for_several_tables_is_printed_once_with_their_number(capsys: pytest.CaptureFixture[str]) -> None:
    run, (found,) = without_baseline()
    several = synthetic.grouped(
        replace(each, case=replace(each.case, users=users)) for users in (8, 32, 128) for each in found.summaries
    )
    text = said(capsys, lambda screen: show_ranking(screen, run, several)).splitlines()
    (reason,) = next(each.reasons for each in found.summaries if each.verdict == "unsupported")
    assert [line for line in text if reason in line] == [f"uvicorn in 3 of 3 comparisons: {reason}"]
    assert len([line for line in text if "so ratios are ratios to granian" in line]) == 1


def test_a_note_on_one_of_several_tables_says_on_which(capsys: pytest.CaptureFixture[str]) -> None:
    found = synthetic.summaries(("uvicorn", "granian"), synthetic.USUAL_COMPARISONS[:2], synthetic.no_faults, 200)
    first, *others = synthetic.flat(found)
    noted = synthetic.grouped([replace(first, reasons=("the host took 12 % of the CPU",)), *others])
    text = said(capsys, lambda screen: show_ranking(screen, synthetic.run_info(), noted))
    assert f"{first.name} on {first.case.scenario} over HTTP/1.1: the host took 12 %" in text
