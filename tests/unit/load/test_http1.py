"""HTTP/1.1 answers, whole and broken, against h11 as the second opinion; the sockets here are silent."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Self

import gevent
import h11
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from harness.load.account import Account
from harness.load.exchange import Answer, Failure, Request, get, post
from harness.load.http1 import AnswerReader, Http1Client, encode
from harness.load.transport import Endpoint
from tests.pieces import cut

OK = b"HTTP/1.1 200 OK\r\n"
HELLO = OK + b"Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"


@dataclass(frozen=True)
class Sent:
    """An answer as a server sends it."""

    data: bytes
    answer: Answer
    method: str = "GET"
    until_close: bool = False


def read(reader: AnswerReader, pieces: Iterable[bytes], *, ended: bool) -> Answer | Failure | None:
    """What the reader makes of these pieces up to a whole answer, or of the end of the connection after them."""
    try:
        for piece in pieces:
            if answer := reader.feed(piece):
                return answer
    except Failure as failure:
        return failure
    return reader.end_of_stream() if ended else None


def drop_reasons(data: bytes) -> bytes:
    """Without the reason phrases of interim answers and of the one after them; the body is as it was."""
    heads = b""
    while line := re.match(rb"(HTTP/1\.\d (\d)\d\d)(?: [^\r\n]*)?(?=\r\n)", data):
        fields, end, data = data[line.end() :].partition(b"\r\n\r\n")
        heads += line[1] + b" " + fields + end
        if line[2] != b"1":
            break
    return heads + data


def h11_reads(data: bytes, method: str, *, ended: bool) -> Answer | None:
    """What h11 reads; None for anything but one whole answer. It minds reason phrases, which say nothing."""
    data = drop_reasons(data)
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("host", "a")]))
    client.send(h11.EndOfMessage())
    head, body = None, b""
    try:
        client.receive_data(data)
        if ended:
            client.receive_data(b"")
        while not isinstance(event := client.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif not isinstance(event, h11.InformationalResponse):
                return None
    except h11.RemoteProtocolError:
        return None
    if head is None or client.trailing_data[0]:
        return None
    headers = ((name.decode(), value.decode("latin-1")) for name, value in head.headers)
    return Answer(head.status_code, tuple(headers), body)


TOKENS = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJ-_!#$%&'*+.^`|~0123456789", min_size=1, max_size=12)
VALUES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=12)
FIELDS = st.lists(st.tuples(TOKENS.map("x-{}".format), VALUES, st.sampled_from(["", " ", "\t", "  "])), max_size=4)
BODIES = st.binary(max_size=40) | st.binary(min_size=300, max_size=400)
PLACES = st.lists(st.integers(0, 2_000), max_size=8)


def lines(fields: Iterable[tuple[str, str, str]]) -> bytes:
    return b"".join(f"{name}:{space}{value}{space}\r\n".encode("latin-1") for name, value, space in fields)


@st.composite
def chunked(draw: st.DrawFn, body: bytes) -> bytes:
    places = draw(PLACES)
    extensions = st.sampled_from(["", ";a", ";a=b", ";a=1;b=2", ';name="v w"'])
    sizes = st.sampled_from(["{:x}", "{:X}", "00{:x}"])
    parts = [
        f"{draw(sizes).format(len(piece))}{draw(extensions)}\r\n".encode() + piece + b"\r\n"
        for piece in (cut(body, places) if body else [])
    ]
    return b"".join([*parts, b"0\r\n", lines(draw(FIELDS)), b"\r\n"])


@st.composite
def sent(draw: st.DrawFn) -> Sent:
    """Whole answers of all kinds."""
    method = draw(st.sampled_from(["GET", "GET", "HEAD", "POST"]))
    status = draw(st.sampled_from([200, 200, 200, 201, 204, 206, 301, 304, 404, 413, 500, 599, 999]))
    version = draw(st.sampled_from(["1.1", "1.1", "1.0"]))
    framing = draw(st.sampled_from(["length", "chunked", "close"]))
    fields = draw(FIELDS) + draw(st.sampled_from([[], [("Connection", "close", " ")], [("Connection", "x", " ")]]))
    body = b"" if method == "HEAD" or status in {204, 304} else draw(BODIES)
    coded = body
    if framing == "length":
        fields.append(("Content-Length", str(len(body)), " "))
    elif framing == "chunked":
        fields.append(("Transfer-Encoding", "chunked", " "))
        coded = draw(chunked(body)) if method != "HEAD" and status not in {204, 304} else b""
    interim = draw(st.lists(st.sampled_from([(100, []), (103, [("Link", "</a>", " ")]), (102, [])]), max_size=3))
    data = b"".join(f"HTTP/1.1 {code} Wait\r\n".encode() + lines(hints) + b"\r\n" for code, hints in interim)
    reason = draw(st.sampled_from([" OK", " ", "", " Réason phrase"]))
    data += f"HTTP/{version} {status}{reason}\r\n".encode("latin-1") + lines(fields) + b"\r\n" + coded
    answer = Answer(status, tuple((name.lower(), value) for name, value, _ in fields), body)
    return Sent(data, answer, method, until_close=framing == "close" and method != "HEAD" and status not in {204, 304})


BODY_LIKE_A_HEAD = Sent(
    OK + b"Content-Length: 14\r\n\r\nHTTP/1.0 000 a", Answer(200, (("content-length", "14"),), b"HTTP/1.0 000 a")
)


@settings(deadline=None, max_examples=150)
@example(BODY_LIKE_A_HEAD, [])
@given(sent(), PLACES)
def test_an_answer_cut_anywhere_is_what_h11_reads_in_one_piece(sent: Sent, places: list[int]) -> None:
    reader = AnswerReader()
    reader.expect_body = sent.method != "HEAD"
    assert h11_reads(sent.data, sent.method, ended=sent.until_close) == sent.answer
    assert read(reader, cut(sent.data, places), ended=sent.until_close) == sent.answer
    assert reader.raw == sent.data
    assert not (reader.reusable and sent.until_close)


@settings(deadline=None)
@given(sent().filter(lambda sent: not sent.until_close), st.integers(0, 2_000))
def test_an_answer_that_ends_early_is_none(sent: Sent, place: int) -> None:
    reader = AnswerReader()
    reader.expect_body = sent.method != "HEAD"
    assert not isinstance(read(reader, cut(sent.data[: place % len(sent.data)] or b"H", []), ended=True), Answer)


@settings(deadline=None)
@given(sent().filter(lambda sent: not sent.until_close), st.binary(min_size=1, max_size=9) | st.sampled_from([b"\r\n"]))
def test_an_answer_with_anything_after_it_is_wrong(sent: Sent, surplus: bytes) -> None:
    for more in (surplus, sent.data):
        reader = AnswerReader()
        reader.expect_body = sent.method != "HEAD"
        found = read(reader, [sent.data + more], ended=False)
        assert isinstance(found, Failure)
        assert found.kind == "protocol"


@settings(deadline=None, max_examples=150)
@given(sent(), st.integers(0, 2_000), st.binary(max_size=3), st.integers(0, 3), PLACES)
def test_what_is_made_of_a_damaged_answer_is_what_h11_makes_of_it_or_nothing(
    sent: Sent, place: int, wrong: bytes, replaced: int, places: list[int]
) -> None:
    place %= len(sent.data)
    data = sent.data[:place] + wrong + sent.data[place + replaced :] or b"H"
    reader = AnswerReader()
    reader.expect_body = sent.method != "HEAD"
    found = read(reader, cut(data, places), ended=False)
    if isinstance(found, Answer):
        assert found == h11_reads(reader.raw, sent.method, ended=False)


@given(st.lists(st.binary(min_size=1, max_size=30) | st.sampled_from([OK, b"\r\n", b"HTTP/1.1 "]), min_size=1))
def test_noise_is_a_failure_of_the_protocol_or_the_beginning_of_an_answer(pieces: list[bytes]) -> None:
    found = read(AnswerReader(), pieces, ended=False)
    assert found is None or isinstance(found, Answer) or found.kind == "protocol"


LENGTH, CHUNKED = b"Content-Length: 2\r\n", b"Transfer-Encoding: chunked\r\n"
BROKEN = {
    "nothing to do with HTTP": b"\x16\x03\x01\x02\x00",
    "a request": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "HTTP/2": b"HTTP/2.0 200 OK\r\n" + LENGTH + b"\r\nhi",
    "HTTP/0.9": b"HTTP/0.9 200 OK\r\n" + LENGTH + b"\r\nhi",
    "an empty line first": b"\r\n" + OK + LENGTH + b"\r\nhi",
    "a status of two digits": b"HTTP/1.1 20 OK\r\n" + LENGTH + b"\r\nhi",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\n" + LENGTH + b"\r\nhi",
    "a status below 100": b"HTTP/1.1 099 OK\r\n" + LENGTH + b"\r\nhi",
    "no status": b"HTTP/1.1 OK\r\n" + LENGTH + b"\r\nhi",
    "line feeds alone": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi",
    "a header without colon": OK + b"Content\r\n" + LENGTH + b"\r\nhi",
    "a space before the colon": OK + b"Server : a\r\n" + LENGTH + b"\r\nhi",
    "a header without name": OK + b": a\r\n" + LENGTH + b"\r\nhi",
    "a NUL in a header": OK + b"Server: a\x00\r\n" + LENGTH + b"\r\nhi",
    "two lengths": OK + LENGTH + b"Content-Length: 3\r\n\r\nhi",
    "a negative length": OK + b"Content-Length: -2\r\n\r\nhi",
    "a signed length": OK + b"Content-Length: +2\r\n\r\nhi",
    "a length in words": OK + b"Content-Length: two\r\n\r\nhi",
    "an empty length": OK + b"Content-Length:\r\n\r\nhi",
    "a length beyond 64 bits": OK + b"Content-Length: 99999999999999999999\r\n\r\nhi",
    "length and chunks": OK + LENGTH + CHUNKED + b"\r\n2\r\nhi\r\n0\r\n\r\n",
    "chunks and length": OK + CHUNKED + LENGTH + b"\r\n2\r\nhi\r\n0\r\n\r\n",
    "a chunk size in words": OK + CHUNKED + b"\r\ntwo\r\nhi\r\n0\r\n\r\n",
    "a negative chunk size": OK + CHUNKED + b"\r\n-2\r\nhi\r\n0\r\n\r\n",
    "a chunk size beyond 64 bits": OK + CHUNKED + b"\r\n11111111111111111\r\nhi\r\n0\r\n\r\n",
    "a chunk longer than its size": OK + CHUNKED + b"\r\n2\r\nhiii\r\n0\r\n\r\n",
    "switched protocols": b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    "switched protocols to nothing": b"HTTP/1.1 101 Switching\r\n\r\n",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_what_is_no_answer_is_a_failure_of_the_protocol(data: bytes) -> None:
    for pieces in ([data], cut(data, range(7, len(data)))):
        found = read(AnswerReader(), pieces, ended=False)
        assert isinstance(found, Failure)
        assert found.kind == "protocol"


@pytest.mark.parametrize("name", ["switched protocols", "switched protocols to nothing"])
def test_a_switch_of_protocols_is_called_one(name: str) -> None:
    with pytest.raises(Failure, match="status 101 without a request to switch protocols"):
        AnswerReader().feed(BROKEN[name])


REUSABLE = {
    OK + LENGTH + b"\r\nhi": True,
    OK + CHUNKED + b"\r\n2\r\nhi\r\n0\r\n\r\n": True,
    OK + LENGTH + b"Connection: close\r\n\r\nhi": False,
    OK + LENGTH + b"Connection: x, close\r\n\r\nhi": False,
    b"HTTP/1.0 200 OK\r\n" + LENGTH + b"\r\nhi": False,
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + LENGTH + b"\r\nhi": True,
    b"HTTP/1.1 204 None\r\n\r\n": True,
    b"HTTP/1.1 304 Same\r\nContent-Length: 20\r\n\r\n": True,
    b"HTTP/1.1 100 Continue\r\n\r\n" + OK + LENGTH + b"Connection: close\r\n\r\nhi": False,
}


@pytest.mark.parametrize(("data", "reusable"), REUSABLE.items())
def test_the_connection_is_used_again_if_the_answer_allows_it(data: bytes, reusable: bool) -> None:
    reader = AnswerReader()
    assert isinstance(reader.feed(data), Answer)
    assert reader.reusable is reusable


def test_trailers_are_no_headers() -> None:
    answer = AnswerReader().feed(OK + CHUNKED + b"\r\n2\r\nhi\r\n0\r\nContent-Type: late\r\n\r\n")
    assert answer == Answer(200, (("transfer-encoding", "chunked"),), b"hi")


def test_a_request_is_encoded_as_h11_reads_it() -> None:
    requests = [
        get("/a?b=1"),
        post("/", b"body", "text/plain"),
        Request("POST", "/"),
        Request("DELETE", "/", (("X-Mixed", "é"),), b"why"),
        Request("HEAD", "/"),
    ]
    for request in requests:
        server = h11.Connection(h11.SERVER)
        server.receive_data(encode(request, "localhost:80"))
        head = server.next_event()
        assert isinstance(head, h11.Request)
        assert (head.method.decode(), head.target.decode()) == (request.method, request.path)
        headers = [("host", "localhost:80"), ("accept", "*/*"), *request.headers]
        if request.body or request.method == "POST":
            headers.append(("content-length", str(len(request.body))))
        assert list(head.headers) == [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
        body = b""
        while isinstance(event := server.next_event(), h11.Data):
            body += event.data
        assert isinstance(event, h11.EndOfMessage)
        assert body == request.body
        assert server.trailing_data == (b"", False)


def outcome(client: Http1Client, request: Request) -> Answer | Failure:
    try:
        return client.exchange(request)
    except Failure as failure:
        return failure


class Line:
    """A client whose server says nothing: what arrives is handed over in the hub, cut where the test wants it."""

    def __init__(self, listener: socket.socket) -> None:
        self.account = Account()
        self.came_ns: list[int] = []
        """When each piece came."""
        self.client = Http1Client(Endpoint(*listener.getsockname()), self.account)
        self.client.open()
        self.peer = listener.accept()[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.peer.close()

    def exchange(self, request: Request, pieces: Iterable[bytes]) -> Answer | Failure:
        """What comes of these pieces; a failure of the kind `open` when it takes more of them."""
        user = gevent.spawn(outcome, self.client, request)
        self.hand_over(pieces)
        gevent.get_hub().loop.run_callback(self.client.give_up, Failure("open", ""))
        found: Answer | Failure = user.get(timeout=10)
        return found

    def hand_over(self, pieces: Iterable[bytes]) -> None:
        loop = gevent.get_hub().loop
        for piece in pieces:
            self.came_ns.append(perf_counter_ns())
            loop.run_callback(self.client.received, piece, self.came_ns[-1])


def expecting(sent: Sent) -> Request:
    """A request to which this answer is the right one."""
    return Request(sent.method, "/", status=sent.answer.status, expected_body=sent.answer.body)


WHOLE = sent().filter(lambda sent: not sent.until_close)


@settings(deadline=None)
@given(WHOLE, PLACES)
def test_the_same_bytes_again_are_the_same_answer_wherever_they_are_cut(
    listener: socket.socket, sent: Sent, places: list[int]
) -> None:
    with Line(listener) as line:
        request = expecting(sent)
        first = line.exchange(request, [sent.data])
        assert first == sent.answer
        if request.learned is not None:
            assert line.exchange(request, cut(sent.data, places)) is first
            assert line.exchange(request, cut(sent.data, range(len(sent.data)))) is first
            assert line.account.reopened == 0
        else:
            assert line.client._transport is None


@settings(deadline=None, max_examples=150)
@given(WHOLE, st.integers(0, 2_000), st.integers(1, 255), PLACES)
def test_a_learned_answer_hides_no_wrong_byte(
    listener: socket.socket, sent: Sent, place: int, flip: int, places: list[int]
) -> None:
    place %= len(sent.data)
    wrong = sent.data[:place] + bytes([sent.data[place] ^ flip]) + sent.data[place + 1 :]
    with Line(listener) as line:
        request = expecting(sent)
        line.exchange(request, [sent.data])
        assume(request.learned is not None)
        found = line.exchange(request, cut(wrong, places))
        if isinstance(found, Answer):
            assert found == h11_reads(wrong, sent.method, ended=False)
            assert (found.status, found.body) == (sent.answer.status, sent.answer.body)
            if line.client._transport is not None:
                assert line.exchange(request, [wrong]) is found


CHANGED = {
    "status": (HELLO.replace(b"200", b"503"), "status"),
    "type": (HELLO.replace(b"plain", b"html!"), "content-type"),
    "body": (HELLO.replace(b"hello", b"hallo"), "body"),
    "length": (HELLO.replace(b"5", b"4").replace(b"hello", b"hell"), "length"),
    "announced length": (HELLO.replace(b"5", b"6"), "open"),
    "end": (HELLO + b"\n", "protocol"),
    "two answers": (HELLO + HELLO, "protocol"),
}


@pytest.mark.parametrize(("changed", "kind"), CHANGED.values(), ids=CHANGED)
def test_a_later_wrong_answer_is_noticed(listener: socket.socket, changed: bytes, kind: str) -> None:
    with Line(listener) as line:
        request = get("/", expected_body=b"hello", expected_type="text/plain")
        for _ in range(3):
            assert isinstance(line.exchange(request, [HELLO]), Answer)
        found = line.exchange(request, [changed])
        assert isinstance(found, Failure)
        assert found.kind == kind
        assert request.learned == HELLO
        assert (line.account.started, line.account.failed) == (4, 1)


def test_a_changed_date_is_seen_and_learned(listener: socket.socket) -> None:
    dated = [HELLO.replace(b"\r\n\r\n", b"\r\nDate: %d\r\n\r\n" % day) for day in range(3)]
    with Line(listener) as line:
        request = get("/", expected_body=b"hello")
        for data in (each for each in dated for _ in range(3)):
            found = line.exchange(request, cut(data, [len(data) - 7]))
            assert isinstance(found, Answer)
            assert found == AnswerReader().feed(data)
            assert request.learned == data


IN_PARTS = {
    "the end of the head first": ([HELLO[:-5], HELLO[-5:]], None),
    "a part of the head first": ([HELLO[:9], HELLO[9:]], None),
    "the first byte last but one": ([HELLO[:9], HELLO[9:-4], HELLO[-4:]], 1),
    "the first byte first": ([HELLO[:-4], HELLO[-4:-2], HELLO[-2:]], 0),
    "the length of a chunk first": ([OK + CHUNKED + b"\r\n5\r\n", b"hello\r\n0\r\n\r\n"], None),
    "a chunk first": ([OK + CHUNKED + b"\r\n5\r\nh", b"ello\r\n0\r\n", b"\r\n"], 0),
}


@pytest.mark.parametrize(("pieces", "first"), IN_PARTS.values(), ids=IN_PARTS)
def test_the_first_byte_of_a_body_is_timed_of_new_answers_and_of_known_ones(
    listener: socket.socket, pieces: list[bytes], first: int | None
) -> None:
    with Line(listener) as line:
        request = get("/", expected_body=b"hello")
        for _ in range(3):
            assert isinstance(line.exchange(request, pieces), Answer)
        ((found,), _) = line.account.take()
        came_ns = line.came_ns
        for answer in range(3):
            own = came_ns[answer * len(pieces) : (answer + 1) * len(pieces)]
            assert found.batch.first_byte[answer] == own[-1 if first is None else first]
            assert found.batch.ended[answer] == own[-1]


def test_answers_larger_than_the_limit_are_not_learned(listener: socket.socket) -> None:
    body = bytes(300_000)
    with Line(listener) as line:
        request = get("/", expected_body=body)
        found = line.exchange(request, [OK + b"Content-Length: 300000\r\n\r\n" + body])
        assert isinstance(found, Answer)
        assert found.body == body
        assert request.learned is None


def test_giving_up_ends_only_the_request_that_was_meant(listener: socket.socket) -> None:
    with Line(listener) as line:
        request = get("/", expected_body=b"hello")
        user = gevent.spawn(lambda: [outcome(line.client, request), outcome(line.client, request)])
        loop = gevent.get_hub().loop
        # The answer comes between the decision to give up and its turn in the hub.
        loop.run_callback(line.client.give_up, Failure("timeout", "too late"))
        line.hand_over([HELLO])
        loop.run_callback(line.hand_over, [HELLO])
        first, second = user.get(timeout=10)
        assert first is second is request.learned_answer
