"""What a server may send without end: a beginning, and a part that comes over and over."""

from __future__ import annotations

from typing import NamedTuple

from harness.load import http2_frames as frames
from tests.http2_server import head

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
HEAD = head(1, (":status", "200"))
KIB = bytes(1024)


class Endless(NamedTuple):
    beginning: bytes
    part: bytes


ENDLESS = {
    "http1": {
        "headers": Endless(OK, b"x: y\r\n" * 100),
        "a header": Endless(OK + b"x: ", b"y" * 1000),
        "interim answers": Endless(b"", b"HTTP/1.1 100 Continue\r\nx: y\r\n\r\n"),
        "body with a length": Endless(OK + b"content-length: 99999999999999\r\n\r\n", KIB),
        "body without a length": Endless(OK + b"\r\n", KIB),
        "chunks": Endless(CHUNKED, b"400\r\n" + KIB + b"\r\n"),
        "chunk extension": Endless(CHUNKED + b"1;", b"e" * 1000),
        "trailers": Endless(CHUNKED + b"0\r\n", b"x: y\r\n" * 100),
    },
    "http2": {
        "SETTINGS": Endless(b"", frames.settings({frames.INITIAL_WINDOW_SIZE: 65_535})),
        "PING": Endless(b"", frames.frame(frames.PING, 0, 0, bytes(8))),
        "CONTINUATION": Endless(head(1, flags=0), frames.frame(frames.CONTINUATION, 0, 1, b"\x40\x01a\x01b" * 200)),
        "empty CONTINUATION": Endless(head(1, flags=0), frames.frame(frames.CONTINUATION, 0, 1)),
        "interim answers": Endless(b"", head(1, (":status", "103"), ("link", "</a>"))),
        "DATA": Endless(HEAD, frames.frame(frames.DATA, 0, 1, KIB)),
        "empty DATA": Endless(HEAD, frames.frame(frames.DATA, 0, 1)),
        "padding": Endless(HEAD, frames.frame(frames.DATA, frames.PADDED, 1, b"\xff" + bytes(255))),
        "unknown frames": Endless(b"", frames.frame(0xBB, 0, 0, KIB)),
        "a frame": Endless(b"\xff\xff\xff" + bytes(5) + b"\1", KIB),
    },
    "websocket": {
        "a frame": Endless(b"\x82\x7f\x40" + bytes(7), KIB),
        "fragments": Endless(b"\x01\x01a", b"\x00\x7e\x04\x00" + KIB),
        "empty fragments": Endless(b"\x01\x01a", b"\x00\x00" * 500),
        "pings": Endless(b"", b"\x89\x7d" + b"p" * 125),
    },
    "http3": {
        "DATA": Endless(b"\x01\x03\x00\x00\xd9", b"\x00\x44\x00" + KIB),
        "empty DATA": Endless(b"\x01\x03\x00\x00\xd9", b"\x00\x00" * 500),
        "unknown frames": Endless(b"", b"\x21\x44\x00" + KIB),
    },
}
"""By target of `tests/fuzz/targets.py`, and what it is called."""
