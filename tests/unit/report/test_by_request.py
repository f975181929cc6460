from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from harness.cli.terminal import Screen, show_ranking
from harness.model.summaries import Estimate, Latency, Ratio, Ratios, RequestSummary
from harness.report import html, markdown
from harness.report.page import make_page
from harness.report.sections import make_sections
from tests.reported import RUN, WS_ECHO


def figure(value: float) -> Estimate:
    return Estimate(value, value * 0.9, value * 1.1)


def request(name: str, p50_us: float, ratio: float | None = None, **changes: int) -> RequestSummary:
    ratios = None if ratio is None else Ratios(Ratio(ratio, ratio * 0.9, ratio * 1.1), None, None)
    latency = Latency(p50=figure(p50_us), p90=figure(2 * p50_us), p99=figure(3 * p50_us))
    counts = {"requests": 4_000, "errors": 0, "unanswered": 0, **changes}
    return RequestSummary(
        "GET", name, **counts, throughput_rps=figure(50), latency_us=latency, ratio_to_baseline=ratios
    )


BASELINE, OTHER = (
    next(each for each in WS_ECHO.summaries if each.case.server == name) for name in ("uvicorn", "daphne")
)
MIXED = replace(
    WS_ECHO,
    reference=BASELINE.case.candidate,
    summaries=(
        replace(BASELINE, by_name=(request("/ping", 400), request("/chat", 205_000))),
        replace(OTHER, by_name=(request("/ping", 800, 0.5), request("/chat", 205_000, 1.0, errors=7, unanswered=600))),
    ),
)


def test_a_row_for_each_request_of_each_candidate_request_by_request() -> None:
    (section,) = make_sections(RUN, [MIXED])
    assert section.has_several_requests
    assert section.requests.columns == (
        "Request", "Server", "Requests", "Errors", "Requests/s", "÷ uvicorn",
        "p50 ms", "p90 ms", "p99 ms", "p99 ÷ uvicorn",
    )  # fmt: skip
    shown = [tuple(map(str, row.cells)) for row in section.requests.rows]
    assert [row[:2] for row in shown] == [
        ("GET /ping", "uvicorn"),
        ("GET /ping", "daphne"),
        ("GET /chat", "uvicorn"),
        ("GET /chat", "daphne"),
    ]
    assert shown[0][5:7] == ("1", "0.400 (0.360 – 0.440)")
    assert shown[1][5:7] == ("0.50× (0.45 – 0.55)", "0.800 (0.720 – 0.880)")
    assert shown[3][3] == "7"
    assert shown[3][8].startswith("> 615"), "600 of them had no answer"
    assert not shown[3][6].startswith(">")


def test_reports_show_them_where_there_are_several() -> None:
    page = make_page(RUN, [MIXED], [])
    # In Markdown, a second table has the columns that the first one has no room for.
    for text, tables in ((markdown.render(page), 2), (html.render(page, {}), 1)):
        assert "By request" in text
        assert text.count("GET /chat") == 2 * tables
    one = replace(MIXED, summaries=tuple(replace(each, by_name=each.by_name[:1]) for each in MIXED.summaries))
    assert "By request" not in markdown.render(make_page(RUN, [one], []))


STREAMING = replace(
    MIXED,
    summaries=tuple(
        replace(
            case,
            by_name=tuple(
                replace(
                    each,
                    events_per_s=figure(800),
                    first_event_us=Latency(p50=figure(5_000)),
                    gap_us=Latency(p50=figure(10_000), p90=figure(11_000), p99=figure(12_000)),
                )
                if each.name == "/chat"
                else each
                for each in case.by_name
            ),
        )
        for case in MIXED.summaries
    ),
)


def test_events_have_a_table_of_their_own_where_a_case_has_streams() -> None:
    (section,) = make_sections(RUN, [STREAMING])
    assert section.streams.columns == (
        "Request", "Server", "Events/s",
        "First event p50 ms", "First event p90 ms", "First event p99 ms", "Gap p50 ms", "Gap p90 ms", "Gap p99 ms",
    )  # fmt: skip
    shown = [tuple(cell.value for cell in row.cells) for row in section.streams.rows]
    figures = ("800", "5.00", "–", "–", "10.0", "11.0", "12.0")
    assert shown == [("GET /chat", "uvicorn", *figures), ("GET /chat", "daphne", *figures)]
    page = make_page(RUN, [STREAMING], [])
    for text in (markdown.render(page), html.render(page, {})):
        assert "Events of streams" in text
    assert "Events of streams" not in markdown.render(make_page(RUN, [MIXED], []))


@pytest.mark.parametrize("asked", [False, True])
def test_a_terminal_shows_them_if_asked(asked: bool) -> None:
    screen = Screen()
    screen.console = Console(file=io.StringIO(), width=120, force_terminal=True, color_system=None)
    show_ranking(screen, RUN, [MIXED], requests=asked)
    assert ("GET /chat" in screen.console.file.getvalue()) == asked  # type: ignore[attr-defined] # it is a StringIO
