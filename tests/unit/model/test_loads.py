"""What the text of a load means, and what it may not be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.loads import EXPECTED, Capacity, Load, Rate, Saturate, Sweep, level_of, load_of, rate_of


@pytest.mark.parametrize(
    ("text", "load"),
    [
        ("saturate", Saturate()),
        ("sweep", Sweep()),
        ("rate=5000", Rate(5000.0)),
        ("rate=0.5,arrivals=poisson", Rate(0.5, "poisson")),
        ("rate=7,arrivals=uniform", Rate(7.0)),
        ("capacity=p99<50ms", Capacity({99.0: 50_000})),
        ("capacity=p50<800us,p99.9<1.5s,errors<0.1%", Capacity({50.0: 800, 99.9: 1_500_000}, 0.001)),
    ],
)
def test_a_load_is_read(text: str, load: Load) -> None:
    assert load_of(text) == load
    assert rate_of(text) == (load if isinstance(load, Rate) else None)
    assert level_of(text) == (load if isinstance(load, Capacity) else None)


@pytest.mark.parametrize(
    "text",
    [
        *("", "rate", "rate=0", "rate=-1", "rate=5,arrivals=burst", "saturate=1", "sweep=1"),
        *("capacity", "capacity=", "capacity=errors<1%", "capacity=p95<1ms", "capacity=p99<0ms", "capacity=p99>1ms"),
        *("capacity=p99<50", "capacity=p99<50ms,", "capacity=p99<50ms,errors<1", "capacity=p99<50ms,errors<100%"),
        *("capacity=p99<50ms,p99<60ms", "capacity=p99<0.1us", "capacity=p99<50ms,errors<1%,errors<2%"),
    ],
)
def test_anything_else_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match="expected saturate") as caught:
        load_of(text)
    assert str(caught.value) == f"{EXPECTED}, found {text}"


@given(st.integers(1, 10_000_000), st.sampled_from(["uniform", "poisson"]))
def test_a_rate_is_written_as_it_is_read(rps: int, arrivals: str) -> None:
    rate = Rate(float(rps), "poisson" if arrivals == "poisson" else "uniform")
    assert load_of(str(rate)) == rate
