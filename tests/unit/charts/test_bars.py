from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from harness.charts import cpu_cost, memory, throughput
from harness.charts._style import panels
from harness.model.summaries import Estimate
from tests import synthetic
from tests.drawings import words_in
from tests.reported import ASKED, COMPARISONS, RUN
from tests.synthetic import flat, grouped

if TYPE_CHECKING:
    from types import ModuleType


@pytest.mark.parametrize("chart", [throughput, cpu_cost])
def test_bars_show_every_case_and_say_which_are_not_valid(chart: ModuleType) -> None:
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


@pytest.mark.parametrize("chart", [throughput, cpu_cost, memory])
@pytest.mark.parametrize("names", [tuple(synthetic.SPEED), ("uvicorn", "django-ninja on gunicorn-uvicorn-h11-asyncio")])
def test_labels_beside_bars_end_inside_their_panel(chart: ModuleType, names: tuple[str, ...]) -> None:
    comparisons = grouped(
        replace(each, case=replace(each.case, workers=count))
        for count in (1, 2, 4)
        for each in flat(synthetic.summaries(names, ASKED[:1], synthetic.no_faults, 200))
    )
    figure = chart.draw(comparisons, RUN)
    for axes in figure.axes:
        right = axes.get_window_extent().x1
        assert axes.texts
        assert all(text.get_window_extent().x1 <= right for text in axes.texts)


@pytest.mark.parametrize(("low", "high", "drawn"), [(0.6, 1.7, True), (0.5, 1.7, False), (0.0, 1.7, False)])
def test_an_interval_that_only_says_that_rounds_were_too_few_is_replaced_by_these_words(
    low: float, high: float, *, drawn: bool
) -> None:
    (found,) = synthetic.summaries(("uvicorn",), ASKED[:1], synthetic.no_faults, 200)
    (each,) = found.summaries
    estimate = Estimate(1_000, 1_000 * low, 1_000 * high)
    (axes,) = throughput.draw(grouped([replace(each, throughput_rps=estimate)]), RUN).axes
    labels = [text.get_text() for text in axes.texts]
    assert labels == (["1,000"] if drawn else ["1,000\ntoo few rounds"])
    left_ends = [float(line.get_xdata()[0]) for line in axes.lines if len(line.get_xdata()) == 2]
    assert (1_000 * low in left_ends) is drawn


@pytest.mark.parametrize("disturbed", [True, False])
def test_disturbed_numbers_are_marked_and_the_caption_explains_the_sign(*, disturbed: bool) -> None:
    (found,) = synthetic.summaries(("uvicorn", "granian"), ASKED[:1], synthetic.no_faults, 200)
    marked = grouped(replace(each, disturbed=disturbed and each.name == "granian") for each in found.summaries)
    said = words_in(throughput.draw(marked, RUN))
    assert sum(word.startswith("~") and word[1].isdigit() for word in said) == disturbed
    assert any("~: disturbed" in word for word in said) is disturbed
