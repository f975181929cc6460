"""What it costs to record a value in our histogram and in hdrhistogram's, and the size of ours as JSON and as text.

Ours appends values to an array and counts many at a time with numpy; hdrhistogram counts one value at a time. Both have
three significant digits and should give the same percentiles.

    python benchmarks/histograms.py
"""

from __future__ import annotations

import argparse
import random

import msgspec
from hdrh.histogram import HdrHistogram
from pairs import compare

from harness.load.series import Series, Tally
from harness.model.hdr_histogram import encode

COUNT = 200_000
LONGEST_US = 2**36
PERCENTS = (50.0, 99.0, 99.9)


def _response_times_us() -> list[int]:
    """A few hundred microseconds, with a tail of seconds."""
    chance = random.Random(1)  # noqa: S311 - values to measure with, no secret
    return [int(chance.lognormvariate(6.0, 1.0)) for _ in range(COUNT)]


VALUES_US = _response_times_us()
VALUES_NS = [value * 1000 for value in VALUES_US]


def ours(count: int) -> Tally:
    """As the load engine does, for one of its three durations."""
    series = Series()
    for value in VALUES_NS[:count]:
        series.ended(value)
    batch, *_ = series.take()
    tally = Tally()
    tally.add(batch.ended)
    return tally


def with_hdrhistogram(count: int) -> HdrHistogram:
    """One value at a time, which is the only way it has."""
    histogram = HdrHistogram(1, LONGEST_US, 3)
    for value in VALUES_US[:count]:
        histogram.record_value(value)
    return histogram


def main() -> None:
    """Print the cost of recording, the percentiles of both, and the sizes."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    compare(ours, "hdrhistogram", with_hdrhistogram, COUNT)
    counted, other = ours(COUNT).histogram(), with_hdrhistogram(COUNT)
    found = [counted.percentile(percent) for percent in PERCENTS]
    expected = [other.get_value_at_percentile(percent) for percent in PERCENTS]
    print(f"percentiles {PERCENTS}: ours {found} µs, hdrhistogram's {expected} µs")
    text = encode(counted.counts)
    print(f"{COUNT:,} values: {len(msgspec.json.encode(counted)):,} bytes of JSON, {len(text):,} of text")
    print(f"as text the same as hdrhistogram's: {text == other.encode().decode()}")


if __name__ == "__main__":
    main()
