"""What reading a small HTTP/1.1 answer costs: our reader on httptools against h11, then known bytes against the reader.

Both readers verify status, content type and body. The client first compares the bytes of an answer with those of the
last right one and only parses if they differ; the second table shows what that saves.

    python benchmarks/http1_codec.py
"""

from __future__ import annotations

import argparse

import h11
from pairs import compare

from harness.load.exchange import Answer, get
from harness.load.http1 import AnswerReader

COUNT = 20_000
BODY = b"Hello, World!"
WIRE = (
    b"HTTP/1.1 200 OK\r\ndate: Mon, 01 Jan 2024 00:00:00 GMT\r\nserver: uvicorn\r\ncontent-length: 13\r\n"
    b"content-type: text/plain; charset=utf-8\r\n\r\n" + BODY
)
REQUEST = get("/plaintext", expected_body=BODY, expected_type="text/plain")


def parsed(count: int) -> None:
    """By our reader, which uses httptools."""
    for _ in range(count):
        answer = AnswerReader().feed(WIRE)
        if answer is None:
            raise ValueError("expected a complete answer, found a part")
        REQUEST.verify(answer)


def with_h11(count: int) -> None:
    """On one connection of h11, which also has to be told of each request."""
    connection = h11.Connection(h11.CLIENT)
    request = h11.Request(method="GET", target="/plaintext", headers=[("host", "localhost")])
    for _ in range(count):
        connection.send(request)
        connection.send(h11.EndOfMessage())
        connection.receive_data(WIRE)
        head, parts = None, []
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                parts.append(bytes(event.data))
        if head is None:
            raise ValueError("expected a complete answer, found none")
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers)
        REQUEST.verify(Answer(head.status_code, headers, b"".join(parts)))
        connection.start_next_cycle()


def known(count: int) -> None:
    """By comparison with the bytes of the last right answer."""
    learned = bytes(bytearray(WIRE))
    for _ in range(count):
        if learned != WIRE:
            raise ValueError("expected the same bytes")


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    compare(parsed, "h11", with_h11, COUNT)
    compare(known, "parsed", parsed, COUNT)
