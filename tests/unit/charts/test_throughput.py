from __future__ import annotations

from harness.charts import throughput
from harness.charts._style import panels
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
    assert [line for line in axes.lines if line.get_linestyle() == "--"]
    measured = [text for text in axes.texts if any(letter.isdigit() for letter in text.get_text())]
    assert all(text.get_bbox_patch().get_facecolor() == (1, 1, 1, 1) for text in measured)
