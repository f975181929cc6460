"""The chart of the releases of a server."""

from __future__ import annotations

import pytest

from harness.charts import releases
from harness.model.summaries import ComparisonSummary
from tests import synthetic
from tests.drawings import fits, svg_of, words_in
from tests.reported import COMPARISONS
from tests.synthetic import no_faults

NAMES = ("granian@2.8.9", "granian@2.8.10", "granian@2.8.2")


def measured(names: tuple[str, ...], *, control: bool = False) -> list[ComparisonSummary]:
    """Releases on plaintext, the first of them the baseline."""
    return synthetic.summaries(names, [("plaintext", "h1")], no_faults, 200, control=control)


def test_releases_are_in_the_order_of_their_versions_with_their_ratios() -> None:
    comparisons = measured(NAMES)
    figure = releases.draw(comparisons, synthetic.run_info(NAMES))
    throughput, cpu = figure.axes
    assert [label.get_text() for label in throughput.get_xticklabels()] == ["2.8.2", "2.8.9", "2.8.10"]
    ratios = {each.case.server: each.ratio_to_baseline for each in comparisons[0].summaries}
    (line,) = [line for line in throughput.lines if len(line.get_xdata()) == 3]
    ordered = [ratios[f"granian@{version}"] for version in ("2.8.2", "2.8.9", "2.8.10")]
    assert list(line.get_ydata()) == [each.throughput.value for each in ordered]
    assert (throughput.get_ylabel(), cpu.get_ylabel()) == (
        "throughput ÷ granian@2.8.9",
        "CPU per request ÷ granian@2.8.9",
    )
    assert figure.words[0].startswith("plaintext · HTTP/1.1, throughput ÷ granian@2.8.9: 2.8.2 ")
    assert figure.words == tuple(releases.tell(comparisons))
    assert fits(figure)
    assert svg_of(figure) == svg_of(releases.draw(comparisons, synthetic.run_info(NAMES)))


def test_the_control_stands_beside_the_release_that_it_is_a_second_entry_of() -> None:
    comparisons = measured(NAMES, control=True)
    figure = releases.draw(comparisons, synthetic.run_info(NAMES, control=True))
    assert {"granian", "granian (control)"} <= set(words_in(figure))
    assert ", granian (control): 2.8.9 " in figure.words[1]


def test_a_release_that_did_not_start_is_missing_and_the_others_are_there() -> None:
    fault = synthetic.Fault("failed", ("it did not start",))
    comparisons = synthetic.summaries(
        NAMES, [("plaintext", "h1")], lambda case: fault if case.server == NAMES[1] else None, 200
    )
    words = releases.tell(comparisons)[0]
    assert "2.8.2 " in words
    assert "2.8.10 " not in words


@pytest.mark.parametrize(
    "names", [("granian@2.8.9", "uvicorn"), ("granian", "uvicorn"), ("granian@2.8.9", "uvicorn@1")]
)
def test_one_release_of_each_server_is_no_series(names: tuple[str, ...]) -> None:
    assert releases.draw(measured(names), synthetic.run_info(names)) is None
    assert releases.draw(COMPARISONS, synthetic.run_info()) is None
    assert releases.draw([], synthetic.run_info()) is None
