"""What was between load and servers, in sentences. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.model.link import NEAR
from harness.text.numbers import count, join, significant

if TYPE_CHECKING:
    from harness.model.link import Interface, LinkSpeed
    from harness.model.results import RunInfo

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
    if not link.speeds:
        return [*lines, "The link could not be measured."]
    near = next(each for each in link.speeds if each.distance == NEAR)
    lines.append(_describe_speed(near))
    if link.delayed_by is not None:
        far = [each for each in link.speeds if each.distance != NEAR]
        seen = join([f"{_ms(each.median_rtt_s)} for {_ms(each.distance.rtt_s)}" for each in far])
        lost = run.conditions.loss
        loss = f", and loses {100 * lost:g} % of the packets in each direction" if lost else ""
        lines.append(
            f"Distance is made by {_MAKERS[link.delayed_by]}{loss}; a small request took {seen} in the median."
        )
    return lines


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
