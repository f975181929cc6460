"""Checks, their expectations, and findings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.check.model import (
    ANY_APP,
    EVIDENCE_CHARACTERS,
    HTTP1,
    HTTP1_CLEAR,
    Attempt,
    Family,
    Finding,
    bounded,
    judge,
    passed,
)
from harness.check.target import Target


@given(st.text(max_size=10_000))
def test_evidence_is_bounded(text: str) -> None:
    assert len(bounded(text)) <= EVIDENCE_CHARACTERS
    assert bounded(text).startswith(text[:900])


def test_the_docstring_of_a_check_is_its_expectation_in_one_line() -> None:
    family = Family(HTTP1_CLEAR, ANY_APP)

    @family.check("one", "One", "RFC 1 §1", level="should", protocols=HTTP1, quote="SHOULD.", consequence="No.")
    def one(_: Target) -> Finding:
        """A server SHOULD answer.

        Any status passes.
        """
        return passed("")

    (check,) = family
    assert check.expectation == "A server SHOULD answer. Any status passes."
    assert (check.protocols, check.interfaces, check.level) == (HTTP1, ANY_APP, "should")
    assert check.run is one
    assert (check.quote, check.consequence) == ("SHOULD.", "No.")


def test_a_check_without_an_expectation_is_refused() -> None:
    with pytest.raises(ValueError, match="check one: expected a docstring"):
        Family(HTTP1).check("one", "One", "RFC 1 §1", consequence="No answers.")(lambda _: passed(""))


def test_wrong_cases_are_named_with_their_transcripts_and_right_ones_are_not() -> None:
    right, wrong = Attempt("a: 400", True, "→ a"), Attempt("b: 200", False, "→ b")
    assert judge([right, wrong], "a refusal") == Finding("fail", "expected a refusal, found for b: 200\n→ b")
    assert judge([right, right], "a refusal") == Finding("pass", "a: 400; a: 400\n→ a")
