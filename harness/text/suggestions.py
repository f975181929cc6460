"""What somebody may have meant who wrote a name that does not exist."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHORTEST_PIECE = 3
"""A piece of a name is recognised from this length on."""
_AS_CLOSE = 0.1
"""Two names are suggested if they resemble the text nearly equally."""


def suggest(found: str, names: Iterable[str]) -> str:
    """`; did you mean granian?`, `; did you mean --server or --servers?`; nothing where no name resembles the text.

    A name that contains the text resembles it too. Case and kind of dash do not matter.
    """
    by_folded: dict[str, str] = {}
    for name in names:
        by_folded.setdefault(_fold(name), name)
    piece = _fold(found)
    close = difflib.get_close_matches(piece, by_folded, n=2)
    if len(close) > 1 and _resemblance(piece, close[0]) - _resemblance(piece, close[1]) > _AS_CLOSE:
        del close[1:]
    if not close and len(piece) >= _SHORTEST_PIECE:
        close = sorted((name for name in by_folded if piece in name), key=lambda name: (name.find(piece), len(name)))
        del close[1:]
    return f"; did you mean {' or '.join(by_folded[each] for each in close)}?" if close else ""


def _resemblance(one: str, other: str) -> float:
    """From 0 to 1, as difflib has it."""
    return difflib.SequenceMatcher(None, one, other).ratio()


def _fold(name: str) -> str:
    return name.casefold().replace("_", "-").strip("- ")
