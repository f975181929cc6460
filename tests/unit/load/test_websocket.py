"""WebSocket messages, whole and broken, with wsproto as the server; what arrives is handed over in the hub."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from time import perf_counter_ns
from typing import Any, Self, TypeVar

import gevent
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto import ConnectionType, WSConnection
from wsproto.connection import Connection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    Request,
    TextMessage,
)

from harness.load.account import Account
from harness.load.exchange import Answer, Failure, Message
from harness.load.transport import Endpoint
from harness.load.websocket import WebSocketClient
from harness.load.websocket_frames import encode, frame_head, read_whole
from tests.pieces import cut

T = TypeVar("T")


def message_of(data: bytes, *, text: bool, finished: bool = True) -> Event:
    if text:
        return TextMessage(data.decode(), message_finished=finished)
    return BytesMessage(data, message_finished=finished)


def answer_of(body: bytes, *, text: bool) -> Answer:
    return Answer(0, (("type", "text" if text else "binary"),), body)


class Line:
    """A client with wsproto at the other end, whose bytes arrive in the pieces that the test wants."""

    def __init__(self, listener: socket.socket, **options: Any) -> None:
        self.account = Account()
        self.client = WebSocketClient(Endpoint(*listener.getsockname()), "/ws", self.account, **options)
        self._listener = listener

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.peer.close()

    def accept(self, *more: bytes) -> bytes:
        """Take the handshake; what the server answers, with these bytes after it."""
        self.peer = self._listener.accept()[0]
        self.peer.settimeout(10)
        self.server = WSConnection(ConnectionType.SERVER)
        self.server.receive_data(self.peer.recv(65_536))
        (request,) = self.server.events()
        assert isinstance(request, Request)
        assert request.target == "/ws"
        return b"".join([self.server.send(AcceptConnection()), *more])

    def open(self, answer: Callable[[], Iterable[bytes]] | None = None) -> Answer | Failure | None:
        """Shake hands, with this answer in these pieces if not with the right one; None when all went well."""
        opening = gevent.spawn(outcome, self.client.open)
        while self.client._waiter is None:
            gevent.sleep(0)
        return self._hand_over(opening, answer() if answer else [self.accept()])

    def exchange(self, message: Message, pieces: Iterable[bytes]) -> Answer | Failure | None:
        """What comes of these pieces; a failure of the kind `open` when it takes more of them."""
        return self._hand_over(gevent.spawn(outcome, lambda: self.client.exchange(message)), pieces)

    def idle(self, pieces: Iterable[bytes]) -> None:
        """Let these arrive while nothing is asked for."""
        self._hand_over(gevent.spawn(outcome, lambda: None), pieces)

    def _hand_over(self, user: gevent.Greenlet, pieces: Iterable[bytes]) -> Answer | Failure | None:
        raised: list[Exception] = []

        def receive(piece: bytes) -> None:
            try:
                if self.client._transport is not None:
                    self.client.received(piece, perf_counter_ns())
            except Exception as error:  # noqa: BLE001 - in the hub it would only be printed
                raised.append(error)

        loop = gevent.get_hub().loop
        for piece in pieces:
            loop.run_callback(receive, piece)
        loop.run_callback(lambda: loop.run_callback(self.client._wake, Failure("open", "")))
        found: Answer | Failure | None = user.get(timeout=10)
        assert raised == []
        return found

    def sent(self) -> list[Event]:
        """What the server has from the client."""
        self.server.receive_data(self.peer.recv(65_536))
        return list(self.server.events())


def outcome(action: Callable[[], T]) -> T | Failure:
    try:
        return action()
    except Failure as failure:
        return failure


def kind(found: Answer | Failure | None) -> str | None:
    return found.kind if isinstance(found, Failure) else None


TEXTS = st.text(max_size=50).map(str.encode)
BODIES = st.one_of(
    st.tuples(st.just(value=True), TEXTS),
    st.tuples(st.just(value=False), st.binary(max_size=50)),
    st.tuples(st.booleans(), st.sampled_from([0, 1, 125, 126, 65_535, 65_536]).map(lambda size: b"a" * size)),
)
PLACES = st.lists(st.integers(0, 100_000), max_size=8)


@given(BODIES)
def test_a_message_arrives_as_it_was_meant(body: tuple[bool, bytes]) -> None:
    text, data = body
    server = Connection(ConnectionType.SERVER)
    server.receive_data(encode(data, text=text))
    answer = b"".join(
        event.data.encode() if isinstance(event, TextMessage) else bytes(event.data)
        for event in server.events()
        if isinstance(event, TextMessage if text else BytesMessage)
    )
    assert answer == data


@given(BODIES)
def test_the_predicted_frame_is_the_one_that_servers_send(body: tuple[bool, bytes]) -> None:
    text, data = body
    frame = Connection(ConnectionType.SERVER).send(message_of(data, text=text))
    assert frame_head(len(data), text=text, masked=False) + data == frame


EVENTS = st.lists(
    st.one_of(
        BODIES.map(lambda body: message_of(body[1], text=body[0])),
        st.builds(Ping, st.binary(max_size=125)),
    ),
    max_size=4,
)


@given(EVENTS, st.integers(0, 200))
def test_whole_frames_are_read_as_they_were_meant_and_a_part_of_one_is_left_to_the_parser(
    events: list[Event], missing: int
) -> None:
    server = Connection(ConnectionType.SERVER)
    frames = [server.send(event) for event in events]
    found = read_whole(b"".join(frames))
    assert found is not None
    assert [(type(each), bytes(content_of(each))) for each in found] == [
        (type(each), bytes(content_of(each))) for each in events
    ]
    if events:
        lost = 1 + missing % len(frames[-1])
        if lost < len(frames[-1]):
            assert read_whole(b"".join(frames)[:-lost]) is None


def content_of(event: Event) -> bytes:
    assert isinstance(event, TextMessage | BytesMessage | Ping)
    if isinstance(event, Ping):
        return event.payload
    return event.data.encode() if isinstance(event, TextMessage) else bytes(event.data)


@settings(max_examples=300)
@given(
    st.binary(max_size=20) | st.builds(lambda first, rest: bytes([first]) + rest, st.integers(0x80, 0x8A), st.binary())
)
def test_what_is_read_of_noise_is_what_wsproto_reads(noise: bytes) -> None:
    if (found := read_whole(noise)) is not None:
        client = Connection(ConnectionType.CLIENT)
        client.receive_data(noise)
        assert [content_of(each) for each in found] == [content_of(each) for each in client.events()]


@settings(deadline=None)
@given(BODIES, BODIES, st.booleans(), PLACES)
def test_a_message_cut_anywhere_is_the_same_whether_it_was_predicted_or_not(
    listener: socket.socket, sent: tuple[bool, bytes], body: tuple[bool, bytes], looked_at: bool, places: list[int]
) -> None:
    text, data = body[0], sent[1]
    seen: list[Answer] = []
    with Line(listener) as line:
        assert line.open() is None
        frame = line.server.send(message_of(body[1], text=text))
        predicted = Message(b"ask", text=text, expected_body=body[1])
        checked = Message(b"ask", text=text, expected_body=body[1], check=seen.append if looked_at else None)
        for message in (predicted, checked, predicted, Message(data[:9], text=text)):
            assert line.exchange(message, cut(frame, places)) == answer_of(body[1], text=text)
        assert seen == ([answer_of(body[1], text=text)] if looked_at else [])
        assert (line.account.opened, line.account.reopened, line.account.failed) == (1, 0, 0)


@settings(deadline=None)
@given(BODIES, st.lists(st.binary(max_size=9) | st.just(None), max_size=5), PLACES, PLACES)
def test_fragments_and_pings_between_them_make_one_message(
    listener: socket.socket,
    body: tuple[bool, bytes],
    between: list[bytes | None],
    fragments: list[int],
    places: list[int],
) -> None:
    text, data = body
    with Line(listener) as line:
        assert line.open() is None
        frames = []
        parts = cut(data, fragments) if data.isascii() and data else [data]
        pings = dict(enumerate(between[: len(parts)]))
        for number, part in enumerate(parts):
            if (ping := pings.get(number)) is not None:
                frames.append(line.server.send(Ping(ping)))
            frames.append(line.server.send(message_of(part, text=text, finished=number == len(parts) - 1)))
        message = Message(b"ask", text=text, expected_body=data)
        assert line.exchange(message, cut(b"".join(frames), places)) == answer_of(data, text=text)
        pongs = [bytes(event.payload) for event in line.sent() if isinstance(event, Pong)]
        assert pongs == [ping for ping in pings.values() if ping is not None]


def test_the_first_byte_of_an_answer_in_parts_is_timed(listener: socket.socket) -> None:
    def cut_after(size: int) -> list[bytes]:
        frame = line.server.send(BytesMessage(b"hello"))
        return [frame[:size], frame[size:]]

    with Line(listener, is_push=lambda message: message.body == b"push") as line:
        assert line.open() is None
        push = line.server.send(BytesMessage(b"push"))
        known, several = Message(b"ask", expected_body=b"hello"), Message(b"ask", answers=2)
        whole = line.server.send(BytesMessage(b"hello"))
        in_parts = [whole], cut_after(2), cut_after(3), [push, whole]
        for pieces in in_parts:
            line.exchange(known, pieces)
        line.exchange(several, [push, whole, whole])
        ((found,), _) = line.account.take()
    firsts = [int(each) for each in found.batch.ended - found.batch.first_byte]
    assert [first > 0 for first in firsts] == [False, False, True, False, True]


@settings(deadline=None, max_examples=100)
@given(BODIES.filter(lambda body: len(body[1]) < 200), st.integers(0, 200), st.integers(1, 255), PLACES)
def test_a_predicted_message_hides_no_wrong_byte(
    listener: socket.socket, body: tuple[bool, bytes], place: int, flip: int, places: list[int]
) -> None:
    text, data = body
    frame = bytearray(Connection(ConnectionType.SERVER).send(message_of(data, text=text)))
    frame[place % len(frame)] ^= flip
    with Line(listener) as line:
        assert line.open() is None
        message = Message(b"ask", text=text, expected_body=data)
        assert isinstance(line.exchange(message, cut(bytes(frame), places)), Failure)


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.binary(max_size=20)
        | st.builds(lambda first, data: bytes([first, len(data)]) + data, st.integers(0, 255), st.binary(max_size=125)),
        max_size=5,
    ),
    PLACES,
)
def test_noise_is_read_as_wsproto_reads_it(listener: socket.socket, noise: list[bytes], places: list[int]) -> None:
    data = b"".join(noise) or b"\x81\x00"
    with Line(listener) as line:
        assert line.open() is None
        found = line.exchange(Message(b"ask"), cut(data, places))
        if isinstance(found, Answer):
            assert found.body == first_message(data)


def first_message(data: bytes) -> bytes | None:
    """The first message that wsproto reads as a client."""
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(data)
    body = b""
    for event in client.events():
        if isinstance(event, TextMessage | BytesMessage):
            body += event.data.encode() if isinstance(event.data, str) else event.data
            if event.message_finished:
                return body
    return None


HI = b"\x82\x02hi"
BROKEN = {
    "masked": b"\x82\x82\x00\x00\x00\x00hi",
    "reserved bit": b"\xc2\x02hi",
    "reserved operation": b"\x83\x02hi",
    "size longer than needed": b"\x82\x7e\x00\x02hi",
    "size of 64 bits with its highest one": b"\x82\x7f" + b"\xff" * 8,
    "a continuation of nothing": b"\x80\x02hi",
    "a new message within another": b"\x02\x01h" + HI,
    "text that is not UTF-8": b"\x81\x02\xff\xff",
    "a ping in fragments": b"\x09\x02hi",
    "a ping that is too long": b"\x89\x7e\x00\x7e" + bytes(126),
    "a close frame of one byte": b"\x88\x01\x03",
    "a close frame with a code that is not sent": b"\x88\x02\x03\xed",
    "HTTP": b"HTTP/1.1 200 OK\r\n\r\n",
    "two messages": HI + HI,
    "a message and a broken one": HI + b"\xc2\x02hi",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("expected", [b"hi", None])
def test_what_is_no_message_is_a_failure_of_the_protocol(
    listener: socket.socket, data: bytes, expected: bytes | None
) -> None:
    with Line(listener) as line:
        assert line.open() is None
        assert kind(line.exchange(Message(b"ask", expected_body=expected), [data])) == "protocol"
        assert line.client._transport is None


def test_the_answer_has_the_type_of_the_message(listener: socket.socket) -> None:
    for text in (True, False):
        with Line(listener) as line:
            assert line.open() is None
            other = line.server.send(message_of(b"hi", text=not text))
            assert kind(line.exchange(Message(b"ask", text=text, expected_body=b"hi"), [other])) == "type"


def test_a_ping_is_answered_while_nothing_is_asked_for(listener: socket.socket) -> None:
    hello = Message(b"ask", expected_body=b"hi")
    with Line(listener) as line:
        assert line.open() is None
        assert line.exchange(hello, [HI]) == answer_of(b"hi", text=False)
        line.idle(cut(line.server.send(Ping(b"there?")), [1, 3]))
        assert [type(event) for event in line.sent()] == [BytesMessage, Pong]
        assert line.exchange(hello, [HI]) == answer_of(b"hi", text=False)
        assert line.account.opened == 1


def test_a_message_that_nobody_asked_for_is_raised_by_the_next_exchange(listener: socket.socket) -> None:
    for data in (HI, b"\x83\x00"):
        with Line(listener) as line:
            assert line.open() is None
            line.idle([data])
            assert line.client._transport is None
            assert kind(line.exchange(Message(b"ask"), [])) == "protocol"
            line.peer.close()
            assert line.open() is None
            assert line.exchange(Message(b"ask"), [HI]) == answer_of(b"hi", text=False)


def test_a_close_frame_while_nothing_is_asked_for_is_no_failure(listener: socket.socket) -> None:
    with Line(listener) as line:
        assert line.open() is None
        line.idle([line.server.send(CloseConnection(1001))])
        assert (line.client._transport, line.client._idle_fault) == (None, None)
        assert [type(event) for event in line.sent()] == [CloseConnection]


def test_a_close_frame_right_after_the_answer_leaves_it_an_answer(listener: socket.socket) -> None:
    with Line(listener) as line:
        assert line.open() is None
        close_frame = line.server.send(CloseConnection(1001, "bye"))
        assert line.exchange(Message(b"ask"), [HI + close_frame + b"what is behind it is not read"]) == answer_of(
            b"hi", text=False
        )
        assert line.client._transport is None
        assert [type(event) for event in line.sent()] == [BytesMessage, CloseConnection]


def test_a_close_frame_instead_of_an_answer_is_a_failure(listener: socket.socket) -> None:
    with Line(listener) as line:
        assert line.open() is None
        found = line.exchange(Message(b"ask"), cut(line.server.send(CloseConnection(1011, "oh no")), range(9)))
        assert isinstance(found, Failure)
        assert (found.kind, found.detail) == ("reset", "the server closed with code 1011 oh no")


@pytest.mark.parametrize("size", [1, 4])
def test_a_ping_may_come_with_the_handshake(listener: socket.socket, size: int) -> None:
    with Line(listener) as line:
        ping = b"\x89\x02\r\n"
        assert line.open(lambda: [line.accept(ping[:size])]) is None
        rest = [ping[size:]] if size < len(ping) else []
        assert line.exchange(Message(b"ask", expected_body=b"hi"), [*rest, HI]) == answer_of(b"hi", text=False)
        assert [event.payload for event in line.sent() if isinstance(event, Pong)] == [b"\r\n"]


def test_the_beginning_of_a_frame_that_comes_with_the_handshake_is_not_forgotten(listener: socket.socket) -> None:
    with Line(listener) as line:
        assert line.open(lambda: [line.accept(b"\x8a\x04")]) is None
        # What looks like the answer is the rest of a pong.
        assert kind(line.exchange(Message(b"ask", expected_body=b"hi"), [HI])) == "open"


def test_a_message_that_comes_with_the_handshake_is_one_too_many(listener: socket.socket) -> None:
    with Line(listener) as line:
        assert kind(line.open(lambda: [line.accept(HI)])) == "protocol"
        assert line.client._transport is None


def test_a_handshake_may_be_cut_anywhere(listener: socket.socket) -> None:
    with Line(listener) as line:
        assert line.open(lambda: cut(line.accept(), range(500))) is None
        assert line.exchange(Message(b"ask"), [HI]) == answer_of(b"hi", text=False)


REFUSED = {
    "status": (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", "handshake"),
    "success": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "handshake"),
    "interim": (b"HTTP/1.1 103 Early Hints\r\n\r\n", "handshake"),
    "wrong accept": (
        b"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: no\r\n\r\n",
        "protocol",
    ),
    "no upgrade": (b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\n\r\n", "protocol"),
    "bytes that are no text": (b"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: \xff\r\n\r\n", "protocol"),
    "noise": (b"\x15\x03\x01\x00\x02\x02\r\n\r\n", "protocol"),
}


@pytest.mark.parametrize(("answer", "expected"), REFUSED.values(), ids=REFUSED)
def test_a_refused_handshake_is_a_failure(listener: socket.socket, answer: bytes, expected: str) -> None:
    ways: list[Iterable[int]] = [[], range(500)]
    for places in ways:
        with Line(listener) as line:

            def refuse(line: Line = line, places: Iterable[int] = places) -> list[bytes]:
                line.accept()
                return cut(answer, places)

            assert kind(line.open(refuse)) == expected
            assert line.client._transport is None


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 200), st.binary(min_size=1, max_size=3), PLACES)
def test_a_damaged_handshake_fails_or_works(
    listener: socket.socket, place: int, wrong: bytes, places: list[int]
) -> None:
    with Line(listener) as line:

        def answer() -> list[bytes]:
            right = line.accept()
            at = place % len(right)
            return cut(right[:at] + wrong + right[at + 1 :], places)

        if line.open(answer) is not None:
            assert line.client._transport is None
        elif isinstance(found := line.exchange(Message(b"ask"), [HI]), Answer):
            assert found == answer_of(b"hi", text=False)


WELCOME = Message(expected_body=b"hi")


def is_tick(answer: Answer) -> bool:
    return answer.body == b"tick"


TICK = b"\x82\x04tick"
PONG = b"\x8a\x00"


@settings(deadline=None, max_examples=50)
@given(PLACES, st.booleans())
def test_a_greeting_may_come_with_the_handshake_and_cut_anywhere(
    listener: socket.socket, places: list[int], ping: bool
) -> None:
    with Line(listener, greeting=[WELCOME]) as line:
        assert line.open(lambda: cut(line.accept(*([b"\x89\x00"] if ping else []), HI), places)) is None
        assert line.exchange(Message(b"ask", expected_body=b"hi"), [HI]) == answer_of(b"hi", text=False)
        assert (line.account.started, line.account.opened) == (1, 1)


@pytest.mark.parametrize("greeting", [[WELCOME], []])
def test_after_a_first_message_answers_are_compared_as_bytes(listener: socket.socket, greeting: list[Message]) -> None:
    ask = Message(b"ask", expected_body=b"hi")
    with Line(listener, greeting=greeting, is_push=is_tick) as line:
        assert line.open(lambda: [line.accept(*([HI] if greeting else []))]) is None
        line.exchange(ask, [HI])
        for pieces in ([HI], [TICK, HI], [HI[:1], HI[1:]], [b"\x89\x00" + HI], [HI]):
            assert line.client._comparing
            assert line.exchange(ask, pieces) == answer_of(b"hi", text=False)
        line.exchange(ask, [PONG + HI])  # which leaves the rest to the parser
        assert not line.client._comparing
        assert line.exchange(ask, [HI]) == answer_of(b"hi", text=False)


@settings(deadline=None)
@given(PLACES, st.lists(st.integers(0, 3), max_size=4))
def test_an_answer_of_several_messages_is_complete_with_the_last_whatever_is_pushed_between_them(
    listener: socket.socket, places: list[int], ticks: list[int]
) -> None:
    frames = [HI, HI, HI]
    for place in ticks:
        frames.insert(place, TICK)
    seen: list[bytes] = []
    asked = [
        Message(b"ask", answers=3, expected_body=b"hi"),
        Message(b"ask", answers=3, check=lambda answer: seen.append(answer.sent)),
        Message(b"ask", until=lambda answer: answer.body == b"hi" and next(third)),
    ]
    with Line(listener, is_push=is_tick) as line:
        assert line.open() is None
        for message in asked:
            third = iter([False, False, True])
            assert line.exchange(message, cut(b"".join(frames), places)) == answer_of(b"hi", text=False)
        assert seen == [b"ask"] * 3
        assert (line.account.pushes, line.account.failed) == (3 * len(ticks), 0)


OTHER = b"\x82\x02ho"
WRONG: dict[str, tuple[Message, list[bytes], str, str]] = {
    "the first": (Message(b"a", answers=2, expected_body=b"hi"), [OTHER], "body", "expected b'hi', found b'ho'"[:8]),
    "the last": (Message(b"a", answers=2, expected_body=b"hi"), [HI, OTHER], "body", "expected"),
    "of another type": (Message(b"a", answers=2), [b"\x81\x02hi"], "type", "expected a binary message"),
    "one too many": (
        Message(b"a", answers=2),
        [HI + HI + HI],
        "protocol",
        "expected no message, found 'hi'; if the server",
    ),
    "too few": (Message(b"a", answers=2), [HI], "open", ""),
    "until raises": (Message(b"a", until=lambda answer: answer.json()["last"]), [HI], "check", "`until` raised"),
    "the check says so": (Message(b"a", answers=2, check=lambda _: "no"), [HI], "check", "no"),
}


@pytest.mark.parametrize(("message", "pieces", "expected", "detail"), WRONG.values(), ids=WRONG)
def test_every_message_of_an_answer_has_to_be_right(
    listener: socket.socket, message: Message, pieces: list[bytes], expected: str, detail: str
) -> None:
    with Line(listener) as line:
        assert line.open() is None
        found = line.exchange(message, pieces)
        assert isinstance(found, Failure)
        assert found.kind == expected
        assert found.detail.startswith(detail)
        assert line.client._transport is None
        line.peer.close()
        assert line.open() is None
        assert line.exchange(Message(b"a", answers=2), [HI, HI]) == answer_of(b"hi", text=False)


def test_pushes_are_no_answers_also_while_nothing_is_asked_for(listener: socket.socket) -> None:
    with Line(listener, is_push=is_tick) as line:
        assert line.open(lambda: [line.accept(TICK)]) is None
        line.idle([TICK + TICK[:3], TICK[3:]])
        assert line.exchange(Message(b"ask"), [TICK + HI + TICK]) == answer_of(b"hi", text=False)
        assert (line.account.pushes, line.account.started, line.account.opened) == (5, 1, 1)
        line.idle([OTHER])
        assert kind(line.exchange(Message(b"ask"), [])) == "protocol"


def test_a_push_can_be_known_by_what_was_sent(listener: socket.socket) -> None:
    with Line(listener, is_push=lambda answer: answer.body != answer.sent) as line:
        assert line.open() is None
        assert line.exchange(Message(b"ho"), [HI + OTHER]) == answer_of(b"ho", text=False)
        line.idle([HI])
        assert line.account.pushes == 2


def test_what_tells_pushes_may_raise(listener: socket.socket) -> None:
    with Line(listener, is_push=lambda answer: answer.json()["tick"]) as line:
        assert line.open() is None
        found = line.exchange(Message(b"ask"), [HI])
        assert isinstance(found, Failure)
        assert (found.kind, found.detail[:15]) == ("check", "is_push raised ")


@pytest.mark.parametrize("when", ["with the handshake", "before a message", "in place of an answer", "with it"])
def test_a_greeting_that_the_scenario_does_not_expect_is_named(listener: socket.socket, when: str) -> None:
    welcome = b"\x81\x07welcome"
    with Line(listener) as line:
        found = line.open(lambda: [line.accept(*([welcome] if when == "with the handshake" else []))])
        if when == "before a message":
            line.idle([welcome])
        if found is None:
            data = welcome + b"\x81\x05hello" if when == "with it" else welcome
            found = line.exchange(Message(b"hello", text=True, expected_body=b"hello"), [data])
        assert isinstance(found, Failure)
        assert "greeting = Message(expected_body=b'welcome', text=True)" in found.detail


def test_another_wrong_answer_is_not_called_a_greeting(listener: socket.socket) -> None:
    for options in ({}, {"greeting": [WELCOME]}):
        with Line(listener, **options) as line:
            assert line.open(lambda: [line.accept(*([HI] if options else []))]) is None  # noqa: B023 - called here
            line.exchange(Message(b"ask", expected_body=b"hi"), [HI])
            line.exchange(Message(b"ask", expected_body=b"hi"), [HI])
            found = line.exchange(Message(b"ask", expected_body=b"hi"), [OTHER])
            assert isinstance(found, Failure)
            assert "greeting" not in found.detail


def test_data_are_bytes_and_there_is_an_answer() -> None:
    with pytest.raises(TypeError, match="write b'hello', text=True"):
        Message("hello")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"self\.notify"):
        Message(b"hello", answers=0)


def test_only_a_greeting_may_send_nothing(listener: socket.socket) -> None:
    with Line(listener) as line:
        assert line.open() is None
        assert kind(line.exchange(Message(), [HI])) == "message"
