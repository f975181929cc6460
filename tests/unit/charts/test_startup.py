from __future__ import annotations

from dataclasses import replace

from harness.charts import startup
from harness.model.summaries import Estimate
from tests import synthetic
from tests.drawings import fits, words_in
from tests.reported import RUN
from tests.synthetic import flat, grouped


def test_start_up_and_first_answer_are_drawn_once_for_each_way_to_start() -> None:
    comparisons = synthetic.summaries(
        ("uvicorn", "granian"), [("json", "h1"), ("json", "h1-tls")], requests_per_case=200
    )
    slow = Estimate(2.5, 2.0, 3.0)
    changed = grouped(
        replace(each, ready_s=slow) if each.case.server == "granian" else each for each in flat(comparisons)
    )
    figure = startup.draw(changed, RUN)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [f"{what} · {how}" for how in ("no TLS", "TLS") for what in ("Start-up", "First answer")]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["uvicorn", "granian"]
    assert words_in(figure).count("2.50") == 2
    assert "First answer · TLS, ms: granian 1.20 (1.00 – 1.50), uvicorn 1.20 (1.00 – 1.50)." in figure.words
    assert fits(figure)


def test_without_starts_there_is_nothing_to_draw() -> None:
    found = flat(synthetic.summaries(("uvicorn",), [("json", "h1")], requests_per_case=200))
    assert startup.draw(grouped(replace(each, ready_s=None, first_request_s=None) for each in found), RUN) is None
