"""Writes a value as a body in the media type that a document asks for. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from harness.model.unique import PLACEHOLDERS, UNIQUE_INT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
TEXT = "text/plain"
_ANY = frozenset({"*/*", "application/*"})
_MOST_VALUES = 100_000
"""A body has at most so many values: an example in YAML may hold itself, or one part of it any number of times."""
_BOUNDARY = "harness-part"
"""Always the same, so that a request is the same in each run."""
NEW_INT = 1_234_567_890_123_456
"""In a value, it stands for a number that is new each time: `{unique:int}` is no JSON."""


def choose_media(offered: Iterable[str]) -> str | None:
    """Choose the media type that a body is written in, as the document spells it: JSON before forms before text.

    None if there is none that `encode_body` knows.
    """
    by_kind: dict[str, str] = {}
    for media_type in offered:
        by_kind.setdefault(_find_kind(media_type), media_type)
    return next((by_kind[kind] for kind in (JSON, FORM, MULTIPART, TEXT) if kind in by_kind), None)


def encode_body(media_type: str, value: Any, schema: Mapping[str, Any]) -> tuple[str, bytes]:
    """Write a value in a media type that `choose_media` returned; return the content type and the body.

    `schema` describes the value and says which fields of a form are files.
    Raises `LookupError` with the reason if the value cannot be written so.
    """
    _check_size(value)
    content_type, data = _encode(media_type, value, schema)
    return content_type, data.replace(str(NEW_INT).encode(), UNIQUE_INT.encode())


def _check_size(value: Any) -> None:
    """Raise `LookupError` for a value that cannot be written, as it holds too many values, or itself."""
    waiting, seen = [value], 0
    while waiting:
        each = waiting.pop()
        inner = list(each.values()) if isinstance(each, dict) else each if isinstance(each, list) else []
        seen += len(inner)
        if seen > _MOST_VALUES:
            raise LookupError(f"the example has more than {_MOST_VALUES} values, or holds itself")
        waiting += inner


def _encode(media_type: str, value: Any, schema: Mapping[str, Any]) -> tuple[str, bytes]:
    kind = _find_kind(media_type)
    sent_as = JSON if media_type in _ANY else media_type
    if kind == JSON:
        return sent_as, json.dumps(value).encode()
    if kind == TEXT:
        return sent_as, (value if isinstance(value, str) else json.dumps(value)).encode()
    if not isinstance(value, dict):
        raise LookupError(f"the example is no object, as {kind} needs")  # noqa: TRY004 - a reason to leave the route out
    if kind == FORM:
        form = urlencode([(name, text) for name, text, _ in _list_fields(value)])
        return sent_as, restore_placeholders(form).encode()
    return f"{MULTIPART}; boundary={_BOUNDARY}", _encode_parts(value, schema)


def restore_placeholders(text: str) -> str:
    """A quoted text with the placeholders in it as they are."""
    for each in PLACEHOLDERS:
        text = text.replace(quote(each), each)
    return text


def _find_kind(media_type: str) -> str:
    """The media type without its parameters; JSON also for vendors' types (RFC 6839, §3.1) and for any type."""
    plain = media_type.partition(";")[0].strip().lower()
    return JSON if plain in _ANY or plain.endswith("+json") else plain


def _list_fields(value: Mapping[str, Any]) -> Iterable[tuple[str, str, bool]]:
    """The fields of a form: name, text, and whether that is an object, in JSON; each item of an array is a field."""
    for name, given in value.items():
        for each in given if isinstance(given, list) else [given]:
            is_text = isinstance(each, str)
            yield name, each if is_text else json.dumps(each), isinstance(each, dict | list)


def _encode_parts(value: Mapping[str, Any], schema: Mapping[str, Any]) -> bytes:
    """RFC 7578; a field whose schema says that it is binary is sent as a file."""
    properties = schema.get("properties")
    described = properties if isinstance(properties, dict) else {}
    parts = b""
    for name, text, is_json in _list_fields(value):
        disposition = f'form-data; name="{_escape(name)}"'
        kind = f"\r\nContent-Type: {JSON}" if is_json else ""
        if _is_file(described.get(name)):
            disposition += f'; filename="{_escape(name)}"'
            kind = "\r\nContent-Type: application/octet-stream"
        head = f"--{_BOUNDARY}\r\nContent-Disposition: {disposition}{kind}\r\n\r\n"
        parts += head.encode() + text.encode() + b"\r\n"
    return parts + f"--{_BOUNDARY}--\r\n".encode()


def _is_file(schema: Any) -> bool:
    """Is it one file or several? OpenAPI 3.0 says so with `format`, 3.1 with `contentMediaType`."""
    own = schema if isinstance(schema, dict) else {}
    return own.get("format") == "binary" or "contentMediaType" in own or ("items" in own and _is_file(own["items"]))


def _escape(name: str) -> str:
    """HTML, multipart/form-data encoding algorithm."""
    return name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
