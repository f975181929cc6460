"""Makes texts that a regular expression matches, always the same. Pure."""

from __future__ import annotations

import re
from re import _parser  # type: ignore[attr-defined] # the parser of patterns has no public name
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_LONGEST = 10_000
"""No longer text is made."""
_USUAL = "a0A-_ .b"
"""The characters that are tried where most are allowed."""


def list_matches(pattern: str, lengths: int) -> Iterator[str]:
    """List texts that may match the pattern, with ever more repetitions; raises `ValueError` for one that is not known.

    Anchors and conditions around a place are not followed, so each text is to be tried.
    """
    try:
        parsed = _parser.parse(pattern)
        for more in range(lengths):
            yield _follow(parsed, more)
    except (re.error, KeyError, RecursionError, OverflowError) as error:
        raise ValueError(f"no text is made for the pattern {pattern}") from error


def may_take_long(pattern: str) -> bool:
    """May it take a time exponential in the length of a text to see that it does not match?

    So it is where what is repeated has a repetition or a choice in it, such as `([a-z]+ ?)+`. Raises `re.error`.
    """
    return _is_nested(_parser.parse(pattern), repeated=False)


def _is_nested(parsed: Any, *, repeated: bool) -> bool:
    for operator, argument in parsed:
        match str(operator):
            case "MAX_REPEAT" | "MIN_REPEAT":
                again = argument[1] > 1
                if (again and repeated) or _is_nested(argument[2], repeated=again or repeated):
                    return True
            case "BRANCH":
                if repeated or any(_is_nested(each, repeated=False) for each in argument[1]):
                    return True
            case "SUBPATTERN" | "ASSERT" | "ASSERT_NOT":
                if _is_nested(argument[-1], repeated=repeated):
                    return True
    return False


def _follow(parsed: Any, more: int) -> str:
    """Make a text from a parsed pattern; what may be repeated is repeated up to `more` times than it must."""
    texts = [_PARTS[str(operator)](argument, more) for operator, argument in parsed]
    return "".join(texts)


def _repeat(argument: Any, more: int) -> str:
    least, most, part = argument
    times = min(int(least) + more, int(most))
    text = _follow(part, more)
    if len(text) * times > _LONGEST:
        raise OverflowError(f"more than {_LONGEST} characters")
    return text * times


def _pick(parts: Any) -> str:
    """The first character of a set, or the first usual one that is not in it."""
    operator, argument = parts[0]
    match str(operator):
        case "LITERAL":
            return chr(argument)
        case "RANGE":
            return chr(argument[0])
        case "CATEGORY":
            return next(each for each in _USUAL if _is_in(each, str(argument)))
    # A set of others begins with NEGATE.
    found = (each for each in _USUAL if not any(_contains(part, each) for part in parts[1:]))
    return next(found, "é")


def _contains(part: Any, character: str) -> bool:
    operator, argument = part
    match str(operator):
        case "LITERAL":
            return bool(argument == ord(character))
        case "RANGE":
            return bool(argument[0] <= ord(character) <= argument[1])
    return _is_in(character, str(argument))


def _is_in(character: str, category: str) -> bool:
    name = category.removeprefix("CATEGORY_")
    belongs = {
        "DIGIT": character.isdigit(),
        "WORD": character.isalnum() or character == "_",
        "SPACE": character.isspace(),
    }
    return not belongs[name[4:]] if name.startswith("NOT_") else belongs[name]


_PARTS: Mapping[str, Callable[[Any, int], str]] = {
    "LITERAL": lambda character, _: chr(character),
    "NOT_LITERAL": lambda character, _: "b" if character == ord("a") else "a",
    "ANY": lambda _, __: "a",
    "IN": lambda parts, _: _pick(parts),
    "SUBPATTERN": lambda argument, more: _follow(argument[-1], more),
    "ATOMIC_GROUP": _follow,
    "BRANCH": lambda argument, more: _follow(argument[1][0], more),
    **dict.fromkeys(("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"), _repeat),
    **dict.fromkeys(("AT", "ASSERT", "ASSERT_NOT"), lambda _, __: ""),
}
