"""How hard a server is driven. The text of `--load` is read once, here; everything else handles `Load` objects."""

from __future__ import annotations

import re
from collections.abc import Mapping
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


class Load:
    """How hard a server is driven.

    `text` is what `--load` takes and what files hold. Loads with equal texts are equal.
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
    """A closed loop: each user sends its next request as soon as it has the answer to the one before."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("saturate")


SATURATE = Saturate()
"""The load of a run that names none."""


class Rate(Load):
    """An open loop: requests are due at `rps` per second, whether or not the server keeps up."""

    __slots__ = ("arrivals", "rps")

    def __init__(self, rps: float, arrivals: Arrivals = "uniform") -> None:
        super().__init__(f"rate={rps:.10g}" + (",arrivals=poisson" if arrivals == "poisson" else ""))
        self.rps = rps
        self.arrivals = arrivals


class Capacity(Load):
    """A search for the highest rate, in an open loop, at which a service level is met.

    `limits_us` maps a percentile of the response time to the time in µs that it must stay below; `error_share` is the
    share of the requests that may have no right answer.
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
    """Open loops at shares of each server's own closed-loop rate, and at rates that all servers share."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("sweep")


def parse_load(text: str) -> Load:
    """Read the text of a load; raises `ValueError` with what was expected."""
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


def write_load(value: object) -> str:
    """The text of a load, for encoders that meet one; raises `NotImplementedError` for anything else."""
    if isinstance(value, Load):
        return value.text
    raise NotImplementedError(f"expected a load, found {type(value).__name__}")


def _write_time(time_us: int) -> str:
    """In the largest unit of which there is at least one: `800us`, `50ms`, `1.5s`."""
    unit = max((unit for unit, size_us in _UNITS_US.items() if size_us <= time_us), key=lambda unit: _UNITS_US[unit])
    return f"{time_us / _UNITS_US[unit]:.10g}{unit}"


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
