from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex

from harness.charts import rate, scaling
from harness.charts._colours import QUIET
from harness.charts._lines import spread
from tests import synthetic
from tests.reported import RUN, SWEEP

if TYPE_CHECKING:
    from types import ModuleType


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
