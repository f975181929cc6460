"""Waiting for what the app notes."""

from __future__ import annotations

import pytest

from harness.check.target import wait_for


def test_waiting_ends_as_soon_as_the_condition_is_true() -> None:
    values = iter([None, 0, "there", "too late"])
    assert wait_for(lambda: next(values), 60) == "there"


@pytest.mark.parametrize("within_s", [0, 0.01])
def test_the_last_value_is_returned_when_the_time_is_up(within_s: float) -> None:
    assert wait_for(lambda: None, within_s) is None
