"""How far the clock of another host is from this one's, by messages and their answers (RFC 5905, 10)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Offset:
    """What the other clock said, and when by this one; all in ns."""

    here_ns: int
    there_ns: int
    error_ns: int
    """Half of the time that message and answer were on the way: nobody knows how long each of them was."""

    @property
    def ahead_ns(self) -> int:
        """The clock there − the clock here."""
        return self.there_ns - self.here_ns

    @staticmethod
    def between(sent_here_ns: int, received_there_ns: int, sent_there_ns: int, received_here_ns: int) -> Offset:
        """From when a message and its answer were sent and received, each by the clock of the host where it was."""
        on_the_way_ns = (received_here_ns - sent_here_ns) - (sent_there_ns - received_there_ns)
        here_ns = (sent_here_ns + received_here_ns) // 2
        return Offset(here_ns, (received_there_ns + sent_there_ns) // 2, on_the_way_ns // 2)


DRIFT = 100e-6
"""How much faster one clock may run than another: crystals keep to 50 ppm each. RFC 5905 assumes 15 of a good one."""


def choose(offsets: Iterable[Offset]) -> Offset:
    """The one whose message and answer were the least time on the way, which is known best."""
    return min(offsets, key=lambda each: each.error_ns)


def choose_at(offsets: Iterable[Offset], there_ns: int) -> Offset:
    """The one that is known best at a time of the other clock: it is the less known the older it is (RFC 5905, 4)."""
    return min(offsets, key=lambda each: abs(each.error_ns) + DRIFT * abs(each.there_ns - there_ns))
