"""A part of a run has the same figures, and says that it is a part."""

from __future__ import annotations

import pytest

from harness.analysis.narrowing import narrow
from harness.analysis.summarise import summarise
from harness.model.errors import UsageError
from harness.model.plan import Case
from tests.builders import record, run_info

CASES = [
    Case(server, "asgi", scenario, "h1", users=users, control=control)
    for scenario in ("plaintext", "json")
    for users in (8, 32)
    for server, control in (("a", False), ("a", True), ("b", False))
]
RECORDS = [record(case, number) for number in range(3) for case in CASES]
RUN = run_info(users=(8, 32), planned=tuple(CASES))


def test_a_part_has_the_figures_of_the_whole_and_its_controls() -> None:
    run, records = narrow(RUN, RECORDS, {"users": "32", "scenarios": "plaintext", "servers": "a"})
    assert {each.case for each in records} == {case for case in CASES[3:6] if case.server == "a"}
    assert (run.conditions.users, len(run.planned)) == ((32,), 2)
    assert run.part == ("users 32, of 8 and 32", "scenarios plaintext, of plaintext and json", "servers a, of a and b")
    whole = {each.case: each for comparison in summarise(RECORDS, [], RUN) for each in comparison.summaries}
    for comparison in summarise(records, [], run):
        for each in comparison.summaries:
            assert each.throughput_rps == whole[each.case].throughput_rps


def test_what_leaves_nothing_out_is_the_whole_run() -> None:
    assert narrow(RUN, RECORDS, {}) == (RUN, RECORDS)
    assert narrow(RUN, RECORDS, {"users": "32,8"}) == (RUN, RECORDS)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("users", "16", "--users: expected any of 8, 32, found 16"),
        (
            "scenarios",
            "plaintxt",
            "--scenarios: expected any of plaintext, json, found plaintxt; did you mean plaintext?",
        ),
        ("servers", "", "--servers: expected any of a, b, found "),
    ],
)
def test_a_value_that_the_run_has_not_is_told(name: str, text: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        narrow(RUN, RECORDS, {name: text})
    assert str(raised.value) == said
