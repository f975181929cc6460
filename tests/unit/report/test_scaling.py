from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from harness.model.summaries import Estimate
from harness.report import scaling
from harness.report.sections import make_sections
from tests import synthetic
from tests.reported import RUN
from tests.synthetic import flat, grouped, under

if TYPE_CHECKING:
    from collections.abc import Sequence


def grown(*, one: Sequence[float], four: Sequence[float], rounds: int = 5) -> str:
    """What is said of a server with these rates, in requests per second, with one worker and with four."""
    run = under(RUN, workers=(1, 4), rounds=rounds, control=True)
    rates = {1: tuple(one), 4: tuple(four)}
    alone = flat(synthetic.with_workers((1, 4), 0.5))
    controls = [replace(each, case=replace(each.case, control=True), name="uvicorn (control)") for each in alone]
    comparisons = grouped(
        replace(
            each,
            rounds=len(rates[each.case.workers]),
            throughput_by_round_rps=rates[each.case.workers],
            throughput_rounds=tuple(range(1, 1 + len(rates[each.case.workers]))),
            throughput_rps=Estimate(rates[each.case.workers][0], 1.0, 1e6),
        )
        for each in [*alone, *controls]
    )
    found = make_sections(run, comparisons)
    return scaling.sentence(run, found[1], found)


def test_each_worker_count_is_a_comparison_and_the_most_are_compared_with_the_fewest() -> None:
    found = make_sections(RUN, synthetic.with_workers((1, 2, 4), 0.5))
    assert [section.title for section in found] == [
        f"plaintext over HTTP/1.1 with {count}" for count in ("1 worker", "2 workers", "4 workers")
    ]
    shown = [scaling.sentence(RUN, section, found) for section in found]
    assert shown[:2] == ["", ""]
    growth = "With 4 workers instead of 1, uvicorn answers 2.50× as many. The servers had 1 CPU"
    assert shown[2].startswith(growth)
    assert shown[2].endswith("The servers had 1 CPU: beyond that nothing can scale.")


@pytest.mark.parametrize(
    ("cpus", "share"),
    [((), " (62 % of what the CPUs allow)"), ((0,), ""), ((0, 1), " (125 % of"), ((0, 1, 2, 3, 4), " (62 % of")],
)
def test_growth_is_a_share_of_what_the_cpus_allow(cpus: tuple[int, ...], share: str) -> None:
    run = replace(RUN, environment=replace(RUN.environment, server_cpus=cpus))
    found = make_sections(run, synthetic.with_workers((1, 2, 4), 0.5))
    said = scaling.sentence(run, found[2], found)
    assert said.startswith(f"With 4 workers instead of 1, uvicorn answers 2.50× as many{share}")
    assert "of what" in said or not share


def test_growth_has_an_interval_paired_by_round_if_no_round_is_missing() -> None:
    paired = grown(one=(100, 200, 400, 800, 1600), four=(200, 400, 800, 1600, 3200))
    assert paired.startswith("With 4 workers instead of 1, uvicorn answers 2.00× as many.")
    assert "paired" not in paired
    some = grown(one=(100, 101), four=(200, 210, 205, 190, 195))
    assert re.search(r"uvicorn answers [\d.]+× as many \([\d.]+ – [\d.]+\)", some)
    assert "The rounds of uvicorn could not be paired." in some


def test_neither_a_single_round_nor_an_invalid_number_shows_growth() -> None:
    assert grown(one=(100,), four=(592,), rounds=1) == ""
    assert grown(one=(100,), four=(590, 592)) == ""
    found = make_sections(
        RUN, grouped(replace(each, verdict="invalid") for each in flat(synthetic.with_workers((1, 4), 0.5)))
    )
    assert scaling.sentence(RUN, found[1], found) == ""


def test_the_control_shows_no_growth() -> None:
    assert "control" not in grown(one=(100, 110), four=(200, 210), rounds=2)
