"""The HTTP/2 client and whole answers: right ones, malformed ones (RFC 9113, 8.1.1), and header blocks it knows."""

from __future__ import annotations

import pytest
from hpack import Encoder, HeaderTuple, NeverIndexedHeaderTuple

from harness.load import http2_frames as frames
from harness.load import http2_messages
from harness.load.exchange import Answer, Failure
from harness.load.http2_frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PADDED,
    PRIORITISED,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    frame,
    settings,
    uint32,
    window_update,
)
from harness.load.http2_messages import HeadReader
from tests.http2_server import ANSWER, LAST, OK, WHOLE, fields, head, started

SETTINGS_ACK = frame(SETTINGS, ACK, 0)
BLOCK = fields(OK, ("server", "s"))
RIGHT = {
    "HEADERS and DATA": (WHOLE, ANSWER),
    "no body": (head(1, OK, flags=LAST), Answer(200, (), b"")),
    "DATA in pieces": (head(1, OK) + frame(DATA, 0, 1, b"bo") + frame(DATA, END_STREAM, 1, b"dy"), ANSWER),
    "an empty last DATA": (head(1, OK) + frame(DATA, 0, 1, b"body") + frame(DATA, END_STREAM, 1), ANSWER),
    "padded DATA": (head(1, OK) + frame(DATA, END_STREAM | PADDED, 1, b"\2body\0\0"), ANSWER),
    "only padding": (head(1, OK) + frame(DATA, END_STREAM | PADDED, 1, b"\0"), Answer(200, (), b"")),
    "padded HEADERS with priority": (
        frame(HEADERS, LAST | PADDED | PRIORITISED, 1, b"\1" + bytes(5) + fields(OK) + b"\0"),
        Answer(200, (), b""),
    ),
    "CONTINUATION": (
        frame(HEADERS, END_STREAM, 1, BLOCK[:1])
        + frame(CONTINUATION, 0, 1, BLOCK[1:3])
        + frame(CONTINUATION, END_HEADERS, 1, BLOCK[3:]),
        Answer(200, (("server", "s"),), b""),
    ),
    "interim answers": (head(1, (":status", "100")) + head(1, (":status", "103"), ("link", "l")) + WHOLE, ANSWER),
    "trailers": (head(1, OK) + frame(DATA, 0, 1, b"body") + head(1, ("x-sum", "1"), flags=LAST), ANSWER),
    "unknown frames": (frame(0xBE, 0xFF, 1, b"?") + frame(0xBE, 0, 9) + frame(0xBE, 0, 0) + WHOLE, ANSWER),
    "unknown flags": (frame(HEADERS, END_HEADERS | 0x40, 1, fields(OK)) + WHOLE[len(head(1, OK)) :], ANSWER),
    "PRIORITY": (frame(PRIORITY, 0, 1, bytes(5)) + frame(PRIORITY, 0, 8, bytes(5)) + WHOLE, ANSWER),
    "the reserved bit": (head(1 | 1 << 31, OK) + frame(DATA, END_STREAM, 1 | 1 << 31, b"body"), ANSWER),
    "reset after the end": (WHOLE + frame(RST_STREAM, 0, 1, uint32.pack(0)), ANSWER),
    "a window after the end": (WHOLE + window_update(1, 5), ANSWER),
    "unknown settings": (settings({0xFF: 1, frames.ENABLE_PUSH: 0}) + WHOLE, ANSWER),
    "length of HEAD": (head(5, OK, ("content-length", "9"), flags=LAST), Answer(200, (("content-length", "9"),), b"")),
    "204": (head(1, (":status", "204"), flags=LAST), Answer(204, (), b"")),
    "304": (
        head(1, (":status", "304"), ("content-length", "9"), flags=LAST),
        Answer(304, (("content-length", "9"),), b""),
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_answer_is_taken_whole_or_byte_by_byte(name: str) -> None:
    data, answer = RIGHT[name]
    for size in (len(data), 1):
        connection, _ = started()
        ended = []
        for start in range(0, len(data), size):
            ended += connection.receive(data[start : start + size])
        assert [stream.arrived for stream in ended] == [answer]
        assert bytes(connection.output) in {b"", SETTINGS_ACK}
        assert connection.streams.usable


MALFORMED = {
    "DATA before HEADERS": frame(DATA, 0, 1, b"body"),
    "the end before HEADERS": frame(DATA, END_STREAM, 1),
    "no status": head(1, ("server", "s")),
    "a status that is none": head(1, (":status", "2xx")),
    "status after a field": head(1, ("server", "s"), OK),
    "two statuses": head(1, OK, OK),
    "a pseudo-field of requests": head(1, OK, (":path", "/")),
    "upper case": head(1, OK, ("Server", "s")),
    "a field of HTTP/1.1": head(1, OK, ("connection", "close")),
    "a line end in a value": head(1, OK, ("server", "a\nb")),
    "white space around a value": head(1, OK, ("server", "a ")),
    "status 101": head(1, (":status", "101")),
    "an interim answer as the last": head(1, (":status", "103"), flags=LAST),
    "a second answer": head(1, OK) + head(1, OK),
    "trailers that are not the end": head(1, OK) + head(1, ("x-sum", "1")),
    "a shorter body": head(1, OK, ("content-length", "5")) + frame(DATA, END_STREAM, 1, b"body"),
    "a longer body": head(1, OK, ("content-length", "3")) + frame(DATA, END_STREAM, 1, b"body"),
    "no body": head(1, OK, ("content-length", "3"), flags=LAST),
    "two lengths": head(1, OK, ("content-length", "4"), ("content-length", "5")),
    "a length that is none": head(1, OK, ("content-length", "-4")),
    "204 with a body": head(1, (":status", "204")) + frame(DATA, END_STREAM, 1, b"body"),
    "a window that is not widened": window_update(1, 0),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_answer_fails_alone(name: str) -> None:
    connection, (first, second, _) = started()
    assert connection.receive(MALFORMED[name]) == [first]
    assert isinstance(first.arrived, Failure)
    assert first.arrived.kind == "protocol"
    assert bytes(connection.output) == frames.rst_stream(1, "PROTOCOL_ERROR")
    late = frame(DATA, END_STREAM, 1, b"late")
    assert connection.receive(late + head(3, OK) + frame(DATA, END_STREAM, 3, b"body")) == [second]
    assert second.arrived == ANSWER


def test_a_body_after_head_is_malformed() -> None:
    connection, (_, _, third) = started()
    assert connection.receive(head(5, OK) + frame(DATA, END_STREAM, 5, b"body")) == [third]
    assert isinstance(third.arrived, Failure)


def test_a_header_block_is_known_only_while_the_dynamic_table_stays() -> None:
    encoder, reader = Encoder(), HeadReader()
    fields = [HeaderTuple(":status", "200"), HeaderTuple("date", "today")]
    first, second = encoder.encode(fields), encoder.encode(fields)
    inserted = reader.read(first)
    assert first not in reader.known
    assert reader.read(second) is inserted
    assert reader.known == {second: inserted}
    reader.read(encoder.encode([HeaderTuple(":status", "200"), HeaderTuple("date", "tomorrow")]))
    assert reader.known == {}


def test_literals_for_a_table_without_room_are_known() -> None:
    encoder, reader = Encoder(), HeadReader()
    encoder.header_table_size = 0
    fields = [HeaderTuple(":status", "200"), HeaderTuple("server", "nginx")]
    resizing, plain = encoder.encode(fields), encoder.encode(fields)
    reader.read(resizing)
    assert reader.known == {}
    assert reader.known == {} | {plain: reader.read(plain)}


def test_known_header_blocks_do_not_grow_without_end() -> None:
    encoder, reader = Encoder(), HeadReader()
    for number in range(3_000):
        reader.read(encoder.encode([HeaderTuple(":status", "200"), NeverIndexedHeaderTuple("x-id", str(number))]))
    assert len(reader.known) <= http2_messages._KNOWN_AT_MOST
    reader.known.clear()
    reader.read(encoder.encode([HeaderTuple(":status", "200"), NeverIndexedHeaderTuple("x-long", "v" * 5_000)]))
    assert reader.known == {}
