"""What a link carried in the slices of a case, beside what it can carry. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.analysis.cpu_time import gained

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.model.link import Link, LinkSample
    from harness.model.results import Slice

_DIRECTIONS: tuple[tuple[Callable[[LinkSample], float], Callable[[LinkSample], float]], ...] = (
    (lambda each: each.received_bytes, lambda each: each.received_packets),
    (lambda each: each.sent_bytes, lambda each: each.sent_packets),
)


@dataclass(frozen=True)
class LinkUse:
    """What a link carried in the busier direction; None where its counters do not say or its limit is not known."""

    bytes_per_s: float | None
    packets_per_s: float | None
    limit_bytes_per_s: float | None
    limit_packets_per_s: float | None
    line_cpu_ratio: float | None = None
    """CPU seconds ÷ seconds of the process that carries the packets; None where the kernel does."""
    line_has_cpu: bool = True
    """Is there a CPU for it beside those of the load processes?"""


def measure_use(
    samples: Sequence[LinkSample], slices: Sequence[Slice], link: Link | None, *, line_has_cpu: bool
) -> LinkUse:
    """What a link carried in the counted stretches of a case."""

    def rate(read: Callable[[LinkSample], float]) -> float | None:
        seen = [(each.at_ns, read(each)) for each in samples]
        grown = [gained(seen, each.start_ns, each.end_ns) for each in slices]
        counted_s = sum(each.counted_s for each in slices)
        return sum(filter(None, grown)) / counted_s if None not in grown and counted_s > 0 else None

    bytes_per_s, packets_per_s = (
        max(known) if (known := [each for read in reads if (each := rate(read)) is not None]) else None
        for reads in zip(*_DIRECTIONS, strict=True)
    )
    limits = [each for each in link.speeds if each.throughput_bytes_per_s is not None] if link else []
    carried = all(each.line_cpu_s is not None for each in samples)
    return LinkUse(
        bytes_per_s,
        packets_per_s,
        max((each.throughput_bytes_per_s or 0.0 for each in limits if each.limited_bytes), default=None),
        max((each.packets_per_s or 0.0 for each in limits if each.limited_packets), default=None),
        rate(lambda each: each.line_cpu_s or 0.0) if carried and samples else None,
        line_has_cpu,
    )
