"""Frames of an HTTP/2 server, for a client in memory."""

from __future__ import annotations

from hpack import Encoder, NeverIndexedHeaderTuple

from harness.load.exchange import Answer, Request, get
from harness.load.http2_connection import Connection
from harness.load.http2_frames import DATA, END_HEADERS, END_STREAM, HEADERS, frame, settings
from harness.load.http2_messages import Stream

SERVER_SETTINGS = settings({})
REQUESTS = (get("/"), get("/"), Request("HEAD", "/"))


def fields(*pairs: tuple[str, str]) -> bytes:
    return Encoder().encode([NeverIndexedHeaderTuple(name.encode(), value.encode()) for name, value in pairs])


def head(stream_id: int, *pairs: tuple[str, str], flags: int = END_HEADERS) -> bytes:
    return frame(HEADERS, flags, stream_id, fields(*pairs))


OK = (":status", "200")
LAST = END_HEADERS | END_STREAM
WHOLE = head(1, OK) + frame(DATA, END_STREAM, 1, b"body")
ANSWER = Answer(200, (), b"body")


def started() -> tuple[Connection, list[Stream]]:
    """A connection after both SETTINGS, with requests on the streams 1, 3 and 5."""
    connection = Connection("http", "localhost")
    assert connection.receive(SERVER_SETTINGS) == []
    connection.output.clear()
    streams = [Stream(request) for request in REQUESTS]
    for stream in streams:
        connection.streams.send(stream)
    connection.output.clear()
    return connection, streams
