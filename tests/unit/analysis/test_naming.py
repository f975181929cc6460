from __future__ import annotations

import pytest

from harness.analysis.naming import TITLES, Naming
from harness.model.plan import Candidate

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
