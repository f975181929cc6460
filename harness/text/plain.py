"""Text of others, such as logs and answers, that is safe to show: it moves no cursor and reorders no line. Pure."""

from __future__ import annotations

import re

_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_UNSAFE = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, except tab and newline
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks that reorder text (Unicode Standard Annex 9)
    "\u200b\u2028\u2029\ufeff"  # invisible, or ends of a line to some programs
    "\ud800-\udfff"  # halves of a character, which no encoding has
    "]"
)


def neutralise(text: str) -> str:
    r"""Drop colours, and write every other character that a terminal or a page may obey as an escape: `\u001b`.

    Inside the strings of a JSON document these escapes mean the characters that they stand for.
    """
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", _COLOUR.sub("", text.replace("\r\n", "\n")))
