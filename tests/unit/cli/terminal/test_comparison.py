from __future__ import annotations

from typing import TYPE_CHECKING

from harness.cli.terminal import Screen, show_comparison
from harness.report.compare import COLUMNS, GateLine, Page, Row

if TYPE_CHECKING:
    import pytest

LONG = "why it was not compared " * 20
PAGE = Page(
    title="✗ 1 of 1 gate missed",
    headline=("1 figure compared: 1 worse, 0 better, 0 with no difference seen.",),
    sides=("A: run a", "B: run b"),
    gates=(GateLine("✗", "throughput<-5%", "missed in 1", ("[h1] missed: −7.0 %",)),),
    rows=(
        Row(
            ("a [very] long case " * 9, "requests/s", "10,000", "9,300", "−7.0 %", "−3.2 / +3.3 %", "worse"),
            "worse",
            first=True,
        ),
        Row(
            ("a [very] long case " * 9, "p50 ms", "1.50", "1.53", "+2.0 %", "–", "not compared"),
            "not compared",
            first=False,
        ),
    ),
    uncompared=(LONG,),
    changes=("server: granian 2.8.5 → 2.8.7",),
    notes=("Brackets hold intervals.",),
    environment=(("command", "harness run", "harness run"),),
)


def test_a_comparison_is_printed_in_order_and_no_figure_is_cut_off(capsys: pytest.CaptureFixture[str]) -> None:
    show_comparison(Screen(), PAGE)
    text = capsys.readouterr().out
    parts = [
        PAGE.title, PAGE.headline[0], "A: run a", "✗ throughput<-5%: missed in 1", "    [h1] missed: −7.0 %",
        COLUMNS[-1], "a [very] long case " * 8, "10,000", "−3.2 / +3.3 %", "1.53", "Not compared", "What changed",
        PAGE.notes[0],
    ]  # fmt: skip
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert text.count("a [very] long case") == 9, "only the first row of a case has its name"
    assert "harness run" not in text


def test_long_reasons_are_broken_at_the_width_of_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    show_comparison(Screen(), PAGE)
    reasons = [line for line in capsys.readouterr().out.splitlines() if "why" in line]
    assert len(reasons) > 1
    assert max(map(len, reasons)) <= 120
