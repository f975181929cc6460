"""The arithmetic of the soak: slopes with their intervals, and what is flat."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

PATH = Path(__file__).parents[2] / "benchmarks" / "soak.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("soak", PATH)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["soak"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


soak = load()


@given(
    st.lists(st.floats(-1e3, 1e3), min_size=4, max_size=20),
    st.floats(-100, 100),
)
def test_the_slope_is_that_of_least_squares_with_its_standard_error(values: list[float], trend: float) -> None:
    times_s = [60.0 * number for number in range(len(values))]
    values = [value + trend * at_s for value, at_s in zip(values, times_s, strict=True)]
    (slope, _), covariance = np.polyfit(times_s, values, 1, cov=True)
    found = soak.fit(times_s, values)
    assert found.per_hour == pytest.approx(3600 * slope, rel=1e-6, abs=1e-3)
    error = 3600 * np.sqrt(max(0.0, covariance[0, 0]))
    assert found.margin == pytest.approx(soak.t_97_5(len(values) - 2) * error, rel=1e-4, abs=0.1)


@pytest.mark.parametrize(
    ("per_hour", "margin", "verdict"),
    [
        (0.0, 0.5, "flat"),
        (0.9, 0.1, "flat"),
        (0.9, 0.2, "unclear"),
        (0.0, 5.0, "unclear"),
        (2.0, 0.9, "grows"),
        (-2.0, 0.9, "falls"),
    ],
)
def test_a_slope_is_judged_by_its_whole_interval(per_hour: float, margin: float, verdict: str) -> None:
    assert soak.Slope(10.0, per_hour, margin).judge(1.0) == verdict


def test_a_leak_is_seen() -> None:
    times_s = [60.0 * number for number in range(27)]
    memory = [100 + 0.05 * number + 0.01 * (number % 3) for number in range(27)]  # 3 MB per hour
    found = soak.fit(times_s, memory)
    assert found.per_hour == pytest.approx(3, rel=0.05)
    assert found.judge(1.0) == "grows"


@pytest.mark.parametrize(("text", "length_s"), [("30m", 1800), ("90s", 90), ("1.5h", 5400)])
def test_a_length_has_a_unit(text: str, length_s: float) -> None:
    assert soak.parse_length_s(text) == length_s
