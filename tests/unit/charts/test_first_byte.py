from __future__ import annotations

from dataclasses import replace

from harness.charts import first_byte
from harness.model.summaries import CaseSummary, Latency
from tests.drawings import words_in
from tests.reported import COMPARISONS, RUN


def with_first_byte(case: CaseSummary, share: float) -> CaseSummary:
    """The case with bodies that begin at this share of the median response time."""
    p50 = case.latency_us.p50
    return replace(case, first_byte_us=Latency(p50=p50 and replace(p50, median=share * p50.median)))


def test_bodies_that_come_at_once_need_no_chart() -> None:
    at_once = [
        replace(each, summaries=tuple(with_first_byte(case, 1.0) for case in each.summaries)) for each in COMPARISONS
    ]
    assert first_byte.draw(COMPARISONS, RUN) is None, "a run of an earlier version"
    assert first_byte.draw(at_once, RUN) is None


def test_each_candidate_has_the_first_byte_and_the_end() -> None:
    first, *others = COMPARISONS
    streamed = replace(first, summaries=tuple(with_first_byte(case, 0.25) for case in first.summaries))
    valid = [case for case in streamed.summaries if case.verdict == "valid"]
    words = words_in(first_byte.draw([streamed, *others], RUN))
    assert {case.name for case in valid} <= set(words)
    assert sum(word.endswith(" ms first byte") for word in words) == len(valid)
    assert sum(word.endswith(" ms end") for word in words) == len(valid)
