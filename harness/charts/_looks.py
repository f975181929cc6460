"""How a candidate looks in every chart of every run: its name alone decides its colour, its marker and its dashes.

The first word of a name is its family: `uvicorn-h11` and `uvicorn@0.54.0` are variants of `uvicorn`, in its colour and
with dashes of their own. Known families and variants have their places for good; a new one gets a place by its name, so
that no other place moves.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING

from harness.charts._colours import COLOURS

if TYPE_CHECKING:
    from collections.abc import Iterable

Dashes = str | tuple[float, tuple[float, ...]]
"""A line style of Matplotlib."""

MARKERS = ("o", "s", "^", "D", "v", "P", "p", "h", "*", "<", "d", ">", "8")
"""Their number and that of the colours have no common divisor, so that each place has a pair of its own."""
SOLID = "-"
DASHES: tuple[Dashes, ...] = (
    (0, (4.5, 1.6)),
    (0, (1.6, 1.3)),
    (0, (6, 1.4, 1.4, 1.4)),
    (0, (10, 1.8)),
    (0, (5, 1.3, 1.3, 1.3, 1.3, 1.3)),
    (0, (2.6, 1.2, 2.6, 3.4)),
    (0, (8, 1.4, 3, 1.4)),
)
"""Dashes of variants. Dots are for what was not measured: an ideal, a limit."""

_FAMILIES = (
    ("uvicorn", "granian", "hypercorn", "daphne", "gunicorn", "uwsgi", "tremolo", "anycorn", "tornado"),
    ("asgi", "fastapi", "starlette", "django", "flask", "litestar", "quart", "falcon", "sanic", "blacksheep"),
)
"""Servers, and apps, which are compared among themselves."""
_LATER = {"echocorn": 23, "palfrey": 24, "nonecorn": 25, "h2corn": 35}
"""There are more servers than colours: each has a marker of its own, and the colour of one that it is seldom beside."""
_PLACES = {name: place for names in _FAMILIES for place, name in enumerate(names)} | _LATER
_FREE = max(map(len, _FAMILIES))
"""Places from here on belong to new families, but for those in `_LATER`."""
_VARIANTS = {
    "uvloop": 0, "keepalive": 0,
    "asyncio": 1, "trio": 1, "uvicorn": 1, "zttp": 1,
    "h2": 2, "h3": 2, "rloop": 2, "socket": 2,
    "mt": 3, "fast": 3, "h11": 3,
    "wsgi": 4, "sync": 4,
    "gthread": 5,
    "(control)": 6,
}  # fmt: skip
"""The dashes of each variant; no two of one family share them."""
_NAME = re.compile(r"(?:(?P<app>.*) on )?(?P<family>[^-@ ]*)[- ]?(?P<variant>.*)", re.DOTALL)


@dataclass(frozen=True)
class Look:
    """How a candidate is drawn."""

    colour: str
    marker: str
    dashes: Dashes
    muted: bool = False
    """Is it one of many, grey and thin behind those that lead?"""

    @property
    def weight(self) -> float:
        """What widths of lines and sizes of marks are multiplied by."""
        return 0.55 if self.muted else 1.0

    @property
    def depth(self) -> float:
        """Matplotlib's `zorder` of lines: muted ones lie below the others."""
        return 1.8 if self.muted else 2.0


def look(name: str) -> Look:
    """The look of a candidate of this name: `uvicorn-h11`, `uvicorn (control)`, `fastapi on uvicorn`, `fastapi`."""
    family, variant = _parse(name)
    place = _PLACES[family] if family in _PLACES else _find_place(family)
    dashes = DASHES[_VARIANTS.get(variant, _digest(variant) % len(DASHES))] if variant else SOLID
    return Look(COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)], dashes)


def _find_place(family: str) -> int:
    """The place of a new family: one by its name, or the next that no known family has."""
    first = _FREE + _digest(family) % (len(COLOURS) * len(MARKERS) - _FREE)
    return next(place for place in count(first) if place not in _LATER.values())


def looks(names: Iterable[str]) -> dict[str, Look]:
    """The look of each candidate of a run; where that of a new one is another's too, it takes the next dashes."""
    found: dict[str, Look] = {}
    for name in sorted(set(names), key=lambda name: (not _is_known(name), name)):
        own = look(name)
        others = (replace(own, dashes=dashes) for dashes in DASHES)
        found[name] = next((each for each in (own, *others) if each not in found.values()), own)
    return found


def _parse(name: str) -> tuple[str, str]:
    """The family and the variant; that of an app on a server begins with the app."""
    parts = _NAME.fullmatch(name)
    app, family, variant = parts.group("app", "family", "variant") if parts else (None, name, "")
    return family, " ".join(filter(None, (app, variant)))


def _is_known(name: str) -> bool:
    family, variant = _parse(name)
    return family in _PLACES and (not variant or variant in _VARIANTS)


def _digest(text: str) -> int:
    return zlib.crc32(text.encode())
