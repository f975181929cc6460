"""How hard a server is driven: what the text of `--load` means. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Arrivals = Literal["uniform", "poisson"]
"""Evenly spaced, or with exponential gaps as independent clients make them."""

EXPECTED = (
    "expected saturate, rate=R or rate=R,arrivals=poisson with R requests/s, "
    "capacity=p99<50ms or capacity=p99<50ms,errors<0.1%, or sweep"
)
ANSWERED_LEAST = 0.99
"""Of the offered rate: below, requests pile up, and their response time says how long the window was."""
SEARCH_RESOLUTION = 0.05
"""A search ends when the lowest rate missed is at most this far above the highest rate met."""
SEARCH_FIRST_RPS = 1_000.0
"""The rate that a search tries first."""
SEARCH_LEAST_RPS = 10.0
"""A search goes no lower: a window would hold too few requests to say anything."""
SEARCH_LONGEST_S = 20.0
"""No window of a search is longer, however few requests a rate has in it."""
SEARCH_CONFIRMATIONS = 5
"""A search confirms at most this many rates, each lower than the one before."""

SWEEP_OWN_SHARES = (0.10, 0.25, 0.50, 0.70, 0.80, 0.90, 0.95, 1.05)
"""A sweep measures each server at these shares of the rate that it reached in a closed loop."""
SWEEP_COMMON_LEAST = 0.10
"""The rates that all servers of a sweep share begin at this share of the slowest server's rate."""

_UNITS_US = {"us": 1, "ms": 1_000, "s": 1_000_000}
_PERCENTILES = (50.0, 90.0, 99.0, 99.9)


@dataclass(frozen=True)
class Saturate:
    """A closed loop: each user sends again once it has its answer."""


@dataclass(frozen=True)
class Rate:
    """An open loop: requests are due at a rate, whatever the server makes of it."""

    rps: float
    arrivals: Arrivals = "uniform"

    def __str__(self) -> str:
        return f"rate={self.rps:.10g}" + (",arrivals=poisson" if self.arrivals == "poisson" else "")


@dataclass(frozen=True)
class Capacity:
    """A search for the highest rate, in an open loop, at which a service level is met."""

    limits_us: Mapping[float, int]
    """Percentile of the response time to the time in µs below which it has to stay."""
    error_share: float = 0.0
    """Share of the requests that may have no right answer."""


@dataclass(frozen=True)
class Sweep:
    """Open loops at shares of each server's own closed-loop rate, and at rates that all share."""


Load = Saturate | Rate | Capacity | Sweep


def load_of(text: str) -> Load:
    """What the text of a load means; raises `ValueError` with what was expected."""
    kind, _, details = text.partition("=")
    load: Load | None = None
    if text == "saturate":
        load = Saturate()
    elif text == "sweep":
        load = Sweep()
    elif kind == "rate":
        load = _rate(details)
    elif kind == "capacity":
        load = _capacity(details)
    if load is None:
        raise ValueError(f"{EXPECTED}, found {text}")
    return load


def rate_of(text: str) -> Rate | None:
    """The open loop at a given rate that a load means; None for any other load."""
    load = load_of(text)
    return load if isinstance(load, Rate) else None


def level_of(text: str) -> Capacity | None:
    """The service level that a load searches the capacity for; None for any other load."""
    load = load_of(text)
    return load if isinstance(load, Capacity) else None


def _rate(details: str) -> Rate | None:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(?:,arrivals=(uniform|poisson))?", details)
    if found is None or float(found[1]) == 0:
        return None
    return Rate(float(found[1]), "poisson" if found[2] == "poisson" else "uniform")


def _capacity(details: str) -> Capacity | None:
    limits_us: dict[float, int] = {}
    shares: list[float] = []
    parts = details.split(",")
    for part in parts:
        if found := re.fullmatch(r"errors<(\d+(?:\.\d+)?)%", part):
            shares.append(float(found[1]) / 100)
        elif found := re.fullmatch(r"p(\d+(?:\.\d+)?)<(\d+(?:\.\d+)?)(us|ms|s)", part):
            limits_us[float(found[1])] = round(float(found[2]) * _UNITS_US[found[3]])
    sound = limits_us.keys() <= set(_PERCENTILES) and all(limits_us.values()) and all(share < 1 for share in shares)
    once = len(limits_us) + len(shares) == len(parts) and len(shares) <= 1
    return Capacity(limits_us, *shares) if limits_us and sound and once else None
