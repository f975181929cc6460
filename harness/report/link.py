"""What was between load and servers, in sentences. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.model.link import NEAR
from harness.text.numbers import count, join, significant

if TYPE_CHECKING:
    from harness.model.link import Interface, LinkSpeed
    from harness.model.run_info import RunInfo

_KINDS = {
    "namespace": "Servers ran in a network namespace of this machine, behind a virtual link",
    "network": "Load reached the servers over a network",
}
_MAKERS = {
    "netem": "the kernel's netem",
    "delay line": "a process that carries each packet after half of the RTT (the kernel has no netem)",
}


def describe_link(run: RunInfo) -> list[str]:
    """Nothing where that was the loopback."""
    link = run.link
    if link is None:
        return []
    lines = [f"{_KINDS[link.kind]} ({_describe_interface(link.interface)})."]
    near = [_describe_speed(each) for each in link.speeds if each.distance == NEAR]
    lines += near or [_describe_lack(run)]
    if link.delayed_by is not None:
        far = [each for each in link.speeds if each.distance != NEAR]
        seen = [f"{_ms(each.median_rtt_s)} for {_ms(each.distance.rtt_s)}" for each in far]
        took = f"; a small request took {join(seen)} in the median" if seen else ""
        lost = run.conditions.loss
        loss = f", and loses {100 * lost:g} % of the packets in each direction" if lost else ""
        lines.append(f"Distance is made by {_MAKERS[link.delayed_by]}{loss}{took}.")
    return lines


def _describe_lack(run: RunInfo) -> str:
    """Why a link has no speeds."""
    if run.conditions.remote_load and not run.hosts:
        return "The link was not measured, since load came from other hosts."
    return "The link could not be measured."


def _describe_interface(interface: Interface) -> str:
    parts = [
        interface.driver or "",
        f"{count(interface.speed_mbps)} Mbit/s" if interface.speed_mbps else "",
        f"MTU {count(interface.mtu_bytes)}" if interface.mtu_bytes else "",
        "/".join(interface.offloads),
    ]
    return ", ".join(filter(None, parts)) or "nothing is known of it"


def _describe_speed(speed: LinkSpeed) -> str:
    """What it carries, and whether that is its limit."""
    parts = [f"a small request took {_ms(speed.median_rtt_s)} in the median, {_ms(speed.least_rtt_s)} at least"]
    for value, size, limited, unit in (
        (speed.throughput_bytes_per_s, 1e6, speed.limited_bytes, "MB/s of large bodies"),
        (speed.requests_per_s, 1, speed.limited_packets, "small requests/s"),
    ):
        if value:
            parts.append(f"{'' if limited else 'at least '}{significant(value / size)} {unit}")
    return f"Before the first round, with nothing added: {'; '.join(parts)}."


def _ms(seconds: float) -> str:
    return f"{significant(1000 * seconds)} ms"
