"""What iproute2 is told, so that packets between load and servers are late and some of them lost. Pure.

What leaves by an interface passes a class of its own, with netem in it (tc-netem(8), "delay only some traffic"). What
arrives cannot be delayed there; it is sent through an IFB device, which stands for the interface and has netem too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.model.link import Distance

Command = tuple[str, ...]
QUEUE_PACKETS = 10_000
"""So many packets may wait: with fewer, a fast link would lose some because they are late."""
LEAVING, ARRIVING = "4841:", "4842:"
"""The handles of netem in either direction."""
ROOT = "4840:"
"""The handle of the queueing discipline that tells packets apart."""
_INGRESS = "ffff:"
_BANDS = 4
"""The first three are for all other packets: the priorities that a packet has lead to these only (tc-prio(8))."""


@dataclass(frozen=True)
class Traffic:
    """Packets between load and servers, among all others of an interface."""

    interface: str
    ifb: str
    """The name of the IFB device."""
    address: str
    """That of the servers."""
    servers_here: bool
    """Are the servers on this side of the interface, and the load on the other one?"""

    def claim(self) -> list[Command]:
        """Make the IFB device, as only one of several runs at an interface can."""
        return [("ip", "link", "add", "name", self.ifb, "type", "ifb")]

    def prepare(self) -> list[Command]:
        """Let the IFB device carry packets. Without an address of IPv6, the kernel sends nothing by itself."""
        return [("ip", "link", "set", "dev", self.ifb, *words) for words in (("addrgenmode", "none"), ("up",))]

    def try_modules(self) -> list[list[tuple[str, Command]]]:
        """What needs these modules of the kernel, tried on the IFB device; in each list, each needs those before."""
        qdisc = ("tc", "qdisc", "replace", "dev", self.ifb)
        ingress = ("tc", "filter", "add", "dev", self.ifb, "parent", _INGRESS, *_classify("src", self.address, 1))
        return [
            [("sch_netem", (*qdisc, "root", "handle", ARRIVING, "netem", "delay", "0ms"))],
            [("sch_prio", (*qdisc, "root", "handle", ROOT, "prio"))],
            [
                ("sch_ingress", (*qdisc, "ingress")),
                ("cls_u32", (*ingress, "flowid", "1:1")),
                ("act_mirred", (*ingress, "action", "mirred", "egress", "redirect", "dev", self.ifb)),
            ],
        ]

    def delay(self, distance: Distance, ports: Iterable[int]) -> list[Command]:
        """Make the way to and from servers at these ports as long as this; all other packets go as they did."""
        leaving, arriving = ("src", "dst") if self.servers_here else ("dst", "src")
        qdisc = ("tc", "qdisc", "add", "dev", self.interface)
        taken = ("tc", "filter", "add", "dev", self.interface, "parent")
        band = f"{ROOT}{_BANDS}"
        redirect = ("action", "mirred", "egress", "redirect", "dev", self.ifb)
        return [
            ("tc", "qdisc", "add", "dev", self.ifb, "root", "handle", ARRIVING, *describe_netem(distance)),
            (*qdisc, "root", "handle", ROOT, "prio", "bands", str(_BANDS)),
            (*qdisc, "parent", band, "handle", LEAVING, *describe_netem(distance)),
            (*qdisc, "ingress"),
            *((*taken, ROOT, *_classify(leaving, self.address, port), "flowid", band) for port in ports),
            *((*taken, _INGRESS, *_classify(arriving, self.address, port), *redirect) for port in ports),
        ]

    def release(self) -> list[Command]:
        """Take back what `delay` has done: the kernel gives the interface its own queueing discipline again."""
        return [
            ("tc", "qdisc", "del", "dev", self.interface, "ingress"),
            ("tc", "qdisc", "del", "dev", self.interface, "root"),
            *self.clear_ifb(),
        ]

    def clear_ifb(self) -> list[Command]:
        """Take from the IFB device what `delay` or `try_modules` has put on it."""
        return [("tc", "qdisc", "del", "dev", self.ifb, kind) for kind in ("root", "ingress")]

    def remove(self) -> list[Command]:
        """Take everything back."""
        return [*self.release(), ("ip", "link", "delete", "dev", self.ifb)]


def describe_netem(distance: Distance) -> Command:
    """The arguments of netem for one of two directions."""
    delay, loss = f"{distance.rtt_s / 2 * 1e6:.0f}us", f"{distance.loss:%}"
    return ("netem", "delay", delay, "loss", loss, "limit", str(QUEUE_PACKETS))


def _classify(side: str, address: str, port: int) -> Command:
    """A filter for packets whose source (`src`) or destination (`dst`) is this; of TCP, and of UDP for HTTP/3."""
    ports = {"src": "sport", "dst": "dport"}
    address_is = ("match", "ip", side, f"{address}/32")
    return ("protocol", "ip", "prio", "1", "u32", *address_is, "match", "ip", ports[side], str(port), "0xffff")
