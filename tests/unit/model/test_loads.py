"""The texts of loads: which are read, and which are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.loads import EXPECTED, Capacity, Load, Rate, Saturate, Sweep, parse_load, write_load


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
    read = parse_load(text)
    assert (type(read), read) == (type(load), load)
    assert hash(read) == hash(load)


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
        parse_load(text)
    assert str(caught.value) == f"{EXPECTED}, found {text}"


@given(st.integers(1, 10_000_000), st.sampled_from(["uniform", "poisson"]))
def test_a_rate_is_written_as_it_is_read(rps: int, arrivals: str) -> None:
    rate = Rate(float(rps), "poisson" if arrivals == "poisson" else "uniform")
    read = parse_load(str(rate))
    assert isinstance(read, Rate)
    assert (read.rps, read.arrivals) == (rate.rps, rate.arrivals)


@given(
    st.dictionaries(st.sampled_from([50.0, 90.0, 99.0, 99.9]), st.integers(1, 10_000_000), min_size=1),
    st.integers(0, 999).map(lambda per_mille: per_mille / 1000),
)
def test_a_capacity_is_written_as_it_is_read(limits_us: dict[float, int], error_share: float) -> None:
    read = parse_load(str(Capacity(limits_us, error_share)))
    assert isinstance(read, Capacity)
    assert read.limits_us == limits_us
    assert read.error_share == pytest.approx(error_share)


def test_loads_with_equal_texts_are_equal_and_others_are_not() -> None:
    assert Rate(5000) == parse_load("rate=5000")
    assert Rate(5000) != Rate(5000, "poisson")
    assert Saturate() != "saturate"


def test_encoders_get_the_text_of_a_load_and_an_error_for_anything_else() -> None:
    assert write_load(Rate(0.5)) == "rate=0.5"
    with pytest.raises(NotImplementedError, match="expected a load, found int"):
        write_load(1)
