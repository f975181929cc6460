from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from harness.charts import cpu_cost, memory, throughput
from harness.charts._style import USUAL, panels
from tests import synthetic
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
@pytest.mark.parametrize("names", [USUAL, ("uvicorn", "django-ninja on gunicorn-uvicorn-h11-asyncio")])
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
