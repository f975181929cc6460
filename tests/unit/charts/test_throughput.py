from __future__ import annotations

import pytest

from harness.charts import throughput
from harness.charts._style import panels
from tests import builders, synthetic
from tests.reported import COMPARISONS, RUN


def test_the_fastest_come_first_and_the_unmeasured_last() -> None:
    for axes, comparison in zip(throughput.draw(COMPARISONS, RUN).axes, panels(COMPARISONS).values(), strict=True):
        shown = [label.get_text() for label in axes.get_yticklabels()]
        speed = {
            each.case.server: each.throughput_rps.median if each.throughput_rps else -1 for each in comparison.summaries
        }
        assert [speed[server] for server in shown] == sorted(speed.values(), reverse=True)


def test_the_ceiling_does_not_cross_the_numbers_beside_the_bars() -> None:
    (axes, *_) = throughput.draw(COMPARISONS, RUN).axes
    (mark,) = [line for line in axes.lines if line.get_marker() == "v"]
    assert list(mark.get_xdata()) == [RUN.ceilings["h1"]]
    top = axes.transAxes.transform((0, 1))[1]
    assert mark.get_transform().transform(mark.get_xydata())[0][1] == pytest.approx(top)
    assert all(text.get_window_extent().y1 < top for text in axes.texts)


def test_the_ceiling_is_drawn_for_the_number_of_users_with_which_it_was_measured() -> None:
    speeds = {8: {"uvicorn": 1.0, "granian": 0.4}, 128: {"uvicorn": 1.0, "granian": 1.2}}
    run = builders.run_info(RUN, users=(8, 128))
    few, many = throughput.draw(synthetic.with_users(speeds), run).axes
    assert "ceiling" not in few.get_xlabel()
    assert "ceiling" in many.get_xlabel()
