"""What a link carried in the slices of a case, and whether that was its limit."""

from __future__ import annotations

from typing import Any

import pytest

from harness.analysis.link import LinkUse, measure_use
from harness.analysis.verdict import Surroundings, judge
from harness.model.link import NEAR, Interface, Link, LinkSample, LinkSpeed
from harness.model.plan import Case
from harness.model.results import Connections
from tests.builders import load_result, load_slices

SECOND_NS = 1_000_000_000
FAST = LinkSpeed(NEAR, 0.001, 0.001, 125e6, 20_000.0, 80_000.0, limited_bytes=True, limited_packets=True)
CASE = Case("uvicorn", "asgi", "plaintext", "h1", users=8)


def link(*speeds: LinkSpeed) -> Link:
    return Link("network", "192.0.2.1", "192.0.2.2", Interface("eth0", 1500, 1000, "e1000", ()), None, speeds)


def carried(received_per_s: int, sent_per_s: int, line_cpu_ratio: float | None = None) -> list[LinkSample]:
    """Samples of three seconds in which packets of 100 bytes went at these rates."""
    return [
        LinkSample(
            at * SECOND_NS,
            *(100 * at * received_per_s, 100 * at * sent_per_s, at * received_per_s, at * sent_per_s),
            line_cpu_s=None if line_cpu_ratio is None else at * line_cpu_ratio,
        )
        for at in range(4)
    ]


SLICES = load_slices([1000], SECOND_NS)


def test_the_busier_direction_counts() -> None:
    use = measure_use(carried(10, 30), SLICES, link(FAST), line_has_cpu=True)
    assert use == LinkUse(pytest.approx(3000.0), pytest.approx(30.0), 125e6, 80_000.0)


def test_a_limit_that_was_not_the_links_is_not_known() -> None:
    unknown = LinkSpeed(NEAR, 0.001, 0.001, 2e9, 60_000.0, 60_000.0)
    for known in (link(unknown), link(), None):
        use = measure_use(carried(10, 30), SLICES, known, line_has_cpu=True)
        assert (use.limit_bytes_per_s, use.limit_packets_per_s) == (None, None)


def test_without_samples_nothing_is_known() -> None:
    assert measure_use([], SLICES, link(FAST), line_has_cpu=True).bytes_per_s is None


def test_what_carries_the_packets_takes_cpu_time() -> None:
    assert measure_use(carried(1, 1, 0.4), SLICES, None, line_has_cpu=False).line_cpu_ratio == pytest.approx(0.4)


BYTES = "the link carried 105 MB/s, 84 % of what it can; limit 80 %"
PACKETS = "the link carried 70,000 packets/s, 87.5 % of what it can; limit 80 %"
LINE = "the delay line used 95 % of a core; limit 90 %"
BOTH = "the delay line and the generator on its CPU used 95 % of a core; limit 90 %"


@pytest.mark.parametrize(
    ("use", "server_cpu_ratio", "reason"),
    [
        (LinkUse(99e6, 10.0, 125e6, None), 0.5, ""),
        (LinkUse(105e6, 10.0, 125e6, None), 0.5, BYTES),
        (LinkUse(1.0, 70_000.0, None, 80_000.0), 0.5, PACKETS),
        (LinkUse(105e6, 10.0, 125e6, None), 0.97, ""),
        (LinkUse(105e6, 10.0, 125e6, None), None, BYTES),
        (LinkUse(1.0, 1.0, None, None, 0.95), 0.5, LINE),
        (LinkUse(1.0, 1.0, None, None, 0.5), 0.3, ""),
        (LinkUse(1.0, 1.0, None, None, 0.5, line_has_cpu=False), 0.3, BOTH),
    ],
)
def test_a_number_near_what_the_link_carries_is_network_limited(
    use: LinkUse, server_cpu_ratio: float | None, reason: str
) -> None:
    result = load_result(
        response_us=[1580] * 10_000,
        slices=load_slices([10_000], 2 * SECOND_NS, in_flight=7.9),
        started=10_500,
        finished=10_500,
        connections=Connections(opened=8, negotiated="http/1.1"),
        cpu_ratio=0.45,
    )
    around: dict[str, Any] = {"steal_ratio": 0.0, "other_cpu_ratio": 0.0, "ceiling_rps": None, "disjoint": True}
    found = judge(CASE, result, Surroundings(server_cpu_ratio, 1, **around, link=use))
    assert found == (("network-limited", (reason,)) if reason else ("valid", ()))
