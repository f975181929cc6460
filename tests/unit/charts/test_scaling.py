from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from harness.charts import scaling
from harness.charts._colours import GROUND
from tests import synthetic
from tests.drawings import words_in
from tests.reported import RUN
from tests.synthetic import flat, grouped

if TYPE_CHECKING:
    from harness.model.run_info import RunInfo


def with_cpus(count: int) -> RunInfo:
    """A run whose servers had so many CPUs; it is not known how many if 0."""
    return replace(RUN, environment=replace(RUN.environment, server_cpus=tuple(range(count))))


@pytest.mark.parametrize(("cpus", "allowed"), [(0, (1, 2, 4)), (1, (1, 1, 1)), (2, (1, 2, 2)), (8, (1, 2, 4))])
def test_medians_are_drawn_against_what_the_cpus_allow(cpus: int, allowed: tuple[int, ...]) -> None:
    comparisons = synthetic.with_workers((1, 2, 4), 0.5, ("daphne", "uvicorn"))
    (axes,) = scaling.draw(comparisons, with_cpus(cpus)).axes
    measured = [line for line in axes.lines if len(line.get_xdata()) == 3 and line.get_linestyle() != ":"]
    ideals = [line for line in axes.lines if line.get_linestyle() == ":"]
    for name, line, ideal in zip(("daphne", "uvicorn"), measured, ideals, strict=True):
        medians = [each.throughput_rps.median for each in flat(comparisons) if each.name == name]
        assert [round(each) for each in line.get_xdata()] == [1, 2, 4]
        assert list(line.get_ydata()) == medians
        assert list(ideal.get_ydata()) == pytest.approx([times * medians[0] for times in allowed])


def test_no_line_is_drawn_through_numbers_that_are_not_valid() -> None:
    comparisons = synthetic.with_workers((1, 2, 4), 0.5, ("daphne", "uvicorn"))
    bad = {("daphne", 1), ("daphne", 4), ("uvicorn", 1)}
    mixed = grouped(
        replace(each, verdict="invalid") if (each.name, each.case.workers) in bad else each
        for each in flat(comparisons)
    )
    (axes,) = scaling.draw(mixed, with_cpus(4)).axes
    daphne, uvicorn = [line for line in axes.lines if len(line.get_xdata()) == 3]
    assert [math.isnan(y) for y in daphne.get_ydata()] == [True, False, True]
    assert [math.isnan(y) for y in uvicorn.get_ydata()] == [True, False, False]
    (ideal,) = [line for line in axes.lines if line.get_linestyle() == ":"]
    two = next(
        each.throughput_rps.median for each in flat(comparisons) if (each.name, each.case.workers) == ("uvicorn", 2)
    )
    assert list(ideal.get_ydata()) == pytest.approx([two, 2 * two])
    assert sum(line.get_markerfacecolor() == GROUND for line in axes.lines) == 3


def test_both_scales_are_logarithmic_where_slow_candidates_would_be_squeezed() -> None:
    alike, apart = (synthetic.with_workers((1, 2), 0.5, names) for names in (("uvicorn",), ("uvicorn", "django")))
    slow = grouped(
        synthetic.times(each, 0.05, each.case.workers) if each.name == "django" else each for each in flat(apart)
    )
    for comparisons, scale in ((alike, "linear"), (slow, "log")):
        (axes,) = scaling.draw(comparisons, RUN).axes
        assert (axes.get_xscale(), axes.get_yscale()) == (scale, scale)
        assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2"]


def test_the_caption_says_how_many_cpus_there_were_and_there_must_be_two_worker_counts() -> None:
    said = " ".join(words_in(scaling.draw(synthetic.with_workers((1, 2), 0.9), with_cpus(3))))
    assert "The servers had 3 CPUs: beyond that nothing can scale." in said
    assert scaling.draw(synthetic.with_workers((2,), 0.9), RUN) is None
