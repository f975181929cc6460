from __future__ import annotations

import base64
import zlib

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.model.hdr_histogram import LONGEST_US, decode, encode
from harness.model.histogram import Histogram, bucket, bucket_range

COUNTS = st.dictionaries(st.integers(0, 2**35).map(bucket), st.integers(1, 10**12), max_size=50)


@settings(max_examples=50, deadline=None)  # hdrh takes its time
@given(COUNTS)
def test_the_text_is_that_of_hdrhistogram_and_gives_the_same_counts_back(counts: dict[int, int]) -> None:
    other = HdrHistogram(1, LONGEST_US, 3)
    for index, count in counts.items():
        other.record_value(bucket_range(index)[0], count)
    text = encode(counts)
    assert zlib.decompress(base64.b64decode(text)[8:]) == zlib.decompress(base64.b64decode(other.encode())[8:])
    assert decode(text) == counts


@pytest.mark.parametrize(
    "damage",
    [
        lambda _text: "",
        lambda _text: "no base64",
        lambda text: text[:-8],
        lambda text: text[:8] + "AAAA" + text[12:],
        lambda text: f"{text}AAAA",
        lambda _text: pack(b""),
        lambda _text: pack(bytes(40)),
        lambda text: pack(unpack(text)[:-1] + b"\x80"),
        lambda text: pack(unpack(text) + b"\0"),
        lambda _text: pack(bytes(10_000_000)),
    ],
)
def test_another_text_is_refused(damage: object) -> None:
    text = encode(Histogram.of([1, 20, 300_000]).counts)
    assert callable(damage)
    with pytest.raises(ValueError, match="histogram"):
        decode(damage(text))


def pack(inner: bytes) -> str:
    packed = zlib.compress(inner)
    return base64.b64encode(b"\x1c\x84\x93\x14" + len(packed).to_bytes(4, "big") + packed).decode()


def unpack(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text)[8:])
