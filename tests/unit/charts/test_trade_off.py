from __future__ import annotations

from dataclasses import replace

from harness.charts import trade_off
from harness.charts._lines import MOST_IN_COLOUR
from tests import synthetic
from tests.drawings import fits, words_in
from tests.reported import RUN
from tests.synthetic import flat, grouped, no_faults

ASKED = [("json", "h1")]


def test_every_mark_has_its_name_those_in_grey_too() -> None:
    names = tuple(f"server{number}" for number in range(MOST_IN_COLOUR + 3))
    figure = trade_off.draw(synthetic.summaries(names, ASKED, no_faults, 2_000), RUN)
    assert set(names) <= set(words_in(figure))
    assert fits(figure)


def test_who_was_measured_and_has_no_p99_is_named() -> None:
    names = ("uvicorn", "granian", "daphne")
    found = [
        replace(each, latency_us=replace(each.latency_us, p99=None)) if each.name == "daphne" else each
        for each in flat(synthetic.summaries(names, ASKED, no_faults, 2_000))
    ]
    words = words_in(trade_off.draw(grouped(found), RUN))
    assert "no p99: daphne" in words
    assert {"uvicorn", "granian"} <= set(words)
    assert "daphne" not in words
