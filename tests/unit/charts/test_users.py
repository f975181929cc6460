from __future__ import annotations

import math
from dataclasses import replace

import pytest

from harness.charts import users
from harness.model.summaries import Estimate, Ratio, Ratios
from tests import synthetic
from tests.drawings import words_in
from tests.reported import RUN
from tests.synthetic import flat, grouped

FACTORS = {
    8: {"uvicorn": 1.0, "granian": 0.35},
    32: {"uvicorn": 1.0, "granian": 0.52},
    128: {"uvicorn": 1.0, "granian": 1.2},
}


def test_ratio_and_cpu_are_drawn_against_the_number_of_users() -> None:
    comparisons = synthetic.with_users(FACTORS)
    by_rate, by_cost = users.draw(comparisons, RUN).axes
    granian, uvicorn = [line for line in by_rate.lines if len(line.get_xdata()) == 3]
    assert list(granian.get_ydata()) == pytest.approx([0.35, 0.52, 1.2])
    assert list(uvicorn.get_ydata()) == [1, 1, 1]
    assert [round(each) for each in granian.get_xdata()] == pytest.approx([8, 32, 128], abs=2)
    assert [label.get_text() for label in by_rate.get_xticklabels()] == ["8", "32", "128"]
    assert by_rate.get_ylabel() == "throughput ÷ uvicorn"
    costs = [each.cpu_us_per_request.median for each in flat(comparisons) if each.name == "granian"]
    assert list(by_cost.lines[0].get_ydata()) == costs


def test_there_must_be_two_numbers_of_users() -> None:
    assert users.draw(synthetic.with_users({8: FACTORS[8]}), RUN) is None
    assert users.draw([], RUN) is None


def test_each_scenario_and_protocol_has_two_panels_and_users_are_not_in_their_titles() -> None:
    both = [*synthetic.with_users(FACTORS), *synthetic.with_users(FACTORS, protocol="h2")]
    figure = users.draw(both, RUN)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "plaintext · HTTP/1.1",
        "plaintext · HTTP/1.1 · CPU",
        "plaintext · HTTP/2 with TLS",
        "plaintext · HTTP/2 with TLS · CPU",
    ]


def test_no_line_is_drawn_through_numbers_that_are_not_valid_and_no_interval_of_too_few_rounds() -> None:
    wide, invalid = ("granian", 8), ("granian", 32)

    def change(name: str, level: int) -> dict[str, object]:
        if (name, level) == wide:
            ratios = Ratios(Ratio(0.35, 0.1, 1.2), None, None)
            return {"ratio_to_baseline": ratios, "cpu_us_per_request": Estimate(100.0, 90.0, 110.0)}
        return {"verdict": "invalid"} if (name, level) == invalid else {}

    changed = grouped(
        replace(each, **change(each.name, each.case.users)) for each in flat(synthetic.with_users(FACTORS))
    )
    figure = users.draw(changed, RUN)
    by_rate, by_cost = figure.axes
    granian = by_rate.lines[0]
    assert [math.isnan(y) for y in granian.get_ydata()] == [False, True, False]
    assert len(by_rate.collections) == len(by_cost.collections) - 1 == 5
    assert words_in(figure).count("no interval: too few rounds") == 1
