"""Kinds of load. The text of `--load` is parsed only here; everything else uses `Load` objects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

Arrivals = Literal["uniform", "poisson"]
"""The gaps between arrivals in an open loop: all equal, or exponential as with independent clients."""

EXPECTED = (
    "expected saturate, rate=R or rate=R,arrivals=poisson with R requests/s from 0.01 to 10000000, "
    "capacity=p99<50ms or capacity=p99<50ms,errors<0.1%, or sweep"
)
LEAST_RPS, MOST_RPS = 0.01, 10_000_000.0
"""Offered rates: one request in 100 seconds, and far more than any generator sends."""
MOST_US = 3_600_000_000
"""A service level allows no response time above an hour."""
LEAST_ERROR_SHARE = 1e-6
"""A service level allows no error at all, or at least one in a million requests."""
ANSWERED_LEAST = 0.99
"""Below this share of the offered rate, requests pile up, and response times depend on how long it is offered."""
SEARCH_RESOLUTION = 0.05
"""A search ends when the lowest rate that misses the level is at most this share above the highest that meets it."""
SEARCH_FIRST_RPS = 1_000.0
"""A search begins with this rate."""
SEARCH_LEAST_RPS = 10.0
"""A search tries no lower rate: a trial would have too few requests for percentiles."""
SEARCH_LONGEST_S = 20.0
"""A trial of a search is never longer, even if it has too few requests for percentiles."""
SEARCH_CONFIRMATIONS = 5
"""A search tries to confirm at most this many rates, each lower than the one before."""

SWEEP_OWN_SHARES = (0.10, 0.25, 0.50, 0.70, 0.80, 0.90, 0.95, 1.05)
"""A sweep measures each server at these shares of the rate that it reached in a closed loop."""
SWEEP_COMMON_LEAST = 0.10
"""The common rates of a sweep begin at this share of the slowest server's closed-loop rate."""

_UNITS_US = {"us": 1, "ms": 1_000, "s": 1_000_000}
_PERCENTILES = (50.0, 90.0, 99.0, 99.9)


class Load:
    """A kind of load with its parameters.

    `text` is its form in `--load` and in files. Loads with equal texts are equal.
    """

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"parse_load({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Load) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)


class Saturate(Load):
    """A closed loop: each user sends its next request when the last one has been answered."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("saturate")


SATURATE = Saturate()
"""The load of a run without `--load`."""


class Rate(Load):
    """An open loop: `rps` requests per second are due, however fast the server answers."""

    __slots__ = ("arrivals", "rps")

    def __init__(self, rps: float, arrivals: Arrivals = "uniform") -> None:
        super().__init__(f"rate={rps:.10g}" + (",arrivals=poisson" if arrivals == "poisson" else ""))
        self.rps = rps
        self.arrivals = arrivals


class Capacity(Load):
    """A search for the highest offered rate at which a service level is met.

    `limits_us` maps a percentile of the response time to its upper limit in µs. `error_share` is the share of requests
    that may be errors.
    """

    __slots__ = ("error_share", "limits_us")

    def __init__(self, limits_us: Mapping[float, int], error_share: float = 0.0) -> None:
        limits = [f"p{percent:g}<{_write_time(limit_us)}" for percent, limit_us in limits_us.items()]
        errors = [f"errors<{100 * error_share:.10g}%"] if error_share else []
        super().__init__(f"capacity={','.join([*limits, *errors])}")
        self.limits_us = limits_us
        self.error_share = error_share

    @property
    def level(self) -> str:
        """The service level as text, `p99<50ms,errors<0.1%`."""
        return self.text.removeprefix("capacity=")


class Sweep(Load):
    """Open loops at shares of each server's own closed-loop rate, and at rates common to all servers."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("sweep")


def parse_load(text: str) -> Load:
    """Read the text of a load; raises `ValueError` that says what was expected and found."""
    kind, _, details = text.partition("=")
    load: Load | None = None
    if text == "saturate":
        load = Saturate()
    elif text == "sweep":
        load = Sweep()
    elif kind == "rate":
        load = _parse_rate(details)
    elif kind == "capacity":
        load = _parse_capacity(details)
    if load is None:
        raise ValueError(f"{EXPECTED}, found {text if text.isprintable() else ascii(text)}")
    return load


def write_load(value: object) -> str:
    """Return the text of a load, as an encoding hook; raises `NotImplementedError` for anything else."""
    if isinstance(value, Load):
        return value.text
    raise NotImplementedError(f"expected a load, found {type(value).__name__}")


def _write_time(time_us: int) -> str:
    """Write a time in the largest unit of which it has at least one: `800us`, `50ms`, `1.5s`."""
    unit = max((unit for unit, size_us in _UNITS_US.items() if size_us <= time_us), key=lambda unit: _UNITS_US[unit])
    return f"{time_us / _UNITS_US[unit]:.10g}{unit}"


def _parse_rate(details: str) -> Rate | None:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(?:,arrivals=(uniform|poisson))?", details, re.ASCII)
    if found is None or not LEAST_RPS <= float(found[1]) <= MOST_RPS:
        return None
    return Rate(float(found[1]), "poisson" if found[2] == "poisson" else "uniform")


def _parse_capacity(details: str) -> Capacity | None:
    limits_us: dict[float, int] = {}
    shares: list[float] = []
    parts = details.split(",")
    for part in parts:
        if found := re.fullmatch(r"errors<(\d+(?:\.\d+)?)%", part, re.ASCII):
            shares.append(float(found[1]) / 100)
        elif found := re.fullmatch(r"p(\d+(?:\.\d+)?)<(\d+(?:\.\d+)?)(us|ms|s)", part, re.ASCII):
            limits_us[float(found[1])] = round(min(float(found[2]) * _UNITS_US[found[3]], MOST_US + 1))
    sound = (
        limits_us.keys() <= set(_PERCENTILES)
        and all(1 <= limit_us <= MOST_US for limit_us in limits_us.values())
        and all(share == 0 or LEAST_ERROR_SHARE <= share < 1 for share in shares)
    )
    once = len(limits_us) + len(shares) == len(parts) and len(shares) <= 1
    return Capacity(limits_us, *shares) if limits_us and sound and once else None
