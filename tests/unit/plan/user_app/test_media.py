"""Bodies in the media types that documents ask for."""

from __future__ import annotations

from email.parser import BytesParser
from typing import Any

import pytest

from harness.plan.user_app.media import FORM, JSON, MULTIPART, choose_media, encode_body


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ([JSON], JSON),
        (["text/csv", "Application/JSON; charset=utf-8"], "Application/JSON; charset=utf-8"),
        (["application/vnd.api+json"], "application/vnd.api+json"),
        ([FORM, MULTIPART, "application/merge-patch+json"], "application/merge-patch+json"),
        (["*/*"], "*/*"),
        ([MULTIPART, FORM], FORM),
        (["application/xml", "text/plain;charset=utf-8"], "text/plain;charset=utf-8"),
        (["application/xml"], None),
        ([], None),
    ],
)
def test_json_is_chosen_before_forms_and_text(offered: list[str], chosen: str | None) -> None:
    assert choose_media(offered) == chosen


@pytest.mark.parametrize(
    ("media_type", "value", "content_type", "body"),
    [
        (JSON, {"a": [1, None]}, JSON, b'{"a": [1, null]}'),
        ("application/vnd.api+json;v=2", 7, "application/vnd.api+json;v=2", b"7"),
        ("*/*", "moin", JSON, b'"moin"'),
        (FORM, {"a": "b c", "n": 7, "on": True, "many": [1, "x"], "in": {"k": 1}}, FORM,
         b"a=b+c&n=7&on=true&many=1&many=x&in=%7B%22k%22%3A+1%7D"),
        ("text/plain; charset=utf-8", "moin", "text/plain; charset=utf-8", b"moin"),
        ("text/plain", 7, "text/plain", b"7"),
    ],
)  # fmt: skip
def test_a_value_is_written_in_its_media_type(media_type: str, value: Any, content_type: str, body: bytes) -> None:
    assert encode_body(media_type, value, {}) == (content_type, body)


def test_files_and_objects_are_parts_of_their_own_kind() -> None:
    schema = {"properties": {"file": {"format": "binary"}, "more": {"items": {"contentMediaType": "image/png"}}}}
    value = {"title": "a chair", "file": "bytes", "more": ["one", "two"], "meta": {"k": 1}}
    content_type, body = encode_body(MULTIPART, value, schema)
    parsed = BytesParser().parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    parts = [
        (part.get_param("name", header="content-disposition"), part.get_filename(), part.get_payload())
        for part in parsed.walk()
        if not part.is_multipart()
    ]
    assert parts == [
        ("title", None, "a chair"),
        ("file", "file", "bytes"),
        ("more", "more", "one"),
        ("more", "more", "two"),
        ("meta", None, '{"k": 1}'),
    ]
    assert content_type == encode_body(MULTIPART, value, schema)[0]


@pytest.mark.parametrize("media_type", [FORM, MULTIPART])
def test_a_form_needs_an_object(media_type: str) -> None:
    with pytest.raises(LookupError, match="the example is no object"):
        encode_body(media_type, [1], {})
