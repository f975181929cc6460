"""GitHub's Markdown: tables, lists, and text that stays text."""

from __future__ import annotations

import re
from html import escape as escape_html
from typing import TYPE_CHECKING

from harness.text.plain import neutralise

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SPECIAL = re.compile(r"([\\`*|\[\]~$]|(?<![^\W_])_|_(?![^\W_]))")
"""Characters that Markdown may interpret. An underscore between letters or digits is not among them."""
_RULES = {"l": "---", "c": ":---:", "r": "---:"}


def escape(text: str) -> str:
    """Text that Markdown shows as it is, on one line, in a table's cell too."""
    flat = neutralise(" ".join(text.split())).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", flat)


def code(text: str) -> str:
    """Text that Markdown shows as code, on one line; the fence is longer than every run of backticks in it."""
    text = " ".join(neutralise(text).split("\n"))
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}"


def table(names: Sequence[str], rows: Iterable[Sequence[str]], align: str = "") -> str:
    """A table of cells that are Markdown already.

    `align` has `l`, `c` or `r` for each column; columns without a letter are aligned to the left.
    """
    rules = [_RULES[letter] for letter in align.ljust(len(names), "l")]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (names, rules, *rows))


def bullets(items: Iterable[str]) -> str:
    """A list of items that are Markdown already."""
    return "\n".join(f"- {item}" for item in items)


def picture(light: str, dark: str, alt: str) -> str:
    """An image with a file for light pages and one for dark ones, as code hosts show it."""
    words = escape_html(" ".join(neutralise(alt).split()))
    return (
        f'<picture>\n  <source media="(prefers-color-scheme: dark)" srcset="{dark}">\n'
        f'  <img src="{light}" alt="{words}">\n</picture>'
    )
