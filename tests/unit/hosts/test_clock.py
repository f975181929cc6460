"""Times of another machine's clock, told in those of this one's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.hosts.clock import rebase
from harness.model.clocks import Offset
from harness.model.records import Sample

SECOND_NS = 1_000_000_000


def sample(at_ns: int) -> Sample:
    return Sample(at_ns, 0.0, 1)


def test_a_sample_halfway_between_the_offsets_is_halfway_here_too() -> None:
    before, after = Offset(0, 1_000_000, 5), Offset(2_000, 1_002_000, 5)
    (found,) = rebase([sample(1_001_000)], before, after)
    assert found.at_ns == 1_000


def test_two_offsets_at_the_same_time_are_one() -> None:
    only = Offset(500, 9_000, 5)
    assert [each.at_ns for each in rebase([sample(9_000), sample(9_100)], only, only)] == [500, 600]


@given(
    start_ns=st.integers(0, 10**15),
    offset_ns=st.integers(-(10**15), 10**15),
    drift=st.floats(-1e-4, 1e-4),
    errors_ns=st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)),
    at_s=st.floats(0.0, 100.0),
)
def test_times_are_wrong_by_no_more_than_the_offsets_are(
    start_ns: int, offset_ns: int, drift: float, errors_ns: tuple[int, int], at_s: float
) -> None:
    """Also if one clock is faster than the other."""
    length_ns = 100 * SECOND_NS

    def there(passed_ns: int) -> int:
        return start_ns + offset_ns + round(passed_ns * (1 + drift))

    before = Offset(start_ns + errors_ns[0], there(0), errors_ns[0])
    after = Offset(start_ns + length_ns - errors_ns[1], there(length_ns), errors_ns[1])
    passed_ns = round(at_s * SECOND_NS)
    (found,) = rebase([sample(there(passed_ns))], before, after)
    assert abs(found.at_ns - (start_ns + passed_ns)) <= max(errors_ns) + 1_000
