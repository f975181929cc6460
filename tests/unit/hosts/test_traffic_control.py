"""What iproute2 is told for a distance on an interface of the user's: who meets it, and that it is taken back."""

from __future__ import annotations

import pytest

from harness.hosts.traffic_control import Command, Traffic
from harness.model.link import Distance

FAR = Distance(0.02, 0.001)
NETEM = ("netem", "delay", "10000us", "loss", "0.100000%", "limit", "10000")
THERE = Traffic("eth0", "har-ifb2", "10.0.0.2", servers_here=False)
HERE = Traffic("eth0", "har-ifb2", "10.0.0.1", servers_here=True)


def filters(commands: list[Command]) -> list[str]:
    return [" ".join(each) for each in commands if each[:2] == ("tc", "filter")]


def test_half_of_the_rtt_and_the_loss_are_added_in_either_direction() -> None:
    disciplines = [each for each in THERE.delay(FAR, [20001]) if "netem" in each]
    assert [each[each.index("dev") + 1] for each in disciplines] == ["har-ifb2", "eth0"]
    assert all(each[each.index("netem") :] == NETEM for each in disciplines)


@pytest.mark.parametrize(
    ("traffic", "leaving", "arriving"),
    [
        (THERE, "match ip dst 10.0.0.2/32 match ip dport", "match ip src 10.0.0.2/32 match ip sport"),
        (HERE, "match ip src 10.0.0.1/32 match ip sport", "match ip dst 10.0.0.1/32 match ip dport"),
    ],
    ids=["servers there", "servers here"],
)
def test_only_packets_to_and_from_ports_of_servers_are_taken(traffic: Traffic, leaving: str, arriving: str) -> None:
    how = "tc filter add dev eth0 parent {} protocol ip prio 1 u32 {} {} 0xffff {}"
    redirect = "action mirred egress redirect dev har-ifb2"
    assert filters(traffic.delay(FAR, [20001, 20002])) == [
        *(how.format("4840:", leaving, port, "flowid 4840:4") for port in (20001, 20002)),
        *(how.format("ffff:", arriving, port, redirect) for port in (20001, 20002)),
    ]


def test_no_priority_of_other_packets_leads_to_the_band_with_netem() -> None:
    """The kernel's map of priorities to bands is for three; a fourth has only what a filter puts there."""
    (prio,) = (each for each in THERE.delay(FAR, [20001]) if "prio" in each and "qdisc" in each)
    assert prio[prio.index("prio") :] == ("prio", "bands", "4")


def test_packets_are_taken_when_all_that_carries_them_is_there() -> None:
    kinds = [each[1] for each in THERE.delay(FAR, [20001, 20002])]
    assert kinds == [*["qdisc"] * 4, *["filter"] * 4]


def test_what_is_added_is_taken_back() -> None:
    added = {
        (each[each.index("dev") + 1], "ingress" if "ingress" in each else "root")
        for each in (*THERE.delay(FAR, [20001]), *(command for chain in THERE.try_modules() for _, command in chain))
        if each[1] == "qdisc" and "parent" not in each
    }
    released = {(each[each.index("dev") + 1], each[-1]) for each in THERE.release()}
    assert added <= released
    assert THERE.claim() == [("ip", "link", "add", "name", "har-ifb2", "type", "ifb")]
    assert THERE.remove() == [*THERE.release(), ("ip", "link", "delete", "dev", "har-ifb2")]


def test_the_interface_is_not_touched_to_find_out_what_the_kernel_has() -> None:
    tried = [command for chain in THERE.try_modules() for _, command in chain]
    assert all(THERE.interface not in each for each in (*tried, *THERE.clear_ifb(), *THERE.claim(), *THERE.prepare()))
