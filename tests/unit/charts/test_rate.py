from __future__ import annotations

import math
from dataclasses import replace

from harness.charts import rate
from harness.charts._colours import GROUND
from harness.charts._looks import MARKERS
from harness.model.summaries import Latency
from tests import synthetic
from tests.drawings import words_in
from tests.reported import COMPARISONS, RUN, SWEEP
from tests.synthetic import flat, swept


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


def test_no_line_crosses_an_overload_and_a_candidate_without_p99_is_named() -> None:
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


def test_a_point_that_is_not_valid_is_hollow() -> None:
    (whole,) = synthetic.sweep()
    limited = [replace(each, verdict="client-limited") if each.own_share == 0.5 else each for each in whole.summaries]
    for axes in rate.draw([swept(limited)], SWEEP).axes:
        dots = [line for line in axes.lines if line.get_marker() in MARKERS]
        assert sum(dot.get_markerfacecolor() == GROUND for dot in dots) == 4
        assert len(dots) == 4 * (len(synthetic.SHARES) - 1)


def test_a_valid_rate_between_invalid_ones_has_marks_and_an_invalid_one_no_line() -> None:
    mixed = [
        each if each.own_share in {None, 0.5} else replace(each, verdict="invalid", overloaded=each.own_share != 0.7)
        for each in flat(synthetic.sweep(("uvicorn",)))
    ]
    for axes, where in zip(rate.draw([swept(mixed)], SWEEP).axes, ("offered_rps", "own_share"), strict=True):
        (alone,) = [each for each in mixed if each.own_share == 0.5]
        marks = [line for line in axes.lines if line.get_marker() in MARKERS]
        heights = {float(line.get_ydata()[0]) for line in marks if line.get_xdata()[0] == getattr(alone, where)}
        assert heights == {alone.latency_us.p99.median / 1000, alone.latency_us.p50.median / 1000}
        assert [line.get_markerfacecolor() == GROUND for line in marks] == [False, False, True, True]
        assert all(sum(not math.isnan(y) for y in line.get_ydata()) == 1 for line in axes.lines)


def test_an_invalid_rate_that_is_no_overload_is_no_cross() -> None:
    invalid = [replace(each, overloaded=False) for each in flat(synthetic.sweep(("uvicorn",)))]
    for axes in rate.draw([swept(invalid)], SWEEP).axes:
        assert not [line for line in axes.lines if line.get_marker() == "x"]


def test_latency_has_a_logarithmic_scale_when_it_spans_more_than_a_decade() -> None:
    (whole,) = synthetic.sweep()
    low = swept(each for each in whole.summaries if each.own_share is None or each.own_share <= 0.25)
    assert {axes.get_yscale() for axes in rate.draw([whole], SWEEP).axes} == {"log"}
    assert {axes.get_yscale() for axes in rate.draw([low], SWEEP).axes} == {"linear"}


def test_without_a_sweep_there_is_no_latency_against_rate() -> None:
    assert rate.draw(COMPARISONS, RUN) is None
