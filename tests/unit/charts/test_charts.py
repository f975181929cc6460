from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import matplotlib as mpl
import pytest

from harness.catalog import listing
from harness.charts import cpu_cost, latency, memory, rate, scaling, startup, throughput, users
from harness.model.histogram import Histogram
from harness.model.loads import Saturate
from harness.model.summaries import Latency, Memory
from tests import synthetic
from tests.drawings import fits, svg_of, words_in
from tests.reported import ASKED, COMPARISONS, RUN, SWEEP
from tests.synthetic import flat, grouped, swept

if TYPE_CHECKING:
    from types import ModuleType

CHARTS = listing.charts()
ALWAYS = (throughput, latency, cpu_cost, memory, startup)
"""The charts that every run has."""


def name_of(chart: ModuleType) -> str:
    return chart.__name__.rpartition(".")[2]


each_chart = pytest.mark.parametrize("chart", ALWAYS, ids=name_of)


def test_every_chart_has_a_title_and_a_caption() -> None:
    assert len(CHARTS) == len({chart.TITLE for chart in CHARTS}) == 13
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
            ready_s=None,
            first_request_s=None,
        )
        for each in flat(COMPARISONS)
    ]
    assert chart.draw([], RUN) is None
    assert chart.draw(grouped(silent), RUN) is None


@pytest.mark.parametrize("chart", [rate, scaling, users])
def test_a_chart_of_several_rates_or_numbers_of_workers_or_users_gives_the_same_bytes_and_keeps_its_words_inside(
    chart: ModuleType,
) -> None:
    names = ("uvicorn", "a-very-long-server-name", "$x_1$ <script>&|", "daphne")
    run, comparisons = {
        rate: (SWEEP, synthetic.sweep(names)),
        scaling: (RUN, synthetic.with_workers((1, 4), 1, names)),
        users: (RUN, synthetic.with_users({8: dict.fromkeys(names, 1.0), 32: dict.fromkeys(names, 0.9)})),
    }[chart]
    figure = chart.draw(comparisons, run)
    assert set(names) <= set(words_in(figure))
    assert svg_of(figure) == svg_of(chart.draw(comparisons, run))
    assert fits(figure)


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
def test_one_server_in_one_comparison_makes_a_chart(chart: ModuleType) -> None:
    figure = chart.draw(synthetic.summaries(("mine",), ASKED[:1], requests_per_case=200), RUN)
    assert "mine" in words_in(figure)


@each_chart
def test_the_words_of_many_servers_with_long_names_stay_in_the_picture(chart: ModuleType) -> None:
    names = (
        *synthetic.SPEED,
        "uvicorn-h11-asyncio",
        "gunicorn-uvicorn",
        "anycorn",
        "tremolo",
        "a-very-long-server-name",
    )
    comparisons = synthetic.summaries(names, ASKED, requests_per_case=150)
    figure = chart.draw(comparisons, synthetic.run_info(names))
    assert fits(figure)


@pytest.mark.parametrize("complete", [True, False, None])
def test_charts_of_an_interrupted_run_say_so(complete: bool | None) -> None:
    said = " ".join(words_in(throughput.draw(COMPARISONS, replace(RUN, complete=complete))))
    assert ("interrupted" in said) == (complete is False)


@each_chart
def test_apps_on_servers_share_one_panel(chart: ModuleType) -> None:
    comparisons = synthetic.with_apps(("uvicorn", "granian"), ("asgi", "fastapi"))
    figure = chart.draw(comparisons, RUN)
    assert len(figure.axes) == (2 if chart is startup else 1), "start-up and first answer have a panel each"
    assert {"asgi on uvicorn", "fastapi on uvicorn", "asgi on granian", "fastapi on granian"} <= set(words_in(figure))


@each_chart
def test_in_a_sweep_bars_and_curves_are_those_of_the_closed_loop(chart: ModuleType) -> None:
    (whole,) = synthetic.sweep()
    closed = swept(each for each in whole.summaries if isinstance(each.case.load, Saturate))
    assert svg_of(chart.draw([whole], SWEEP)) == svg_of(chart.draw([closed], SWEEP))
