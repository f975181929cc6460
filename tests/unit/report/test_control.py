from __future__ import annotations

from dataclasses import replace

import pytest

from harness.model.summaries import Ratio, Ratios
from harness.report import control, html, markdown
from harness.report.page import make_page
from harness.report.sections import make_sections
from harness.text.markdown import escape
from tests.reported import control_run
from tests.synthetic import grouped

CONTROL = "Control: uvicorn against itself on plaintext over HTTP/1.1: "


@pytest.mark.parametrize(
    ("throughput", "outcome"),
    [
        (
            Ratio(1.01, 0.98, 1.04),
            (
                "throughput 1.010 (0.980 – 1.040), CPU 1.000 (0.990 – 1.010): this run can detect differences above "
                "3 % in throughput and 1 % in CPU."
            ),
        ),
        (
            Ratio(1.0002, 0.9999, 1.0005),
            (
                "throughput 1.000 (1.000 – 1.000), CPU 1.000 (0.990 – 1.010): this run can detect differences above "
                "0.1 % in throughput and 1 % in CPU."
            ),
        ),
        (
            Ratio(0.94, 0.92, 0.97),
            (
                "throughput 0.940 (0.920 – 0.970), CPU 1.000 (0.990 – 1.010): this run can detect differences above "
                "1 % in CPU. It differs from itself by 6 % in throughput, and nothing was changed: do not believe "
                "differences of that size in throughput between other candidates. "
                "By chance alone, one figure in 20 shows a false difference."
            ),
        ),
    ],
)
def test_the_control_says_which_differences_the_run_can_detect(throughput: Ratio, outcome: str) -> None:
    run, comparisons = control_run(throughput)
    page = make_page(run, comparisons, [])
    assert page.control == [CONTROL + outcome]
    shown = markdown.render(page)
    assert shown.index("## Answer") < shown.index(escape(outcome)) < shown.index("## Each comparison")
    source = html.render(page, {})
    assert source.index('id="answer"') < source.index(" uvicorn against itself") < source.index('id="comparisons"')


@pytest.mark.parametrize(
    ("throughput", "rounds"), [(Ratio(1.2, 1.2, 1.2), 1), (Ratio(1.0, 0.3, 3.0), 2)], ids=["one round", "wide"]
)
def test_a_control_with_too_few_rounds_cannot_be_judged(throughput: Ratio, rounds: int) -> None:
    run, comparisons = control_run(throughput, rounds=rounds)
    wide = [replace(each, ratio_to_baseline=Ratios(throughput, None, None)) for each in comparisons[0].summaries]
    shown = control.lines(make_sections(run, grouped(wide)))
    assert shown == [f"{CONTROL}cannot be judged: too few rounds, or no valid number."]


def test_many_comparisons_with_the_control_are_summed_up() -> None:
    run, comparisons = control_run(Ratio(1.2, 1.1, 1.3), asked=4)
    total, one = control.lines(make_sections(run, comparisons))
    assert total == (
        "Control: uvicorn against itself in 4 comparisons: "
        "throughput: 1 of 4 differ, and this run can detect differences above 1 % to 20 %; "
        "CPU: no difference seen, and this run can detect differences above 1 %. "
        "By chance alone, one figure in 20 shows a false difference."
    )
    assert one.startswith(f"{CONTROL}throughput 1.200 (1.100 – 1.300), CPU 1.000 (0.990 – 1.010): ")


def test_a_control_that_is_unsupported_is_not_mentioned() -> None:
    run, comparisons = control_run(Ratio(1.0, 0.99, 1.01))
    silent = grouped(
        replace(each, verdict="unsupported", ratio_to_baseline=None, throughput_rps=None)
        for each in comparisons[0].summaries
    )
    assert control.lines(make_sections(run, silent)) == []


def test_a_figure_of_the_control_with_too_few_rounds_says_so_beside_the_others() -> None:
    run, comparisons = control_run(Ratio(1.1, 0.5, 2.0))
    (line,) = control.lines(make_sections(run, comparisons))
    assert line == (
        f"{CONTROL}throughput 1.100 (too few rounds), CPU 1.000 (0.990 – 1.010): "
        "this run can detect differences above 1 % in CPU."
    )
