"""The placeholders for values that are new in each request."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

UNIQUE = "{unique}"
"""Stands in the path, a header or the body of a request, or in a message, for new letters each time it is sent."""
UNIQUE_INT = "{unique:int}"
"""The same for a number."""
UNIQUE_UUID = "{unique:uuid}"
"""The same for a UUID of version 4 (RFC 9562, 5.4)."""
PLACEHOLDERS = (UNIQUE, UNIQUE_INT, UNIQUE_UUID)
UNIQUE_LETTERS = 16
"""So many letters, of `a` to `z`."""
UNIQUE_INTS = range(10**15, 9 * 10**15)
"""The numbers: of 16 digits, and below 2 ** 53, as JSON keeps them exact (RFC 8259, 6)."""


def list_placeholders(data: bytes, *texts: str) -> tuple[str, ...]:
    """The placeholders that occur in data or texts."""
    return tuple(each for each in PLACEHOLDERS if each.encode() in data or any(each in text for text in texts))


def fill_text(text: str, values: Mapping[str, str]) -> str:
    """The text with these values in place of the placeholders."""
    for placeholder, value in values.items():
        text = text.replace(placeholder, value)
    return text


def fill_data(data: bytes, values: Mapping[str, str]) -> bytes:
    """The same for bytes."""
    for placeholder, value in values.items():
        data = data.replace(placeholder.encode(), value.encode())
    return data
