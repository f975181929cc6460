"""Any bytes in any pieces, and messages that are nearly right, once and without end: `tests/fuzz/targets.py` judges."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.load.exchange import Failure
from tests.endless import ENDLESS
from tests.fuzz.targets import BEGINNINGS, SEEDS, TARGETS, arrange

PLACES = st.lists(st.integers(0, 2**16 - 1), max_size=7)


@st.composite
def changed(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """Some of the seeds, with a few bytes replaced, removed or added."""
    data = bytearray(b"".join(draw(st.lists(st.sampled_from(seeds), max_size=5))))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=3))
    return bytes(data)


@pytest.mark.parametrize("name", TARGETS)
@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_parser_bears_any_bytes(name: str, data: st.DataObject) -> None:
    given = data.draw(changed(SEEDS[name]) | st.binary(max_size=100))
    TARGETS[name](arrange(given, data.draw(PLACES)))


@pytest.mark.parametrize(
    ("name", "beginning"), [(name, each) for name, several in BEGINNINGS.items() for each in several]
)
def test_a_parser_bears_each_part_of_a_message_over_and_over(name: str, beginning: bytes) -> None:
    for seed in SEEDS[name]:
        TARGETS[name](arrange(beginning + seed, [], repeated_from=len(beginning)))


@pytest.mark.parametrize(("name", "what"), [(name, what) for name, several in ENDLESS.items() for what in several])
def test_what_comes_without_end_is_too_large(name: str, what: str) -> None:
    beginning, part = ENDLESS[name][what]
    arrived = TARGETS[name](arrange(beginning + part, [], repeated_from=len(beginning)))
    assert "too large" in {each.kind for each in arrived if isinstance(each, Failure)}
