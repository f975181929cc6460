"""The link between load and servers: how far apart they are, what it is made of, what it carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DelayedBy = Literal["netem", "delay line"]
"""What makes a distance: the kernel's `tc netem`, or a process that carries packets between two TUN devices."""


@dataclass(frozen=True)
class Distance:
    """How far apart load and servers are made."""

    rtt_s: float = 0.0
    """Round-trip time that is added, half of it in each direction."""
    loss: float = 0.0
    """Share of the packets that are lost in each direction."""

    def __str__(self) -> str:
        """Describe it: `20 ms RTT and 0.1 % loss`."""
        return f"{1000 * self.rtt_s:g} ms RTT and {100 * self.loss:g} % loss"


NEAR = Distance()
"""Nothing is added."""


@dataclass(frozen=True)
class Interface:
    """A network interface; None where the kernel does not say."""

    name: str
    mtu_bytes: int | None
    speed_mbps: int | None
    driver: str | None
    offloads: tuple[str, ...] = ()
    """What it or the kernel does with many packets at once: `tso`, `gro`, …"""


@dataclass(frozen=True)
class LinkSpeed:
    """What a link carried at one distance, between the load side and the null server over there."""

    distance: Distance
    least_rtt_s: float
    """The least time from a small request to its answer, both hosts' work included."""
    median_rtt_s: float
    throughput_bytes_per_s: float | None = None
    """Of large bodies; None, as the next two, where it was not measured: with a distance, TCP's window limits it."""
    requests_per_s: float | None = None
    """Small requests and their answers, one in flight on each of some connections."""
    packets_per_s: float | None = None
    """Packets meanwhile, in the direction that had more of them."""
    limited_bytes: bool = False
    """Was the link what limited the throughput? Else the client or the server was, and it carries more."""
    limited_packets: bool = False
    """Was the link what limited requests and packets?"""


@dataclass(frozen=True)
class Link:
    """The link of a run."""

    kind: Literal["namespace", "network"]
    """Between namespaces of one machine, or between machines."""
    load_address: str
    """Nothing where load comes from several hosts."""
    server_address: str
    interface: Interface
    """That of the load side; of the servers' side where load comes from other hosts."""
    delayed_by: DelayedBy | None = None
    """None where no distance was asked for."""
    speeds: tuple[LinkSpeed, ...] = ()
    """One for each distance, before the first round."""


@dataclass(frozen=True)
class LinkSample:
    """One reading of the counters of the interface of a link."""

    at_ns: int
    received_bytes: int
    sent_bytes: int
    received_packets: int
    sent_packets: int
    line_cpu_s: float | None = None
    """CPU time of a process that carries the packets; None where the kernel does."""
