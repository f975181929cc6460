"""Bytes as they may arrive: in any pieces."""

from __future__ import annotations

import itertools
from collections.abc import Iterable


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """In pieces, none of them empty."""
    ends = sorted({place % len(data) for place in places} - {0})
    return [data[start:end] for start, end in itertools.pairwise([0, *ends, len(data)])]
