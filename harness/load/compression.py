"""Decodes compressed bodies (RFC 9110, 8.4.1): once for all answers of the same bytes, which clients recognise."""

from __future__ import annotations

import zlib

import brotli

from harness.model.blocks import MAX_BODY_BYTES

_GZIP_WINDOW = 31
"""zlib: a window of 32 KiB, with the head and the checksum of gzip (RFC 1952)."""


def decode(body: bytes, coding: str) -> bytes:
    """The content of a body in this coding; raises `ValueError` if it is not complete, is too long, or is no such."""
    if coding in {"gzip", "x-gzip"}:
        return _decode_gzip(body)
    if coding == "br":
        return _decode_brotli(body)
    raise ValueError(f"expected gzip or br, found content-encoding {coding}")


def _decode_gzip(body: bytes) -> bytes:
    decoder = zlib.decompressobj(_GZIP_WINDOW)
    try:
        content = decoder.decompress(body, MAX_BODY_BYTES)
    except zlib.error as error:
        raise ValueError(f"expected gzip, found that {error}") from error
    if decoder.unconsumed_tail:
        raise ValueError(_describe_long("gzip"))
    if not decoder.eof or decoder.unused_data:
        raise ValueError("expected one complete gzip body, found another length")
    return content


def _decode_brotli(body: bytes) -> bytes:
    decoder = brotli.Decompressor()
    try:
        content: bytes = decoder.process(body, output_buffer_limit=MAX_BODY_BYTES)
    except brotli.error as error:
        raise ValueError(f"expected br, found that {error}") from error
    if not decoder.is_finished() and len(content) >= MAX_BODY_BYTES:
        raise ValueError(_describe_long("br"))
    if not decoder.is_finished():
        raise ValueError("expected a complete br body, found its beginning")
    return content


def _describe_long(coding: str) -> str:
    return f"expected at most {MAX_BODY_BYTES} bytes of {coding}, found more"
