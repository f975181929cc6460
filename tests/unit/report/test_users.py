from __future__ import annotations

from typing import TYPE_CHECKING

from harness.report import users
from harness.report.page import make_page
from harness.report.sections import make_sections
from tests import synthetic
from tests.reported import RUN

if TYPE_CHECKING:
    from collections.abc import Mapping


def said(factors: Mapping[int, Mapping[str, float]]) -> list[str]:
    """What is said of each number of users, where servers answer so many times what the first of them answers."""
    sections = make_sections(RUN, synthetic.with_users(factors))
    return [users.sentence(each, sections) for each in sections]


def test_each_number_of_users_is_a_comparison_and_its_title_says_so() -> None:
    sections = make_sections(
        RUN, synthetic.with_users({8: {"uvicorn": 1, "granian": 2}, 32: {"uvicorn": 1, "granian": 2}})
    )
    assert [each.title for each in sections] == [
        "plaintext over HTTP/1.1 with 8 users",
        "plaintext over HTTP/1.1 with 32 users",
    ]


def test_if_candidates_change_places_a_sentence_says_so_once() -> None:
    change = (
        "The order changes with the number of users: "
        "uvicorn is before granian with 8 users, granian before uvicorn with 128 users."
    )
    factors = {
        8: {"uvicorn": 1.0, "granian": 0.35},
        32: {"uvicorn": 1.0, "granian": 0.5},
        128: {"uvicorn": 1.0, "granian": 1.2},
    }
    assert said(factors) == ["", "", change]
    page = make_page(RUN, synthetic.with_users(factors), [])
    assert [change in sentence for sentence, _ in page.answers] == [False, False, True]


def test_candidates_that_change_places_twice_are_said_to_differ_at_the_levels_where_they_do() -> None:
    last = said({8: {"a": 1.0, "b": 2.0}, 32: {"a": 1.0, "b": 0.5}, 128: {"a": 1.0, "b": 2.0}})[-1]
    assert last == "The order changes with the number of users: b is before a with 8 users, a before b with 32 users."


def test_if_the_order_stays_nothing_is_said() -> None:
    assert said({8: {"uvicorn": 1, "granian": 2}, 32: {"uvicorn": 1, "granian": 3}}) == ["", ""]
    assert said({8: {"uvicorn": 1, "granian": 2}}) == [""]


def test_of_many_changes_three_are_named_and_the_others_counted() -> None:
    last = said({8: {"a": 1.0, "b": 0.9, "c": 0.8, "d": 0.7}, 32: {"a": 1.0, "b": 1.1, "c": 1.2, "d": 1.3}})[-1]
    assert last.count("with 8 users") == 3
    assert last.endswith("; 3 more pairs of candidates too.")
