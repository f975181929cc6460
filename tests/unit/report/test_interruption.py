from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from harness.report.page import make_page
from tests import synthetic
from tests.reported import RUN, SWEEP, interrupted_run
from tests.synthetic import flat, under

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.mark.parametrize(
    ("changes", "missing", "shown"),
    [
        ({}, (), "all 4 cases have a number; they have 1 to 2 of 5 rounds that count."),
        ({}, ("daphne",), "1 of 4 cases has no number yet; the others have 1 to 2 of 5 rounds that count."),
        ({}, ("uvicorn", "hypercorn", "daphne", "granian"), "4 of 4 cases have no number yet."),
        ({"planned": ()}, (), "the run is not complete."),
        (
            {"conditions": SWEEP.conditions},
            (),
            "all 4 cases have a number; they have 1 to 2 of 5 rounds that count, and open loops may be missing.",
        ),
    ],
)
def test_an_interrupted_run_says_how_far_it_came(
    changes: dict[str, object], missing: Sequence[str], shown: str
) -> None:
    run, comparisons = interrupted_run(*missing)
    assert make_page(replace(run, **changes), comparisons, []).interrupted[0] == f"Interrupted: {shown}"


def test_what_an_interrupted_run_lacks_is_named_as_in_its_tables() -> None:
    several = synthetic.with_apps(("uvicorn", "granian"), ("asgi", "fastapi"))
    planned = tuple(replace(each.case, workers=count) for count in (1, 2) for each in flat(several))
    run = replace(under(RUN, workers=(1, 2)), planned=planned, complete=False)
    shown = make_page(run, several, []).interrupted
    assert shown[1:] == [
        f"plaintext over HTTP/1.1 with 2 workers: {', '.join(each.name for each in flat(several))}",
    ]
