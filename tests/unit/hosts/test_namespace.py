from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.hosts.namespace import choose_addresses
from harness.model.errors import UsageError

NETWORKS = st.builds(
    lambda start, length: IPv4Network((start >> (32 - length) << (32 - length), length)),
    st.integers(0, 2**32 - 1),
    st.integers(8, 32),
)


@given(st.lists(NETWORKS, max_size=8))
def test_addresses_are_private_and_in_no_network_that_is_taken(taken: list[IPv4Network]) -> None:
    try:
        ours, theirs = map(IPv4Address, choose_addresses(taken))
    except UsageError:
        assert any(each.overlaps(IPv4Network("198.18.0.0/15")) for each in taken)
        assert any(each.overlaps(IPv4Network("10.0.0.0/8")) for each in taken)
        return
    assert int(theirs) == int(ours) + 1
    assert ours.is_private
    assert not any(address in each for each in taken for address in (ours, theirs))


def test_where_all_is_taken_a_line_says_so() -> None:
    with pytest.raises(UsageError, match=r"^--netns: expected free addresses in 198.18.0.0/15 or 10.0.0.0/8, found"):
        choose_addresses([IPv4Network("0.0.0.0/0")])
