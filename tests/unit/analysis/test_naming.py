from __future__ import annotations

from dataclasses import replace

import pytest

from harness.analysis.naming import TITLES, Levels, Naming
from harness.model.plan import Candidate, Case

UVICORN, GRANIAN = Candidate("uvicorn", "asgi"), Candidate("granian", "asgi")
CONTROL, FASTAPI = Candidate("uvicorn", "asgi", control=True), Candidate("uvicorn", "fastapi")


@pytest.mark.parametrize(
    ("candidates", "title", "names"),
    [
        ([UVICORN], "Server", ["uvicorn"]),
        ([UVICORN, GRANIAN], "Server", ["uvicorn", "granian"]),
        ([UVICORN, CONTROL], "Server", ["uvicorn", "uvicorn (control)"]),
        ([UVICORN, FASTAPI, CONTROL], "App", ["asgi", "fastapi", "asgi (control)"]),
        (
            [UVICORN, FASTAPI, GRANIAN, CONTROL],
            "App on server",
            ["asgi on uvicorn", "fastapi on uvicorn", "asgi on granian", "asgi on uvicorn (control)"],
        ),
    ],
)
def test_candidates_are_named_after_what_there_are_several_of(
    candidates: list[Candidate], title: str, names: list[str]
) -> None:
    naming = Naming.of(candidates)
    assert naming.title == title
    assert title in TITLES
    assert [naming.name(each) for each in candidates] == names


def test_without_candidates_the_column_is_that_of_servers() -> None:
    assert Naming.of([]).title == "Server"


def test_comparisons_are_named_after_the_numbers_that_there_are_several_of() -> None:
    one = Case("a", "asgi", "plaintext", "h1", users=8, workers=1)
    two, four = replace(one, users=32), replace(one, workers=4)
    assert Levels.of([one]).names(one) == []
    assert Levels.of([one, two]).names(two) == ["32 users"]
    assert Levels.of([one.comparison, four.comparison]).names(four) == ["4 workers"]
    assert Levels.of([one, two, four]).names(one) == ["8 users", "1 worker"]
    far = replace(one, rtt_s=0.0005)
    assert Levels.of([one, far]).names(far) == ["0.5 ms RTT"]
    assert Levels.of([one.comparison, far.comparison]).names(one) == ["0 ms RTT"]
    assert Levels.of([far]).names(far) == []
