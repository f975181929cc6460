"""What our HTTP/2 frames cost the client, and what the library h2 would: one small GET after the other, in memory.

Both clients send the same request, read the same bytes and verify status, content type and body of the same answer.
The server is bytes that were made beforehand. In the first table all answers are alike, which our client sees without
decoding them again; in the second one header differs each time, so that both clients decode every answer.

    python benchmarks/http2_codec.py
"""

from __future__ import annotations

import argparse
from functools import partial

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, ResponseReceived, StreamEnded
from hpack import Encoder, NeverIndexedHeaderTuple
from pairs import compare

from harness.load.exchange import Answer, get
from harness.load.http2_connection import Connection
from harness.load.http2_frames import DATA, END_HEADERS, END_STREAM, HEADERS, frame, settings
from harness.load.http2_messages import Stream

COUNT = 5_000
BODY = b"Hello, World!"
FIELDS = ((":status", "200"), ("server", "uvicorn"), ("content-length", str(len(BODY))), ("content-type", "text/plain"))
REQUEST = get("/plaintext", expected_body=BODY, expected_type="text/plain")
REQUEST_FIELDS = (
    (":method", "GET"),
    (":scheme", "http"),
    (":authority", "localhost"),
    (":path", "/plaintext"),
    ("accept", "*/*"),
)


def _answer_bytes(stream_id: int, *fields: tuple[str, str]) -> bytes:
    named = [NeverIndexedHeaderTuple(name.encode(), value.encode()) for name, value in (*FIELDS, *fields)]
    block = Encoder().encode(named)
    return frame(HEADERS, END_HEADERS, stream_id, block) + frame(DATA, END_STREAM, stream_id, BODY)


STREAM_IDS = range(1, 2 * COUNT, 2)
ALIKE = [_answer_bytes(stream_id) for stream_id in STREAM_IDS]
DIFFERENT = [_answer_bytes(stream_id, ("x-request-id", str(stream_id))) for stream_id in STREAM_IDS]


def ours(answers: list[bytes], count: int) -> None:
    """On one connection of ours."""
    connection = Connection("http", "localhost")
    connection.receive(settings({}))
    connection.output.clear()
    for data in answers[:count]:
        connection.streams.send(Stream(REQUEST))
        bytes(connection.output)
        connection.output.clear()
        (stream,) = connection.receive(data)
        answer = stream.arrived
        if not isinstance(answer, Answer):
            raise answer
        if answer is not REQUEST.learned_answer:
            REQUEST.verify(answer)
            REQUEST.learned_answer = answer


def with_h2(answers: list[bytes], count: int) -> None:
    """On one connection of h2, without its checks of headers, which cost more."""
    unchecked = H2Configuration(
        header_encoding="latin-1",
        validate_inbound_headers=False,
        validate_outbound_headers=False,
        normalize_outbound_headers=False,
    )
    connection = H2Connection(unchecked)
    connection.initiate_connection()
    connection.receive_data(settings({}))
    connection.data_to_send()
    for data in answers[:count]:
        stream_id = connection.get_next_available_stream_id()
        connection.send_headers(stream_id, REQUEST_FIELDS, end_stream=True)
        connection.data_to_send()
        REQUEST.verify(_answer(connection, connection.receive_data(data)))


def _answer(connection: H2Connection, events: list[Event]) -> Answer:
    fields: tuple[tuple[str, str], ...] = ()
    parts = []
    for event in events:
        if isinstance(event, ResponseReceived):
            fields = tuple((str(name), str(value)) for name, value in event.headers)
        elif isinstance(event, DataReceived):
            parts.append(event.data)
            connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded):
            return Answer(int(dict(fields)[":status"]), fields, b"".join(parts))
    raise ValueError(f"expected a complete answer, found {events}")


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    for answers in (ALIKE, DIFFERENT):
        compare(partial(ours, answers), "h2", partial(with_h2, answers), COUNT)
