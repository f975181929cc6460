"""Whose limit a rate against the null server is."""

from __future__ import annotations

import pytest

from harness.run.calibration.ceiling import Ceiling, Try
from tests import builders


@pytest.mark.parametrize(
    ("generator", "null_server", "of_generator"),
    [(0.99, 0.6, True), (0.6, 0.99, False), (0.97, 0.99, True), (0.5, 0.4, False), (0.99, None, True)],
    ids=["generator", "null server", "both", "neither, on a busy machine", "without samples"],
)
def test_the_generator_was_the_limit_if_it_used_its_core_and_was_not_less_busy_than_the_null_server(
    generator: float, null_server: float | None, *, of_generator: bool
) -> None:
    result = builders.load_result(32_461, cpu_ratio=generator)
    assert Try(result, null_server).ceiling == Ceiling(32_461, of_generator)
