from __future__ import annotations

from dataclasses import replace

from harness.report.matrix import make_matrices
from harness.report.sections import make_sections
from tests import synthetic
from tests.reported import COMPARISONS, RUN
from tests.synthetic import flat, grouped, no_faults


def test_each_figure_has_a_ratio_to_the_best_and_shared_places_are_bracketed() -> None:
    cases = flat(synthetic.summaries(("uvicorn", "granian", "daphne"), [("json", "h1")], no_faults, 1_200))
    ranks = {"uvicorn": 1, "granian": 1, "daphne": 3}
    cases = [replace(each, rank=ranks[each.name], ranks={"memory": 1}) for each in cases]
    matrices = {each.measure: each for each in make_matrices(make_sections(RUN, grouped(cases)))}
    assert list(matrices) == ["throughput", "p99", "cpu", "memory"]
    shown = {line.name: line.entries[0] for line in matrices["throughput"].lines}
    assert shown["granian"].text.startswith("[")
    assert shown["uvicorn"].text.startswith("[")
    assert shown["daphne"].text == f"{shown['daphne'].share:.2f}×"
    assert shown["daphne"].share is not None
    assert shown["daphne"].share < 0.5
    memory = {line.name: line.entries[0] for line in matrices["memory"].lines}
    assert all(each.text.startswith("[") for each in memory.values()), "all share the first place"
    costs = {line.name: line.entries[0] for line in matrices["cpu"].lines}
    assert float(costs["daphne"].text.strip("×")) > 2, "a cost is more than that of the best"


def test_a_case_without_a_valid_number_has_its_verdict_and_no_share() -> None:
    matrices = make_matrices(make_sections(RUN, COMPARISONS))
    for matrix in matrices:
        for line in matrix.lines:
            for entry in line.entries:
                assert entry.verdict == "valid" or (entry.share is None and entry.text == entry.verdict)


def test_the_best_on_the_whole_come_first_and_a_single_candidate_has_no_matrix() -> None:
    matrix = make_matrices(make_sections(RUN, COMPARISONS))[0]
    assert matrix.lines[-1].name == "daphne"
    assert make_matrices(make_sections(RUN, synthetic.summaries(("uvicorn",), [("json", "h1")]))) == []
    assert make_matrices([]) == []
