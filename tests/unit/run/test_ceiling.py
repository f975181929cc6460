"""Whose limit a rate against the null server is."""

from __future__ import annotations

import pytest

from harness.run.calibration.ceiling import Ceiling, Try
from tests import builders


@pytest.mark.parametrize(
    ("generator", "null_server", "of_generator"),
    [(0.99, 0.6, True), (0.6, 0.99, False), (0.97, 0.99, True), (0.4, 0.5, False), (0.4, None, True)],
    ids=["generator", "null server", "both", "the busier one of a busy machine", "without samples"],
)
def test_the_busier_of_generator_and_null_server_was_the_limit(
    generator: float, null_server: float | None, *, of_generator: bool
) -> None:
    result = builders.load_result(32_461, cpu_ratio=generator)
    assert Try(result, null_server).ceiling == Ceiling(32_461, of_generator)
