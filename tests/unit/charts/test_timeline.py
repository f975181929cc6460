from __future__ import annotations

import math
from dataclasses import replace

from harness.charts import timeline
from harness.charts._looks import look
from harness.model.summaries import Stretch
from tests import synthetic
from tests.drawings import fits, svg_of, words_in
from tests.reported import COMPARISONS, RUN
from tests.synthetic import flat, grouped, timed

NAMES = ("uvicorn", "granian", "daphne")


def test_each_comparison_has_its_rates_and_its_p99_and_gaps_lie_between_measurements() -> None:
    comparisons = timed(synthetic.summaries(NAMES, [("json", "h1"), ("echo", "h2")], synthetic.no_faults, 200))
    figure = timeline.draw(comparisons, RUN)
    assert [axes.get_ylabel() for axes in figure.axes] == ["requests/s", "p99, ms"] * 2
    rates, tails = figure.axes[:2]
    (uvicorn,) = [each for each in comparisons[0].summaries if each.name == "uvicorn"]
    expected = [value for each in uvicorn.timeline for _, value in each.rates_rps]
    drawn = [list(line.get_ydata()) for line in rates.lines if len(line.get_ydata()) > len(expected)]
    assert any([value for value in values if not math.isnan(value)] == expected for values in drawn)
    assert all(sum(map(math.isnan, values)) == len(uvicorn.timeline) for values in drawn)
    assert len(drawn) == len(NAMES)
    slowest = [p99_us / 1000 for each in uvicorn.timeline for _, p99_us in each.tails_us]
    assert any([value for value in line.get_ydata() if not math.isnan(value)] == slowest for line in tails.lines)
    assert set(NAMES) <= set(words_in(figure))
    assert svg_of(figure) == svg_of(timeline.draw(comparisons, RUN))
    assert fits(figure)


def test_disturbed_measurements_are_shaded_and_counted() -> None:
    comparisons = timed(synthetic.summaries(NAMES, [("json", "h1")], synthetic.no_faults, 200), disturbed={1, 3})
    figure = timeline.draw(comparisons, RUN)
    assert figure.words == ("json · HTTP/1.1: 5 rounds, 20 s, 2 of 5 measurements disturbed.",)
    for axes in figure.axes:
        shaded = sorted(patch.get_x() for patch in axes.patches)
        assert shaded == [4, 12]
        assert [text.get_text() for text in axes.get_xticklabels()] == ["1", "2", "3", "4", "5"]


def test_without_records_and_within_a_moment_there_is_no_course() -> None:
    assert timeline.draw(COMPARISONS, RUN) is None
    short = Stretch(0, 0, 1.5, ((0.5, 900.0),), ((0.75, 1_000.0),), disturbed=False)
    assert timeline.draw(grouped(replace(each, timeline=(short,)) for each in flat(COMPARISONS)), RUN) is None


def test_too_few_requests_for_a_p99_leave_its_panel_empty() -> None:
    comparisons = timed(synthetic.summaries(NAMES, [("json", "h1")], synthetic.no_faults, 200), tails=0)
    rates, tails = timeline.draw(comparisons, RUN).axes
    assert [text.get_text() for text in rates.texts if text.get_text() in NAMES]
    assert not [line for line in tails.lines if len(line.get_ydata()) > 2]


def test_measurements_with_one_p99_each_are_joined_and_every_point_has_a_mark() -> None:
    comparisons = timed(synthetic.summaries(("uvicorn",), [("json", "h1")], synthetic.no_faults, 200), tails=1)
    _, tails = timeline.draw(comparisons, RUN).axes
    (line,) = [line for line in tails.lines if len(line.get_ydata()) == 5]
    assert not any(map(math.isnan, line.get_ydata()))
    marks = [line for line in tails.lines if line.get_marker() == look("uvicorn").marker]
    assert [float(mark.get_ydata()[0]) for mark in marks] == list(line.get_ydata())


def test_a_moment_alone_between_two_gaps_has_a_mark_as_no_line_shows_it() -> None:
    comparisons = timed(synthetic.summaries(("uvicorn",), [("json", "h1")], synthetic.no_faults, 200))
    (uvicorn,) = comparisons[0].summaries
    first, *others = uvicorn.timeline
    lonely = replace(uvicorn, timeline=(replace(first, rates_rps=first.rates_rps[:1]), *others))
    rates, _ = timeline.draw(grouped([lonely]), RUN).axes
    marked = {(line.get_xdata()[0], line.get_ydata()[0]) for line in rates.lines if len(line.get_ydata()) == 1}
    assert first.rates_rps[0] in marked


def test_who_has_no_p99_is_named() -> None:
    comparisons = timed(synthetic.summaries(NAMES, [("json", "h1")], synthetic.no_faults, 200))
    found = [
        replace(each, timeline=tuple(replace(one, tails_us=()) for one in each.timeline))
        if each.name == "daphne"
        else each
        for each in flat(comparisons)
    ]
    assert "no p99: daphne" in words_in(timeline.draw(grouped(found), RUN))
