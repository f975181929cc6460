"""Scales are made by what was measured, however wide an interval is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from matplotlib.ticker import LogLocator

from harness.charts import cpu_cost, rate, scaling, throughput, users
from harness.charts._style import TICKS
from harness.model.summaries import Estimate, Latency, Ratio, Ratios
from tests import synthetic
from tests.reported import RUN, SWEEP
from tests.synthetic import flat, grouped, swept

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from harness.model.summaries import CaseSummary

WIDE = [(1e-9, 1e9), (0.0, 33_173_451.0), (0.4, 1.19), (0.9, 2.6), (1.0, 1.0)]
"""Ends of intervals, as multiples of what they are intervals of."""


def widened(estimate: Estimate | None, ends: tuple[float, float]) -> Estimate | None:
    return estimate and Estimate(estimate.median, ends[0] * estimate.median, ends[1] * estimate.median)


def with_intervals(summary: CaseSummary, ends: tuple[float, float]) -> CaseSummary:
    """The summary with such intervals around everything."""
    ratios = summary.ratio_to_baseline
    if ratios is not None:
        value = ratios.throughput.value
        ratios = Ratios(Ratio(value, ends[0] * value, ends[1] * value), None, None)
    return replace(
        summary,
        throughput_rps=widened(summary.throughput_rps, ends),
        cpu_us_per_request=widened(summary.cpu_us_per_request, ends),
        latency_us=Latency(p50=widened(summary.latency_us.p50, ends), p99=widened(summary.latency_us.p99, ends)),
        ratio_to_baseline=ratios,
    )


@pytest.mark.parametrize("first", [0, 3])
def test_no_interval_makes_a_scale_longer_than_the_points_need(first: int) -> None:
    def wide(summaries: list[CaseSummary]) -> list[CaseSummary]:
        return [with_intervals(each, WIDE[(first + number) % len(WIDE)]) for number, each in enumerate(summaries)]

    factors = {8: {"uvicorn": 1.0, "granian": 0.4}, 32: {"uvicorn": 1.0, "granian": 0.6}}
    swept_cases = flat(synthetic.sweep())
    cases = flat(synthetic.summaries(("uvicorn", "daphne"), [("json", "h1")], synthetic.no_faults, 200))
    workers = flat(synthetic.with_workers((1, 2), 0.5, ("uvicorn", "daphne")))
    drawn = (
        rate.draw([swept(wide(swept_cases))], SWEEP),
        scaling.draw(grouped(wide(workers)), RUN),
        users.draw(grouped(wide(flat(synthetic.with_users(factors)))), RUN),
    )
    for figure in drawn:
        for axes in figure.axes:
            lowest, highest = points(axes)
            low, high = axes.get_ylim()
            assert low == 0 or low >= lowest / 2
            assert high <= highest * (3 if figure is drawn[0] else 1.7), "crosses need room above the points"
            assert low <= lowest <= highest <= high
            assert all(
                low <= end <= high for part in axes.collections for path in part.get_paths() for end in ends_of(path)
            )
    for chart in (throughput, cpu_cost):
        (axes,) = chart.draw(grouped(wide(cases)), RUN).axes
        figures = [(each.throughput_rps if chart is throughput else each.cpu_us_per_request).median for each in cases]
        assert axes.get_xlim()[1] < 4 * max(figures)


def points(axes: Axes) -> tuple[float, float]:
    """The lowest and the highest mark of a panel; crosses and arrows are no data."""
    known = [
        value
        for line in axes.lines
        if line.get_transform() == axes.transData and line.get_clip_on()
        for value in line.get_ydata()
        if value == value  # noqa: PLR0124 - not NaN
    ]
    return min(known), max(known)


def ends_of(path: object) -> list[float]:
    return [float(y) for _, y in path.vertices]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("slower", "ends", "arrows"),
    [(1.0, (0.9, 1.1), []), (1.0, (0.9, 2.5), ["^"]), (0.05, (0.4, 1.1), ["v"]), (1.0, (0.4, 1.1), [])],
)
def test_an_interval_that_is_cut_ends_in_an_arrow(slower: float, ends: tuple[float, float], arrows: list[str]) -> None:
    """With a much slower server the scale is logarithmic; a linear one has room down to 0."""
    both = flat(synthetic.with_workers((1, 2), 1.0, ("uvicorn", "daphne")))
    wide = ("uvicorn" if slower == 1 else "daphne", 2 if slower == 1 else 1)
    cut = grouped(
        with_intervals(
            synthetic.times(each, slower if each.name == "daphne" else 1.0, each.case.workers),
            ends if (each.name, each.case.workers) == wide else (1.0, 1.0),
        )
        for each in both
    )
    (axes,) = scaling.draw(cut, RUN).axes
    assert [line.get_marker() for line in axes.lines if not line.get_clip_on()] == arrows


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.5, "0.5"), (400, "400"), (2_500, "2.5k"), (999.9999999, "1k"), (1e6, "1M"), (2.5e6, "2.5M"), (3e9, "3G")],
)
def test_numbers_on_axes_are_short(value: float, written: str) -> None:
    assert TICKS(value, 0) == written
    assert all("e" not in TICKS(tick, 0) for tick in LogLocator().tick_values(1e-3, 1e10))
