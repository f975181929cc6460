"""Compressed bodies are verified as what they hold; what is not complete, or too long, is an error."""

from __future__ import annotations

import gzip
import zlib

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load import compression
from harness.load.exchange import Answer, Failure, get

ENCODERS = {"gzip": gzip.compress, "br": brotli.compress}


def answer(coding: str, body: bytes) -> Answer:
    return Answer(200, (("content-encoding", coding),), body)


@pytest.mark.parametrize("coding", ENCODERS)
@given(st.binary(max_size=200))
def test_the_content_is_what_was_compressed(coding: str, body: bytes) -> None:
    found = answer(coding, ENCODERS[coding](body))
    assert found.content == body
    get("/", expected_body=body).verify(found)
    get("/", seen_body=body).verify(found)


@pytest.mark.parametrize("coding", ENCODERS)
@given(st.binary(min_size=1, max_size=50), st.integers(1, 8))
def test_a_body_that_is_cut_or_continued_is_an_error(coding: str, body: bytes, cut: int) -> None:
    whole = ENCODERS[coding](body)
    for wrong in (whole[:-cut], whole + b"more"):
        if not wrong:
            continue
        with pytest.raises(Failure) as caught:
            get("/").verify(answer(coding, wrong))
        assert caught.value.kind == "encoding"


@pytest.mark.parametrize(("coding", "text"), [("deflate", "expected gzip or br"), ("zstd", "expected gzip or br")])
def test_a_coding_that_was_not_asked_for_is_an_error(coding: str, text: str) -> None:
    with pytest.raises(Failure, match=text):
        get("/").verify(answer(coding, zlib.compress(b"a")))


@pytest.mark.parametrize("coding", ENCODERS)
def test_content_that_is_too_long_is_not_unpacked(coding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "MAX_BODY_BYTES", 1000)
    with pytest.raises(Failure, match="at most 1000 bytes"):
        get("/").verify(answer(coding, ENCODERS[coding](bytes(100_000))))


def test_other_content_is_an_error_that_shows_it() -> None:
    with pytest.raises(Failure, match="expected 'moin', found 'hell'"):
        get("/", expected_body=b"moin").verify(answer("gzip", gzip.compress(b"hell")))
    with pytest.raises(Failure, match="expected 200, found 500: 'oh no'"):
        get("/").verify(Answer(500, (("content-encoding", "gzip"),), gzip.compress(b"oh no")))


def test_json_is_read_from_the_content() -> None:
    assert answer("br", brotli.compress(b'{"a": 1}')).json() == {"a": 1}


@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_nothing_needs_no_decoding(coding: str) -> None:
    assert answer(coding, b"").content == b""
