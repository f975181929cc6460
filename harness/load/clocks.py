"""The clock of a load worker on another host, compared with that of this one. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Exchange(NamedTuple):
    """A message and its answer: when each was sent and received (ns, each on the clock of the host where it was)."""

    sent_here_ns: int
    received_there_ns: int
    sent_there_ns: int
    received_here_ns: int

    @property
    def on_the_way_ns(self) -> int:
        """How long the message and its answer took, without what the other side did in between."""
        return (self.received_here_ns - self.sent_here_ns) - (self.sent_there_ns - self.received_there_ns)

    @property
    def offset_ns(self) -> int:
        """The clock there − the clock here if both ways took equally long; wrong by half of `on_the_way_ns` at most."""
        ahead_ns = self.received_there_ns - self.sent_here_ns
        return (ahead_ns + self.sent_there_ns - self.received_here_ns) // 2


def estimate_offset_ns(exchanges: Iterable[Exchange]) -> int:
    """The clock there − the clock here, from the exchange that was the least time on the way (RFC 5905, 10)."""
    return min(exchanges, key=lambda each: each.on_the_way_ns).offset_ns
