from __future__ import annotations

from dataclasses import replace

import pytest

from harness.analysis.distance import compare_rates
from harness.model.link import NEAR, Distance, Interface, Link, LinkSpeed
from harness.report import distance
from harness.report.link import describe_link
from harness.report.sections import make_sections
from tests.reported import RUN
from tests.synthetic import at_distances, flat, under

BY_RTT = {0.0: {"h1-tls": 1000.0, "h2": 800.0}, 0.02: {"h1-tls": 400.0, "h2": 420.0}}


def said(by_rtt: dict[float, dict[str, float]]) -> dict[str, str]:
    """What is said in each section, by its title."""
    sections = make_sections(RUN, at_distances(by_rtt))
    return {each.title: distance.sentence(RUN, each, sections) for each in sections}


def test_rounds_are_paired_only_if_both_have_all_of_them() -> None:
    one, other = (
        replace(each, throughput_by_round_rps=rates)
        for each, rates in zip(
            flat(at_distances({0.0: {"h2": 1.0, "h1-tls": 1.0}})),
            [(100.0, 200.0, 400.0), (50.0, 100.0, 200.0)],
            strict=True,
        )
    )
    paired, unpaired = (compare_rates(under(RUN, rounds=rounds), one, other) for rounds in (3, 4))
    assert paired is not None
    assert unpaired is not None
    assert paired.half_width == pytest.approx(0)
    assert unpaired.low < 1  # each may lack another round
    assert unpaired.high > 2
    assert compare_rates(RUN, one, replace(other, throughput_by_round_rps=(100.0,))) is None


def test_http2_is_compared_with_http1_at_the_same_rtt() -> None:
    found = said(BY_RTT)
    assert list(found) == [
        "plaintext over HTTP/1.1 with TLS with 0 ms RTT",
        "plaintext over HTTP/1.1 with TLS with 20 ms RTT",
        "plaintext over HTTP/2 with TLS with 0 ms RTT",
        "plaintext over HTTP/2 with TLS with 20 ms RTT",
    ]
    assert list(found.values())[:2] == ["", ""]
    near, far = list(found.values())[2:]
    assert near.startswith("Compared with HTTP/1.1 with TLS at 0 ms RTT, it answers 0.80×")
    assert far.startswith("Compared with HTTP/1.1 with TLS at 20 ms RTT, it answers 1.05×")
    assert far.endswith("as many on granian.")


def test_without_a_distance_or_without_the_other_protocol_nothing_is_said() -> None:
    assert set(said({0.0: BY_RTT[0.0]}).values()) == {""}
    assert set(said({0.0: {"h2": 1.0}, 0.02: {"h2": 1.0}}).values()) == {""}


FAR = Distance(0.02, 0.001)
SPEEDS = (LinkSpeed(NEAR, 0.000018, 0.00002, 2.1e9, 66_000.0, 67_000.0), LinkSpeed(FAR, 0.0202, 0.0204))


TOOK = "Before the first round, with nothing added: a small request took 0.0200 ms in the median, 0.0180 ms at least"
VIRTUAL = Interface("v", 1500, None, None, ("tso", "gso"))
REAL = Interface("eth1", 9000, 10_000, "mlx5_core")


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        (None, []),
        (
            Link("namespace", "198.18.0.1", "198.18.0.2", VIRTUAL, "delay line", SPEEDS),
            [
                "Servers ran in a network namespace of this machine, behind a virtual link (MTU 1,500, tso/gso).",
                f"{TOOK}; at least 2,100 MB/s of large bodies; at least 66,000 small requests/s.",
                (
                    "Distance is made by a process that carries each packet after half of the RTT (the kernel has no "
                    "netem), and loses 0.1 % of the packets in each direction; a small request took 20.4 ms for "
                    "20.0 ms in the median."
                ),
            ],
        ),
        (
            Link("network", "", "", REAL, None, (replace(SPEEDS[0], limited_bytes=True),)),
            [
                "Load reached the servers over a network (mlx5_core, 10,000 Mbit/s, MTU 9,000).",
                f"{TOOK}; 2,100 MB/s of large bodies; at least 66,000 small requests/s.",
            ],
        ),
        (
            Link("network", "", "", Interface("", None, None, None), None),
            ["Load reached the servers over a network (nothing is known of it).", "The link could not be measured."],
        ),
    ],
)
def test_what_is_known_of_the_link_is_said(link: Link | None, expected: list[str]) -> None:
    run = under(RUN, netns=True, rtt_s=(0.02,), loss=0.001)
    assert describe_link(replace(run, link=link)) == expected


def test_a_link_that_load_of_other_hosts_takes_is_not_measured_from_here() -> None:
    run = under(RUN, remote_load=True, rtt_s=(0.02,), loss=0.001)
    assert describe_link(replace(run, link=Link("network", "", "10.0.0.1", REAL, "netem"))) == [
        "Load reached the servers over a network (mlx5_core, 10,000 Mbit/s, MTU 9,000).",
        "The link was not measured, since load came from other hosts.",
        "Distance is made by the kernel's netem, and loses 0.1 % of the packets in each direction.",
    ]
