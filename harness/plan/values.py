"""Shares, times and sizes as people write them; what reads them raises `ValueError` for any other text."""

from __future__ import annotations

import re

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0}
_UNITS_BYTES = {"B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def read_share(text: str) -> float:
    """A share such as `5%`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", text.strip(), re.ASCII)
    if found is None:
        raise ValueError(text)
    return float(found[1]) / 100


def read_time_s(text: str) -> float:
    """A time such as `500ms`, `2s` or `1m`; without a unit, in seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m)?", text.strip(), re.ASCII)
    if found is None:
        raise ValueError(text)
    return float(found[1]) * _UNITS_S[found[2] or "s"]


def read_times_s(value: object) -> list[object]:
    """Times such as `0,5ms,20ms`, or one or several of a file, where numbers are seconds."""
    several = value.split(",") if isinstance(value, str) else value if isinstance(value, list | tuple) else [value]
    return [read_time_s(each) if isinstance(each, str) else each for each in several]


def read_size(text: str) -> int:
    """A size in bytes, such as `64MiB` or `64M`; without a unit, in bytes."""
    found = re.fullmatch(r"(\d{1,15})\s*([KMG]i?B?|B)?", text.strip(), re.IGNORECASE | re.ASCII)
    if found is None:
        raise ValueError(text)
    return int(found[1]) * _UNITS_BYTES[(found[2] or "B")[0].upper()]


def write_size(size_bytes: int) -> str:
    """A size as people write it, in the largest unit that divides it."""
    unit = next(unit for unit in "GMKB" if size_bytes % _UNITS_BYTES[unit] == 0)
    return f"{size_bytes // _UNITS_BYTES[unit]}{unit}{'iB' if unit != 'B' else ''}"


def read_slice(text: str) -> float | str:
    """The length of a slice in seconds, or `auto`."""
    return text if text == "auto" else read_time_s(text)
