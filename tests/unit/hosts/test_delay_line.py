"""What the delay line does with packets: here sockets that keep messages apart stand for its devices."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from harness.hosts.delay_line import Direction


class Line:
    """A direction with both of its ends."""

    def __init__(self, stack: ExitStack) -> None:
        ends = [each for _ in range(2) for each in socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)]
        for each in ends:
            each.setblocking(False)
            stack.enter_context(each)
        self.sent, source, sink, self.received = ends
        self.direction = Direction(source.fileno(), sink.fileno())

    def send(self, *packets: bytes) -> None:
        for each in packets:
            self.sent.send(each)
        self.direction.take()

    def read(self) -> list[bytes]:
        """What has come out."""
        found = []
        while True:
            try:
                found.append(self.received.recv(2000))
            except BlockingIOError:
                return found

    def drain(self) -> list[bytes]:
        """Wait until nothing is on its way."""
        while (left_s := self.direction.deliver()) is not None:
            time.sleep(left_s)
        return self.read()


@pytest.fixture
def line() -> Iterator[Line]:
    with ExitStack() as stack:
        yield Line(stack)


def test_packets_come_late_and_in_order(line: Line) -> None:
    line.direction.delay_s = 0.02
    began_s = time.monotonic()
    line.send(b"one", b"two")
    assert line.drain() == [b"one", b"two"]
    assert time.monotonic() - began_s >= 0.02
    assert (line.direction.carried, line.direction.lost, line.direction.refused) == (2, 0, 0)


def test_a_packet_waits_for_those_before_it_even_if_the_delay_has_shrunk(line: Line) -> None:
    line.direction.delay_s = 60.0
    line.send(b"slow")
    line.direction.delay_s = 0.0
    line.send(b"fast")
    left_s = line.direction.deliver()
    assert left_s is not None
    assert 0 < left_s <= 60
    assert line.read() == []


def test_each_packet_is_carried_or_counted(line: Line) -> None:
    line.direction.loss = 0.5
    sent = [bytes([number]) for number in range(100)]
    line.send(*sent[:50])
    line.send(*sent[50:])
    received = line.drain()
    while line.direction.lost + line.direction.carried < len(sent):  # more than are read at once
        line.send()
        received += line.drain()
    assert received == [each for each in sent if each in received]
    assert (line.direction.carried, line.direction.refused) == (len(received), 0)
    assert 0 < line.direction.lost < len(sent)


def test_what_the_other_side_does_not_take_is_counted(line: Line) -> None:
    line.received.close()
    line.send(b"one")
    assert line.direction.deliver() is None
    assert (line.direction.carried, line.direction.refused) == (0, 1)
