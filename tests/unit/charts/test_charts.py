from __future__ import annotations

import io
import math
import re
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import matplotlib as mpl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex

from harness.catalog import listing
from harness.charts import rate, scaling
from harness.charts._lines import spread
from harness.charts._style import PALETTE, QUIET, USUAL, colours, compact, panels
from harness.charts.latency import BEYOND, LEAST, tail
from harness.model.histogram import Histogram
from harness.model.loads import Saturate, Sweep
from harness.model.summaries import Latency, Memory
from tests import synthetic
from tests.synthetic import Fault, flat, grouped, swept

if TYPE_CHECKING:
    from types import ModuleType

    from matplotlib.figure import Figure

CHARTS = listing.charts()
ASKED = (("plaintext", "h1"), ("json", "h2"), ("echo", "h2"), ("ws_echo", "ws"))
COMPARISONS = synthetic.summaries(asked=ASKED, requests_per_case=1_200)
RUN = synthetic.run_info()
SWEEP = synthetic.under(RUN, load=Sweep())

COMPARING = [chart for chart in CHARTS if chart not in {rate, scaling}]
"""Those that every run has."""

each_chart = pytest.mark.parametrize("chart", COMPARING, ids=lambda chart: chart.__name__.rpartition(".")[2])


def chart_of(name: str) -> ModuleType:
    return next(chart for chart in CHARTS if chart.__name__.endswith(f".{name}"))


def svg_of(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def words_in(figure: Figure) -> list[str]:
    """Every text of the picture, from what is written in the file."""
    root = ET.fromstring(svg_of(figure))
    return [" ".join(node.itertext()).replace("\u00a0", " ") for node in root.iter("{http://www.w3.org/2000/svg}text")]


def test_every_chart_names_itself_and_has_a_caption() -> None:
    assert len(CHARTS) == len({chart.TITLE for chart in CHARTS}) == 6
    assert all(chart.__doc__.partition("\n")[0].endswith(".") for chart in CHARTS)


@each_chart
def test_a_chart_without_summaries_or_without_numbers_is_none(chart: ModuleType) -> None:
    silent = [
        replace(
            each,
            verdict="unsupported",
            throughput_rps=None,
            throughput_by_round_rps=(),
            cpu_us_per_request=None,
            latency_us=Latency(),
            response=Histogram(),
            memory_pss_bytes=Memory(None, None),
        )
        for each in flat(COMPARISONS)
    ]
    assert chart.draw([], RUN) is None
    assert chart.draw(grouped(silent), RUN) is None


@pytest.mark.parametrize("chart", [rate, scaling])
def test_a_chart_of_several_rates_or_worker_counts_gives_the_same_bytes_and_keeps_its_words_inside(
    chart: ModuleType,
) -> None:
    names = ("uvicorn", "a-very-long-server-name", "$x_1$ <script>&|", "daphne")
    run, comparisons = (
        (SWEEP, synthetic.sweep(names)) if chart is rate else (RUN, synthetic.with_workers((1, 4), 1, names))
    )
    figure = chart.draw(comparisons, run)
    assert set(names) <= set(words_in(figure))
    assert svg_of(figure) == svg_of(chart.draw(comparisons, run))
    box, (width_in, height_in) = figure.get_tightbbox(), figure.get_size_inches()
    assert 0 <= box.x0 < box.x1 <= width_in
    assert 0 <= box.y0 < box.y1 <= height_in


@each_chart
def test_a_chart_gives_the_same_bytes_for_the_same_summaries(chart: ModuleType) -> None:
    assert svg_of(chart.draw(COMPARISONS, RUN)) == svg_of(chart.draw(list(COMPARISONS), RUN))


@each_chart
def test_the_footer_says_where_the_numbers_come_from(chart: ModuleType) -> None:
    said = " ".join(words_in(chart.draw(COMPARISONS, RUN)))
    where = RUN.environment
    for fact in (where.cpu_model, where.kernel, where.python, str(RUN.conditions), RUN.started_at[:10]):
        assert fact in said
    for server, version in where.server_versions.items():
        assert f"{server} {version}" in said


@each_chart
def test_drawing_leaves_the_settings_of_matplotlib_alone(chart: ModuleType) -> None:
    before = dict(mpl.rcParams)
    svg_of(chart.draw(COMPARISONS, RUN))
    assert dict(mpl.rcParams) == before


@each_chart
def test_odd_names_are_drawn_letter_by_letter(chart: ModuleType) -> None:
    odd = "$x_1$ <script>&|"
    said = words_in(chart.draw(synthetic.summaries((odd, "uvicorn"), ASKED[:1], requests_per_case=200), RUN))
    assert odd in said


@each_chart
def test_one_server_on_one_question_makes_a_chart(chart: ModuleType) -> None:
    figure = chart.draw(synthetic.summaries(("mine",), ASKED[:1], requests_per_case=200), RUN)
    assert "mine" in words_in(figure)


@each_chart
def test_no_words_leave_the_picture_with_many_servers_and_long_names(chart: ModuleType) -> None:
    names = (*USUAL, "uvicorn-h11-asyncio", "gunicorn-uvicorn", "anycorn", "tremolo", "a-very-long-server-name")
    comparisons = synthetic.summaries(names, ASKED, requests_per_case=150)
    figure = chart.draw(comparisons, synthetic.run_info(names))
    box = figure.get_tightbbox()
    width_in, height_in = figure.get_size_inches()
    assert 0 <= box.x0 < box.x1 <= width_in
    assert 0 <= box.y0 < box.y1 <= height_in


@pytest.mark.parametrize("name", ["throughput", "cpu_cost"])
def test_bars_show_every_case_and_say_which_do_not_hold(name: str) -> None:
    chart = next(chart for chart in CHARTS if chart.__name__.endswith(name))
    figure = chart.draw(COMPARISONS, RUN)
    assert len(figure.axes) == len(ASKED)
    for axes, comparison in zip(figure.axes, panels(COMPARISONS).values(), strict=True):
        group = comparison.summaries
        assert {label.get_text() for label in axes.get_yticklabels()} == {each.case.server for each in group}
        notes = [text.get_text().rpartition("\n")[2] for text in axes.texts]
        bad = sorted(each.verdict for each in group if each.verdict != "valid")
        assert sorted(note for note in notes if note.isidentifier() or "-" in note) == bad
        hatched = [bar for bar in axes.patches if bar.get_hatch()]
        assert len(hatched) == sum(each.measured and each.verdict != "valid" for each in group)


def test_throughput_is_sorted_from_the_fastest_with_the_unmeasured_last() -> None:
    chart = next(chart for chart in CHARTS if chart.TITLE == "Throughput")
    for axes, comparison in zip(chart.draw(COMPARISONS, RUN).axes, panels(COMPARISONS).values(), strict=True):
        shown = [label.get_text() for label in axes.get_yticklabels()]
        speed = {
            each.case.server: each.throughput_rps.median if each.throughput_rps else -1 for each in comparison.summaries
        }
        assert [speed[server] for server in shown] == sorted(speed.values(), reverse=True)


def test_latency_dashes_what_does_not_hold_and_notes_who_is_missing() -> None:
    chart = next(chart for chart in CHARTS if chart.TITLE == "Latency")
    said = "\n".join(words_in(chart.draw(COMPARISONS, RUN)))
    assert "granian client-limited (dashed)" in said
    assert "uvicorn unsupported" in said
    assert "daphne failed" in said


def test_memory_leaves_out_numbers_that_do_not_hold() -> None:
    chart = next(chart for chart in CHARTS if chart.TITLE == "Memory")
    fault = Fault("invalid", ("no",))
    comparisons = synthetic.summaries(
        ("uvicorn", "daphne"), ASKED[:1], lambda case: fault if case.server == "daphne" else None, 200
    )
    said = words_in(chart.draw(comparisons, RUN))
    assert "uvicorn" in said
    assert "daphne" not in said


@pytest.mark.parametrize("name", ["throughput", "cpu_cost", "memory"])
@pytest.mark.parametrize("names", [USUAL, ("uvicorn", "django-ninja on gunicorn-uvicorn-h11-asyncio")])
def test_labels_beside_bars_end_inside_their_panel(name: str, names: tuple[str, ...]) -> None:
    comparisons = grouped(
        replace(each, case=replace(each.case, workers=count))
        for count in (1, 2, 4)
        for each in flat(synthetic.summaries(names, ASKED[:1], synthetic.no_faults, 200))
    )
    figure = chart_of(name).draw(comparisons, RUN)
    for axes in figure.axes:
        right = axes.get_window_extent().x1
        assert axes.texts
        assert all(text.get_window_extent().x1 <= right for text in axes.texts)


def test_a_ceiling_does_not_run_through_the_numbers_beside_the_bars() -> None:
    (axes, *_) = chart_of("throughput").draw(COMPARISONS, RUN).axes
    assert [line for line in axes.lines if line.get_linestyle() == "--"]
    measured = [text for text in axes.texts if any(letter.isdigit() for letter in text.get_text())]
    assert all(text.get_bbox_patch().get_facecolor() == (1, 1, 1, 1) for text in measured)


@pytest.mark.parametrize("complete", [True, False, None])
def test_charts_of_an_interrupted_run_say_so(complete: bool | None) -> None:
    said = " ".join(words_in(chart_of("throughput").draw(COMPARISONS, replace(RUN, complete=complete))))
    assert ("interrupted" in said) == (complete is False)


@pytest.mark.parametrize("name", ["throughput", "latency", "cpu_cost", "memory"])
def test_apps_on_servers_stand_side_by_side_in_one_panel(name: str) -> None:
    comparisons = synthetic.with_apps(("uvicorn", "granian"), ("asgi", "fastapi"))
    figure = chart_of(name).draw(comparisons, RUN)
    assert len(figure.axes) == 1
    assert {"asgi on uvicorn", "fastapi on uvicorn", "asgi on granian", "fastapi on granian"} <= set(words_in(figure))


def test_several_worker_counts_have_panels_of_their_own() -> None:
    comparisons = synthetic.with_workers((1, 2), 0.8)
    assert list(panels(comparisons)) == ["plaintext · HTTP/1.1 · 1 worker", "plaintext · HTTP/1.1 · 2 workers"]
    said = words_in(chart_of("memory").draw(comparisons, RUN))
    assert {"1 worker", "2 workers"} <= set(said)


@pytest.mark.parametrize("name", ["throughput", "latency", "cpu_cost", "memory"])
def test_in_a_sweep_bars_and_curves_are_those_of_the_closed_loop(name: str) -> None:
    (whole,) = synthetic.sweep()
    closed = swept(each for each in whole.summaries if isinstance(each.case.load, Saturate))
    assert svg_of(chart_of(name).draw([whole], SWEEP)) == svg_of(chart_of(name).draw([closed], SWEEP))


def test_a_rate_that_was_not_kept_is_a_cross_and_no_latency() -> None:
    (whole,) = synthetic.sweep(("uvicorn",))
    kept = [each for each in whole.summaries if each.own_share is not None and each.own_share < 1]
    for axes, where in zip(rate.draw([whole], SWEEP).axes, ("offered_rps", "own_share"), strict=True):
        crosses = [line for line in axes.lines if line.get_marker() == "x"]
        (overload,) = [each for each in whole.summaries if each.own_share and each.own_share > 1]
        assert [line.get_xdata()[0] for line in crosses] == [getattr(overload, where)]
        assert all(0 < line.get_ydata()[0] <= 1 for line in crosses), "in shares of the height, not in ms"
        p99 = next(line for line in axes.lines if line.get_linewidth() > 1)
        drawn = [(x, y) for x, y in zip(p99.get_xdata(), p99.get_ydata(), strict=True) if not math.isnan(y)]
        assert drawn == [(getattr(each, where), each.latency_us.p99.median / 1000) for each in kept]


def test_no_line_is_drawn_across_an_overload_and_who_has_no_p99_is_named() -> None:
    (whole,) = synthetic.sweep()
    lost = {"verdict": "invalid", "achieved_ratio": 0.9, "overloaded": True}
    mixed = [
        replace(each, **lost) if (each.name, each.own_share) == ("uvicorn", 0.5) else each for each in whole.summaries
    ]
    silent = [replace(each, latency_us=Latency()) if each.name == "daphne" else each for each in mixed]
    figure = rate.draw([swept(silent)], SWEEP)
    p99 = next(line for line in figure.axes[0].lines if line.get_linewidth() > 1 and len(line.get_xdata()) > 1)
    assert [math.isnan(y) for y in p99.get_ydata()] == [share in {0.5, 1.05} for share in synthetic.SHARES]
    assert "daphne: no p99, too few requests" in words_in(figure)


def test_a_point_that_does_not_hold_is_hollow() -> None:
    (whole,) = synthetic.sweep()
    limited = [replace(each, verdict="client-limited") if each.own_share == 0.5 else each for each in whole.summaries]
    for axes in rate.draw([swept(limited)], SWEEP).axes:
        dots = [line for line in axes.lines if line.get_marker() == "o"]
        assert sum(dot.get_markerfacecolor() == "white" for dot in dots) == 4
        assert len(dots) == 4 * (len(synthetic.SHARES) - 1)


def test_a_rate_whose_neighbours_do_not_hold_has_marks_and_one_that_does_not_hold_no_line() -> None:
    mixed = [
        each if each.own_share in {None, 0.5} else replace(each, verdict="invalid", overloaded=each.own_share != 0.7)
        for each in flat(synthetic.sweep(("uvicorn",)))
    ]
    for axes, where in zip(rate.draw([swept(mixed)], SWEEP).axes, ("offered_rps", "own_share"), strict=True):
        (alone,) = [each for each in mixed if each.own_share == 0.5]
        marks = [line for line in axes.lines if line.get_marker() == "o"]
        heights = {float(line.get_ydata()[0]) for line in marks if line.get_xdata()[0] == getattr(alone, where)}
        assert heights == {alone.latency_us.p99.median / 1000, alone.latency_us.p50.median / 1000}
        assert [line.get_markerfacecolor() == "white" for line in marks] == [False, False, True, True]
        assert all(sum(not math.isnan(y) for y in line.get_ydata()) == 1 for line in axes.lines)


def test_an_invalid_rate_that_is_no_overload_is_no_cross() -> None:
    invalid = [replace(each, overloaded=False) for each in flat(synthetic.sweep(("uvicorn",)))]
    for axes in rate.draw([swept(invalid)], SWEEP).axes:
        assert not [line for line in axes.lines if line.get_marker() == "x"]


@pytest.mark.parametrize("chart", [rate, scaling])
def test_names_beside_the_lines_of_many_servers_stay_beside_their_panel(chart: ModuleType) -> None:
    names = tuple(f"server-number-{number}" for number in range(26))
    run, comparisons = (
        (SWEEP, synthetic.sweep(names)) if chart is rate else (RUN, synthetic.with_workers((1, 4), 1, names))
    )
    for axes in chart.draw(comparisons, run).axes:
        places = sorted(text.xyann[1] for text in axes.texts if text.get_text() in names)
        assert len(places) == len(names)
        assert -1e-9 <= places[0] <= places[-1] <= 1 + 1e-9
        leaders = [text.arrow_patch for text in axes.texts if text.get_text() in names]
        assert {leader.get_linestyle() for leader in leaders} == {"solid"}, "dotted or dashed, they pass for data"
        assert {to_hex(leader.get_edgecolor()) for leader in leaders} == {QUIET}


def test_latency_has_a_logarithmic_scale_when_it_spans_more_than_a_decade() -> None:
    (whole,) = synthetic.sweep()
    low = swept(each for each in whole.summaries if each.own_share is None or each.own_share <= 0.25)
    assert {axes.get_yscale() for axes in rate.draw([whole], SWEEP).axes} == {"log"}
    assert {axes.get_yscale() for axes in rate.draw([low], SWEEP).axes} == {"linear"}


def test_without_a_sweep_there_is_no_latency_against_rate() -> None:
    assert rate.draw(COMPARISONS, RUN) is None


def test_scaling_sets_the_medians_against_as_many_times_the_fewest() -> None:
    comparisons = synthetic.with_workers((1, 2, 4), 0.5, ("daphne", "uvicorn"))
    (axes,) = scaling.draw(comparisons, RUN).axes
    measured = [line for line in axes.lines if len(line.get_xdata()) == 3]
    ideals = [line for line in axes.lines if line.get_linestyle() == "--"]
    for name, line, ideal in zip(("daphne", "uvicorn"), measured, ideals, strict=True):
        medians = [each.throughput_rps.median for each in flat(comparisons) if each.name == name]
        assert [round(each) for each in line.get_xdata()] == [1, 2, 4]
        assert list(line.get_ydata()) == medians
        assert list(ideal.get_ydata()) == pytest.approx([medians[0], 4 * medians[0]])


def test_scaling_draws_no_line_through_numbers_that_do_not_hold() -> None:
    comparisons = synthetic.with_workers((1, 2, 4), 0.5, ("daphne", "uvicorn"))
    bad = {("daphne", 1), ("daphne", 4), ("uvicorn", 1)}
    mixed = grouped(
        replace(each, verdict="invalid") if (each.name, each.case.workers) in bad else each
        for each in flat(comparisons)
    )
    (axes,) = scaling.draw(mixed, RUN).axes
    daphne, uvicorn = [line for line in axes.lines if len(line.get_xdata()) == 3]
    assert [math.isnan(y) for y in daphne.get_ydata()] == [True, False, True]
    assert [math.isnan(y) for y in uvicorn.get_ydata()] == [True, False, False]
    (ideal,) = [line for line in axes.lines if line.get_linestyle() == "--"]
    two = next(
        each.throughput_rps.median for each in flat(comparisons) if (each.name, each.case.workers) == ("uvicorn", 2)
    )
    assert list(ideal.get_ydata()) == pytest.approx([two, 2 * two])
    assert sum(line.get_markerfacecolor() == "white" for line in axes.lines if line.get_marker() == "o") == 3


def test_scaling_is_logarithmic_both_ways_where_the_slow_would_lie_in_one_band() -> None:
    alike, apart = (synthetic.with_workers((1, 2), 0.5, names) for names in (("uvicorn",), ("uvicorn", "django")))
    slow = grouped(
        synthetic.times(each, 0.05, each.case.workers) if each.name == "django" else each for each in flat(apart)
    )
    for comparisons, scale in ((alike, "linear"), (slow, "log")):
        (axes,) = scaling.draw(comparisons, RUN).axes
        assert (axes.get_xscale(), axes.get_yscale()) == (scale, scale)
        assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2"]


def test_scaling_says_how_many_cpus_there_were_and_needs_two_worker_counts() -> None:
    run = replace(RUN, environment=replace(RUN.environment, server_cpus=(0, 1, 2)))
    said = " ".join(words_in(scaling.draw(synthetic.with_workers((1, 2), 0.9), run)))
    assert "The servers had 3 CPUs: beyond that nothing can scale." in said
    assert scaling.draw(synthetic.with_workers((2,), 0.9), run) is None


@given(st.sets(st.text(min_size=1, max_size=8), max_size=len(PALETTE) - len(USUAL)), st.sets(st.sampled_from(USUAL)))
def test_colours_differ_within_a_chart_and_the_usual_servers_keep_theirs(others: set[str], usual: set[str]) -> None:
    chosen = colours([*others, *usual])
    assert chosen.keys() == others | usual
    assert len(set(chosen.values())) == len(chosen)
    assert all(chosen[name] == PALETTE[USUAL.index(name)] for name in usual)
    assert colours(sorted([*usual, *others], reverse=True)) == chosen


def test_as_many_apps_as_there_are_colours_all_differ() -> None:
    assert len(set(colours(f"app{number}" for number in range(len(PALETTE))).values())) == len(PALETTE)


@given(st.lists(st.integers(1, 5_000_000), min_size=LEAST, max_size=400))
def test_the_percentile_curve_agrees_with_the_histogram_and_stops_where_ten_requests_lie_beyond(
    values: list[int],
) -> None:
    histogram = Histogram.of(values)
    curve = tail(histogram)
    assert all(lower <= upper for (_, lower), (_, upper) in pairwise(curve))
    for at, milliseconds in curve:
        assert milliseconds == histogram.percentile(100 * (1 - 10**-at)) / 1000
    assert 10 ** -curve[-1][0] * len(values) == pytest.approx(BEYOND)


def test_too_few_requests_make_no_curve() -> None:
    assert tail(Histogram()) == []
    assert tail(Histogram.of([1000] * (LEAST - 1))) == []


@given(st.lists(st.floats(-0.5, 1.5), min_size=1, max_size=10))
def test_labels_are_spread_apart_in_their_order_and_move_only_where_they_must(wanted: list[float]) -> None:
    gap = 0.1
    places = spread(wanted, gap)
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    for lower, upper in pairwise(order):
        assert places[upper] - places[lower] >= gap - 1e-9
    assert all(-1e-9 <= place <= 1 + 1e-9 for place in places)
    if all(0 <= each <= 1 for each in wanted) and all(
        wanted[upper] - wanted[lower] >= gap for lower, upper in pairwise(order)
    ):
        assert places == pytest.approx(wanted)


@given(st.floats(0.001, 1e7))
def test_numbers_keep_three_digits(value: float) -> None:
    shown = compact(value)
    assert float(shown.replace(",", "")) == pytest.approx(value, rel=0.00501)
    assert re.fullmatch(r"[\d,]+(\.\d+)?", shown)
