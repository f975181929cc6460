"""Masks what should not be read in results: values of variables and headers, and passwords and tokens in URLs. Pure.

Names stay, values become `***`.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

MASK = "***"
SHORTEST = 4
"""A shorter value is not masked in text: it would be found in too many words."""

_OPTIONS = {"--env": "=", "--header": ":", "--login": " ", "--server-args": "="}
"""Options whose values are masked, and what is between a name and its value."""
_NEXT_VARIABLE = re.compile(r",\s*(?=[A-Za-z_]\w*=)")
_PLAIN_HEADERS = frozenset({"accept", "accept-encoding", "accept-language", "content-type", "host", "user-agent"})
"""Headers that hold no secret; in text, their values are left."""
_SECRET = r"[\w.\-\[\]]*(?:token|key|secret|passw|pwd|auth|signature|credential|session)[\w.\-\[\]]*"  # noqa: S105 - names
_PATTERNS = (
    re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/?#:@]*:)[^\s/?#]+(?=@)", re.IGNORECASE),  # ://user:password@
    re.compile(r"(\b(?!ssh://)[a-z][a-z0-9+.-]*://)[^\s/?#:@]+(?=@)", re.IGNORECASE),  # ://token@; of ssh, it is a user
    re.compile(rf"((?:[?&;]|\b)(?:{_SECRET})=)(?!\*\*\*)[^\s&;,#'\"<>)]+", re.IGNORECASE),  # ?token=…, password=…
    re.compile(
        r"(\b(?:proxy-)?authorization\b['\"]?+\s*+[:=,]\s*+(?:b(?=['\"]))?+['\"]?+(?:(?:basic|bearer|digest|token)\s++)?+)"
        r"(?!\*\*\*|…)[^\s'\"]+",
        re.IGNORECASE,
    ),
    re.compile(
        r"(\b(?:set-)?cookie\b['\"]?+\s*+[:,]\s*+(?:b(?=['\"]))?+['\"]?+)(?!\*\*\*|…)[^\r\n'\"]+", re.IGNORECASE
    ),
)


class Secrets:
    """The values that the options of a run hold, and all parts of them that may appear alone."""

    def __init__(
        self,
        variables: Mapping[str, str] | None = None,
        headers: Iterable[tuple[str, str]] = (),
        others: Sequence[str] = (),
    ) -> None:
        parts = {*others, *map(quote_plus, others)}
        parts |= {each for value in (variables or {}).values() for each in _parts(value)}
        parts |= {each for name, value in headers if name not in _PLAIN_HEADERS for each in _parts(value)}
        longest_first = sorted((each for each in parts if len(each) >= SHORTEST), key=len, reverse=True)
        self._values = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def mask(self, text: str) -> str:
        """The text without these values, and without passwords and tokens that are named as such."""
        if self._values is not None:
            text = self._values.sub(MASK, text)
        for pattern in _PATTERNS:
            text = pattern.sub(rf"\1{MASK}", text)
        return text


def mask_argv(argv: Iterable[str]) -> tuple[str, ...]:
    """A command line without the values of its variables and headers, and without passwords and tokens in URLs."""
    return tuple(_mask_arguments(argv))


def _mask_arguments(argv: Iterable[str]) -> Iterator[str]:
    option = ""
    for argument in argv:
        name, equals, value = argument.partition("=")
        if option:
            yield _mask_values(argument, option)
            option = ""
        elif name in _OPTIONS and equals:
            yield f"{name}={_mask_values(value, name)}"
        else:
            option = argument if argument in _OPTIONS else ""
            yield Secrets().mask(argument)


def _mask_values(text: str, option: str) -> str:
    """`NAME=***,OTHER=***`, `Name: ***`, `POST /login ***`; all of what has no name."""
    between = _OPTIONS[option]
    if option == "--server-args":
        return _mask_server_arguments(text)
    if option == "--login":
        return " ".join([*text.split()[:2], MASK])
    several = _NEXT_VARIABLE.split(text) if option == "--env" else [text]
    named = [each.partition(between) for each in several]
    masked = [f"{name}{found}{' ' if found == ':' else ''}{MASK}" if found else MASK for name, found, _ in named]
    return ",".join(masked)


def _mask_server_arguments(text: str) -> str:
    """`SERVER=ARGUMENTS`, of which options like ours are masked in the same way."""
    server, equals, arguments = text.partition("=")
    try:
        words = tuple(shlex.split(arguments))
    except ValueError:  # quotes that do not end
        return f"{server}{equals}{MASK}"
    masked = mask_argv(words)
    return text if masked == words else f"{server}{equals}{shlex.join(masked)}"


def _parts(value: str) -> Iterator[str]:
    """A value and what of it may appear alone: the words after a scheme such as `Bearer`, the password of a URL."""
    value = value.strip()
    yield value
    words = re.split(r"[\s;,]+", value)
    yield from words[1:]
    for word in words:
        if url := re.search(r"://(?:[^\s/?#:@]*:)?([^\s/?#]+)@", word):
            yield url[1]
        yield from (each[1] for each in re.finditer(r"[\w.-]=([^\s&;,]+)", word))
