from __future__ import annotations

import json

from harness.model.loads import Rate
from harness.report.badge import NO_RESULT, describe_result, make_badge
from harness.report.sections import make_sections
from tests import synthetic
from tests.reported import COMPARISONS, RUN, SWEEP, without_baseline
from tests.synthetic import under


def result(factors: dict[int, dict[str, float]]) -> str:
    return describe_result(RUN, make_sections(RUN, synthetic.with_users(factors)))


def test_a_badge_says_who_is_first_most_often() -> None:
    assert result({8: {"uvicorn": 1.0, "granian": 1.4}}) == "granian"
    first = {"uvicorn": 1.0, "granian": 0.5}
    second = {"uvicorn": 1.0, "granian": 1.4}
    assert result({8: first, 32: first, 128: second}) == "uvicorn in 2 of 3"
    assert result({8: first, 128: second}) == "uvicorn and granian each in 1 of 2"


def test_without_a_rank_a_badge_is_grey() -> None:
    badge = json.loads(make_badge(RUN, []))
    assert (badge["message"], badge["color"]) == (NO_RESULT, "lightgrey")
    assert describe_result(SWEEP, make_sections(SWEEP, synthetic.sweep())) == NO_RESULT


def test_a_badge_has_what_its_schema_demands() -> None:
    sections = make_sections(RUN, COMPARISONS)
    badge = json.loads(make_badge(RUN, sections))
    assert badge.keys() == {"schemaVersion", "label", "message", "color"}
    assert badge["schemaVersion"] == 1
    assert badge["label"] == "fastest server"
    assert badge["message"]
    assert badge["color"] == "blue"
    assert json.loads(make_badge(under(RUN, load=Rate(500.0)), sections))["label"] == "lowest p99 server"
    run, comparisons = without_baseline()
    assert "granian" in json.loads(make_badge(run, make_sections(run, comparisons)))["message"]
