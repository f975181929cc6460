"""Counts of a histogram as text: HdrHistogram's compressed V2 encoding in base64, as its logs have it.

https://github.com/HdrHistogram/HdrHistogram/blob/master/src/main/java/org/HdrHistogram/AbstractHistogram.java

The counts from the lowest bucket on are LEB128 numbers in zigzag; a run of n empty buckets is −n. Their buckets are
those of `harness.model.histogram`. 200,000 response times take 5 kB, where JSON takes 38 kB
(`benchmarks/histograms.py`). The package hdrhistogram, which the tests read it with, counts values alone and no
buckets, and is slower by that.
"""

from __future__ import annotations

import struct
import zlib
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

from harness.model.histogram import SUB_BUCKET_BITS, bucket

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LONGEST_US = 1 << 36
"""No value is larger: 19 hours."""
_COOKIE, _COMPRESSED_COOKIE = 0x1C849303 | 0x10, 0x1C849304 | 0x10
_DIGITS = 3
"""The precision, for which HdrHistogram has as many sub-buckets as `Histogram`."""
_OUTER = struct.Struct(">ii")
"""Cookie, length of the rest."""
_INNER = struct.Struct(">iiiiqqd")
"""Cookie, length of the counts, offset, precision, lowest and highest value, and what values are multiplied by."""
_LONGEST_NUMBER = 9
_MOST_BYTES = _INNER.size + _LONGEST_NUMBER * (bucket(LONGEST_US) + 1)


def encode(counts: Mapping[int, int]) -> str:
    """The text of counts by bucket."""
    assert 1 << SUB_BUCKET_BITS == 2048  # noqa: S101, PLR2004 - what HdrHistogram has for `_DIGITS`
    numbers = bytearray()
    following = 0
    for index in sorted(counts):
        if index > following:
            _append(numbers, following - index)
        _append(numbers, counts[index])
        following = index + 1
    inner = _INNER.pack(_COOKIE, len(numbers), 0, _DIGITS, 1, LONGEST_US, 1.0) + numbers
    packed = zlib.compress(inner)
    return b64encode(_OUTER.pack(_COMPRESSED_COOKIE, len(packed)) + packed).decode()


def decode(text: str) -> dict[int, int]:
    """The counts by bucket; raises `ValueError` for a text that `encode` has not made."""
    try:
        outer = b64decode(text, validate=True)
        unpacking = zlib.decompressobj()
        inner = unpacking.decompress(outer[_OUTER.size :], _MOST_BYTES)
        found = _OUTER.unpack_from(outer), _INNER.unpack_from(inner)
    except (ValueError, zlib.error, struct.error) as error:
        raise ValueError("expected a compressed histogram, found another text") from error
    numbers = inner[_INNER.size :]
    expected = (
        (_COMPRESSED_COOKIE, len(outer) - _OUTER.size),
        (_COOKIE, len(numbers), 0, _DIGITS, 1, LONGEST_US, 1.0),
    )
    if found != expected or not unpacking.eof:
        raise ValueError("expected a compressed histogram of three digits, found another one")
    counts = {}
    index = 0
    for number in _read_numbers(numbers):
        if number > 0:
            counts[index] = number
            index += 1
        else:
            index -= number
    return counts


def _append(numbers: bytearray, number: int) -> None:
    zigzag = number << 1 if number >= 0 else (-number << 1) - 1
    while zigzag >= 0x80:  # noqa: PLR2004 - the bit that says that more follows
        numbers.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    numbers.append(zigzag)


def _read_numbers(encoded: bytes) -> Iterator[int]:
    zigzag = shift = 0
    for byte in encoded:
        zigzag |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
        else:
            yield zigzag >> 1 ^ -(zigzag & 1)
            zigzag = shift = 0
    if shift:
        raise ValueError("expected a whole number at the end of a histogram, found a part of one")
