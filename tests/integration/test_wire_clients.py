"""The HTTP/1.1 and WebSocket clients on real sockets, against servers with every kind of manners."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import gevent
import pytest
import trustme
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, RejectConnection, RejectData

from harness.load import http1
from harness.load.account import Account
from harness.load.client import SerialClient
from harness.load.exchange import Answer, Failure, Message, Request, get, post
from harness.load.http1 import Http1Client
from harness.load.transport import Endpoint
from harness.load.websocket import WebSocketClient
from tests.integration.scripted_server import HOST, Peer, Script, scripted

T = TypeVar("T")

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
HELLO = HEAD + b"Content-Length: 5\r\n\r\nhello"
GET = get("/", expected_body=b"hello")


def hello() -> Request:
    """A request that has learned nothing yet."""
    return get("/", expected_body=b"hello", expected_type="text/plain")


def run(action: Callable[..., T], *arguments: Any) -> T:
    """In a greenlet, as users run."""
    greenlet = gevent.spawn(action, *arguments)
    try:
        result: T = greenlet.get(timeout=20)
        return result
    finally:
        greenlet.kill()


def outcome(client: SerialClient[Any], exchange: Request | Message) -> Answer | Failure:
    try:
        answer = client.exchange(exchange)
    except Failure as failure:
        assert client.pending_since_ns == 0
        return failure
    assert client.pending_since_ns == 0
    return answer


def kind(found: Answer | Failure) -> str | int:
    """Of a failure its kind, of an answer its status."""
    return found.kind if isinstance(found, Failure) else found.status


@dataclass
class User:
    """A client, and the account it counts in."""

    client: SerialClient[Any]
    account: Account

    def ask(self, *exchanges: Request | Message) -> list[Answer | Failure]:
        """One exchange after the other; whatever becomes of them, all are accounted for."""
        found = run(lambda: [outcome(self.client, exchange) for exchange in exchanges])
        for _ in self.account.fold():
            pass
        result = self.account.result(0.0, checked=True)
        assert result.started == result.finished + result.abandoned
        return found

    @property
    def connections(self) -> tuple[int, int, int]:
        """Opened, of these again, and requests sent again."""
        return self.account.opened, self.account.reopened, self.account.resent


@contextmanager
def websocket_user_of(address: str, authority: Path | None = None) -> Iterator[User]:
    """A WebSocket client of the server at this address, not yet connected."""
    account = Account()
    scheme = "http" if authority is None else "https"
    client = WebSocketClient(Endpoint.of(f"{scheme}://{address}", authority, http1.ALPN), "/ws", account)
    yield User(client, account)
    run(client.close)


@contextmanager
def user_of(address: str, authority: Path | None = None, alpn: tuple[str, ...] = http1.ALPN) -> Iterator[User]:
    """An HTTP/1.1 client of the server at this address; over TLS if there is an authority."""
    account = Account()
    scheme = "http" if authority is None else "https"
    client = Http1Client(Endpoint.of(f"{scheme}://{address}", authority, alpn), account)
    run(client.open)
    yield User(client, account)
    run(client.close)


@dataclass(frozen=True)
class Tls:
    """What a server needs for TLS, and what a client must trust."""

    certificate: trustme.LeafCert
    authority: Path

    def context(self, *alpn: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.certificate.configure_cert(context)
        context.set_alpn_protocols(list(alpn))
        return context


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    path = tmp_path_factory.mktemp("tls") / "authority.pem"
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(path))
    return Tls(authority.issue_cert(HOST), path)


def answers(*answers: bytes) -> Script:
    """A connection with an answer to each request, closed by the client."""

    def script(peer: Peer) -> None:
        peer.answer(*answers)
        assert peer.rest() == b""

    return script


def then_closes(*answers: bytes) -> Script:
    """A connection with an answer to each request, closed by the server."""
    return lambda peer: peer.answer(*answers)


def test_one_connection_serves_one_request_after_the_other() -> None:
    with scripted(answers(*[HELLO] * 5)) as address, user_of(address) as user:
        found = user.ask(*[hello()] * 5)
        assert found == [Answer(200, (("content-type", "text/plain"), ("content-length", "5")), b"hello")] * 5
        assert found[1] is found[4]
        assert user.connections == (1, 0, 0)
        assert user.account.negotiated == "http/1.1"


def test_a_name_with_several_addresses_is_tried_at_each() -> None:
    with scripted(answers(HELLO)) as address, user_of(address.replace(HOST, "localhost")) as user:
        assert [kind(found) for found in user.ask(hello())] == [200]


def test_the_request_arrives_as_it_was_meant() -> None:
    seen = []

    def script(peer: Peer) -> None:
        seen.append(peer.request())
        peer.send(HELLO)

    with scripted(script) as address, user_of(address) as user:
        user.ask(Request("DELETE", "/a?b=1", (("X-Why", "because"),), b"body", expected_body=b"hello"))
        ((head, body),) = seen
        assert (head.method, head.target, body) == (b"DELETE", b"/a?b=1", b"body")
        assert dict(head.headers) == {
            b"host": address.encode(),
            b"accept": b"*/*",
            b"x-why": b"because",
            b"content-length": b"4",
        }


def test_an_answer_that_comes_byte_by_byte_is_whole_at_the_last_one() -> None:
    def script(peer: Peer) -> None:
        for _ in range(3):
            peer.request()
            for byte in HELLO:
                peer.send(bytes([byte]))

    with scripted(script) as address, user_of(address) as user:
        assert {kind(found) for found in user.ask(*[hello()] * 3)} == {200}
        assert user.connections == (1, 0, 0)


def test_a_connection_closed_while_idle_is_opened_again() -> None:
    with scripted(then_closes(HELLO), then_closes(HELLO)) as address, user_of(address) as user:
        user.ask(GET)
        wait_until_lost(user.client)
        assert [kind(found) for found in user.ask(GET)] == [200]
        assert user.connections == (2, 1, 0)


def wait_until(condition: Callable[[], bool]) -> None:
    """Until the client has seen what the server did."""
    with gevent.Timeout(20):
        while not condition():
            gevent.sleep(0.001)


def answering(client: SerialClient[Any]) -> bool:
    """Has an answer begun?"""
    assert isinstance(client, Http1Client)
    return client._reader.began


def wait_until_lost(client: SerialClient[Any]) -> None:
    wait_until(lambda: client._transport is None or not client._transport.alive)


@pytest.mark.parametrize("request_", [hello(), post("/", b"x" * 99, "text/plain")], ids=["GET", "POST"])
@pytest.mark.parametrize("end", [lambda _: None, Peer.reset], ids=["closed", "reset"])
def test_a_request_that_crosses_the_end_of_a_used_connection_is_sent_again(end: Script, request_: Request) -> None:
    def script(peer: Peer) -> None:
        peer.answer(HELLO)
        peer.request()
        end(peer)

    with scripted(script, answers(HELLO)) as address, user_of(address) as user:
        assert [kind(found) for found in user.ask(request_, request_)] == [200, 200]
        assert user.connections == (2, 1, 1)
        assert user.account.failed == 0


def test_a_request_is_sent_again_only_once() -> None:
    def script(peer: Peer) -> None:
        peer.answer(HELLO)
        peer.request()

    with scripted(script, Peer.request) as address, user_of(address) as user:
        assert [kind(found) for found in user.ask(GET, GET)] == [200, "closed"]
        assert user.connections == (2, 1, 1)


def test_nothing_is_sent_again_that_is_the_first_on_its_connection() -> None:
    with scripted(Peer.request) as address, user_of(address) as user:
        assert [kind(found) for found in user.ask(GET)] == ["closed"]
        assert user.connections == (1, 0, 0)


@pytest.mark.parametrize("learned", [True, False])
@pytest.mark.parametrize("length", [1, 8, len(HELLO) - 6, len(HELLO) - 1])
@pytest.mark.parametrize("end", [lambda _: None, Peer.reset], ids=["closed", "reset"])
def test_nothing_is_sent_again_once_the_answer_has_begun(end: Script, length: int, learned: bool) -> None:
    def script(peer: Peer) -> None:
        peer.answer(HELLO, HELLO[:length])
        end(peer)

    with scripted(script, answers(HELLO)) as address, user_of(address) as user:
        first = hello()
        assert [kind(found) for found in user.ask(first, first if learned else hello())] == [200, "closed"]
        assert [kind(found) for found in user.ask(first)] == [200]
        assert user.connections == (2, 1, 0)


def test_answers_that_close_the_connection_are_no_errors() -> None:
    closing = HELLO.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with scripted(*[answers(closing)] * 3) as address, user_of(address) as user:
        assert [kind(found) for found in user.ask(GET, GET, GET)] == [200] * 3
        assert user.connections == (3, 2, 0)


def test_an_answer_may_end_with_the_connection() -> None:
    with scripted(*[then_closes(HEAD + b"\r\nhello")] * 2) as address, user_of(address) as user:
        assert [kind(found) for found in user.ask(hello(), GET)] == [200] * 2
        assert user.connections == (2, 1, 0)


@pytest.mark.parametrize("sent", [HEAD + b"\r\nhel", HEAD + b"\r\nhello", HEAD + b"\r\n"])
def test_no_answer_ends_with_a_reset(sent: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.answer(sent)
        peer.reset()

    with scripted(script) as address, user_of(address) as user:
        assert [kind(found) for found in user.ask(hello())] == ["closed"]


def test_bytes_that_nobody_asked_for_end_the_connection() -> None:
    def script(peer: Peer) -> None:
        peer.answer(HELLO)
        asked.wait(20)
        peer.send(HELLO)
        assert peer.rest() == b""

    asked = threading.Event()
    with scripted(script, answers(HELLO)) as address, user_of(address) as user:
        user.ask(GET)
        asked.set()
        wait_until_lost(user.client)
        assert [kind(found) for found in user.ask(GET)] == [200]
        assert user.connections == (2, 1, 0)


def test_who_gives_up_the_late_goes_on_and_so_does_the_user() -> None:
    def silent(peer: Peer) -> None:
        peer.request()
        assert peer.rest() == b""

    with scripted(silent, answers(HELLO)) as address, user_of(address) as user:

        def look_after() -> str:
            wait_until(lambda: user.client._waiter is not None)
            user.client.give_up(Failure("timeout", "no answer"))
            return "went on"

        looking = gevent.spawn(look_after)
        assert [kind(found) for found in user.ask(GET, GET)] == ["timeout", 200]
        assert looking.get(timeout=20) == "went on"
        assert user.account.failed == 1


@pytest.mark.parametrize("begun", [b"", HELLO[:-1]])
def test_a_user_who_is_killed_leaves_nothing_behind(begun: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.answer(begun)
        assert peer.rest() == b""

    with scripted(script, answers(HELLO)) as address, user_of(address) as user:
        waiting = gevent.spawn(user.client.exchange, hello())
        wait_until(lambda: user.client._waiter is not None and answering(user.client) == bool(begun))
        waiting.kill()
        assert user.client.pending_since_ns == 0
        assert user.client._transport is None
        assert [kind(found) for found in user.ask(GET)] == [200]
        assert user.account.abandoned == 1


def test_a_refused_connection_is_a_failure_to_connect() -> None:
    with scripted(then_closes(HELLO)) as address, user_of(address) as user:
        user.ask(GET)
        wait_until_lost(user.client)
        assert [kind(found) for found in user.ask(GET, GET)] == ["connect", "connect"]
        with pytest.raises(Failure, match="connect"):
            user.client.open()


MEGABYTES = bytes(index % 251 for index in range(1 << 20)) * 20


@pytest.mark.parametrize("encrypted", [False, True])
def test_large_bodies_go_through_a_reader_with_little_room(tls: Tls, encrypted: bool) -> None:
    bodies = []

    def script(peer: Peer) -> None:
        for _ in range(2):
            bodies.append(peer.request()[1])
            peer.send(HEAD + b"Content-Length: %d\r\n\r\n" % len(MEGABYTES) + MEGABYTES)

    context, authority = (tls.context("http/1.1"), tls.authority) if encrypted else (None, None)
    with scripted(script, context=context, receive_bytes=4096) as address, user_of(address, authority) as user:
        upload = post("/", MEGABYTES, "application/octet-stream", expected_body=MEGABYTES)
        assert [kind(found) for found in user.ask(upload, upload)] == [200, 200]
        assert bodies == [MEGABYTES] * 2


@pytest.mark.parametrize("end", [lambda _: None, Peer.reset], ids=["closed", "reset"])
def test_a_server_that_leaves_in_the_middle_of_an_upload_is_noticed(end: Script) -> None:
    def script(peer: Peer) -> None:
        peer.socket.recv(10)
        end(peer)

    with scripted(script) as address, user_of(address) as user:
        assert [kind(found) for found in user.ask(post("/", MEGABYTES, "text/plain"))] == ["closed"]


@pytest.mark.parametrize("end", [lambda _: None, Peer.reset], ids=["closed", "reset"])
def test_an_early_answer_to_an_upload_counts(end: Script) -> None:
    def script(peer: Peer) -> None:
        peer.socket.recv(10)
        peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        end(peer)
        ended.set()

    ended = threading.Event()
    with scripted(script) as address, user_of(address) as user:
        asking = gevent.spawn(user.ask, post("/", MEGABYTES, "text/plain", status=413))
        wait_until(lambda: user.client._waiter is not None)
        # The hub stands still meanwhile, and sees all of it at once.
        assert ended.wait(20)
        assert [kind(found) for found in asking.get(timeout=20)] == [413]


def test_an_upload_cut_off_by_a_reset_is_no_answer_that_ends_with_the_connection() -> None:
    def script(peer: Peer) -> None:
        peer.socket.recv(10)
        peer.send(HEAD + b"\r\nhello")
        peer.reset()

    with scripted(script) as address, user_of(address) as user:
        assert [kind(found) for found in user.ask(post("/", MEGABYTES, "text/plain"))] == ["closed"]


def test_many_answers_over_tls(tls: Tls) -> None:
    with (
        scripted(answers(*[HELLO] * 5), context=tls.context("http/1.1")) as address,
        user_of(address, tls.authority) as user,
    ):
        assert [kind(found) for found in user.ask(*[hello()] * 2, *[GET] * 3)] == [200] * 5
        assert user.account.negotiated == "TLSv1.3 http/1.1"
        assert user.connections == (1, 0, 0)


def test_with_tls_an_answer_may_end_with_the_connection_only_after_close_notify(tls: Tls) -> None:
    def in_order(peer: Peer) -> None:
        peer.answer(HEAD + b"\r\nhello")
        peer.say_goodbye()

    cut_off = then_closes(HEAD + b"\r\nhello")
    scripts = [in_order, cut_off, in_order]
    with scripted(*scripts, context=tls.context("http/1.1")) as address, user_of(address, tls.authority) as user:
        assert [kind(found) for found in user.ask(hello(), hello(), hello())] == [200, "closed", 200]


def test_a_tls_connection_closed_while_idle_is_opened_again(tls: Tls) -> None:
    def in_order(peer: Peer) -> None:
        peer.answer(HELLO)
        peer.say_goodbye()

    scripts = [in_order, then_closes(HELLO), answers(HELLO)]
    with scripted(*scripts, context=tls.context("http/1.1")) as address, user_of(address, tls.authority) as user:
        for _ in range(3):
            assert [kind(found) for found in user.ask(GET)] == [200]
            if user.account.opened < 3:
                wait_until_lost(user.client)
        assert user.connections == (3, 2, 0)


def test_a_broken_tls_record_ends_the_request(tls: Tls) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        with socket.socket(fileno=os.dup(peer.socket.fileno())) as below:
            below.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
            with pytest.raises(ssl.SSLError, match="alert bad record mac"):
                peer.socket.recv(1)

    with scripted(script, context=tls.context("http/1.1")) as address, user_of(address, tls.authority) as user:
        (found,) = user.ask(hello())
        assert isinstance(found, Failure)
        assert (found.kind, found.detail[:4]) == ("closed", "TLS:")


def test_what_speaks_no_tls_or_is_not_trusted_is_a_failure_to_connect(tls: Tls, tmp_path: Path) -> None:
    def refused(_: Peer) -> None:
        raise AssertionError("no connection comes about")

    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(str(stranger))
    with scripted(lambda peer: peer.send(HELLO)) as address:
        assert kind(connecting(address, tls.authority)[1]) == "connect"
    with scripted(lambda _: None) as address:
        assert kind(connecting(address, tls.authority)[1]) == "connect"
    with pytest.raises(ssl.SSLError, match="unknown ca"), scripted(refused, context=tls.context()) as address:
        assert kind(connecting(address, stranger)[1]) == "connect"


@pytest.mark.parametrize("alpn", [(), ("h2",)])
def test_a_server_without_the_protocol_that_was_asked_for_speaks_http1(tls: Tls, alpn: tuple[str, ...]) -> None:
    with scripted(answers(HELLO), context=tls.context(*alpn)) as address, user_of(address, tls.authority) as user:
        assert [kind(found) for found in user.ask(GET)] == [200]


def test_another_protocol_is_not_spoken(tls: Tls) -> None:
    def silent(peer: Peer) -> None:
        assert peer.rest() == b""

    with scripted(silent, context=tls.context("h2")) as address:
        client, opened = connecting(address, tls.authority, ("h2",))
        assert kind(opened) == "protocol"
        assert client._transport is None


def connecting(address: str, authority: Path, alpn: tuple[str, ...] = http1.ALPN) -> tuple[Http1Client, Failure]:
    """A client that fails to connect, and why."""
    client = Http1Client(Endpoint.of(f"https://{address}", authority, alpn), Account())

    def connect() -> Failure:
        with pytest.raises(Failure) as caught:
            client.open()
        return caught.value

    return client, run(connect)


ASK = Message(b"ask", expected_body=b"answer")


def echoes(peer: Peer) -> None:
    """Send back what comes, until the client is gone."""
    peer.shake_hands()
    with suppress(ConnectionError, ssl.SSLError):
        while True:
            peer.say(BytesMessage(peer.message()))


def answers_messages(count: int, *, then: Script) -> Script:
    """A WebSocket with so many right answers, and then this."""

    def script(peer: Peer) -> None:
        peer.shake_hands()
        for _ in range(count):
            assert peer.message() == b"ask"
            peer.say(BytesMessage(b"answer"))
        then(peer)

    return script


def silent(peer: Peer) -> None:
    peer.rest()


@pytest.mark.parametrize("encrypted", [False, True])
def test_messages_come_back_over_one_websocket(tls: Tls, encrypted: bool) -> None:
    context, authority = (tls.context("http/1.1"), tls.authority) if encrypted else (None, None)
    bodies = [b"", b"a", b"a" * 125, b"a" * 126, b"a" * 65_535, b"a" * 65_536, MEGABYTES[: 1 << 20]]
    with scripted(echoes, context=context) as address, websocket_user_of(address, authority) as user:
        for _ in range(2):
            found = user.ask(*[Message(body, expected_body=body) for body in bodies])
            assert [each.body for each in found if isinstance(each, Answer)] == bodies
        assert user.account.negotiated == ("TLSv1.3 websocket" if encrypted else "websocket")
        assert user.account.opened == 1


def test_a_message_that_comes_byte_by_byte_is_whole_at_the_last_one() -> None:
    def script(peer: Peer) -> None:
        peer.shake_hands()
        for _ in range(3):
            peer.message()
            for byte in peer.websocket.send(BytesMessage(b"answer")):
                peer.send(bytes([byte]))

    with scripted(script) as address, websocket_user_of(address) as user:
        assert [kind(found) for found in user.ask(ASK, Message(b"ask"), ASK)] == [0, 0, 0]


def test_pings_are_answered_also_while_nothing_is_asked_for() -> None:
    def script(peer: Peer) -> None:
        peer.shake_hands()
        for _ in range(2):
            peer.say(Ping(b"there?"))
            event = peer.event()
            assert isinstance(event, Pong)
            assert event.payload == b"there?"
        answered.set()
        peer.message()
        peer.say(Ping(b"still?"), BytesMessage(b"answer"))
        assert isinstance(peer.event(), Pong)

    answered = threading.Event()
    with scripted(script) as address, websocket_user_of(address) as user:
        run(user.client.open)
        wait_until(answered.is_set)
        assert [kind(found) for found in user.ask(ASK)] == [0]


@pytest.mark.parametrize(
    ("code", "reason", "detail"),
    [(1000, None, "code 1000"), (1011, "broken", "code 1011 broken"), (4001, "", "code 4001")],
)
def test_a_farewell_while_an_answer_is_due_is_a_failure(code: int, reason: str | None, detail: str) -> None:
    def farewell(peer: Peer) -> None:
        peer.message()
        peer.say(CloseConnection(code, reason))
        event = peer.event()
        assert isinstance(event, CloseConnection)
        assert event.code == code

    scripts = [answers_messages(1, then=farewell), answers_messages(1, then=silent)]
    with scripted(*scripts) as address, websocket_user_of(address) as user:
        right, failed, again = user.ask(ASK, ASK, ASK)
        assert isinstance(failed, Failure)
        assert (kind(right), failed.kind, kind(again)) == (0, "closed", 0)
        assert failed.detail.endswith(detail)


def test_a_websocket_closed_while_idle_is_opened_again() -> None:
    def farewell(peer: Peer) -> None:
        peer.say(CloseConnection(1001))
        assert isinstance(peer.event(), CloseConnection)

    ends: list[Script] = [farewell, lambda _: None, Peer.reset, silent]
    scripts = [answers_messages(1, then=end) for end in ends]
    with scripted(*scripts) as address, websocket_user_of(address) as user:
        for number in range(4):
            assert [kind(found) for found in user.ask(ASK)] == [0]
            if number < 3:
                wait_until_lost(user.client)
        assert user.account.failed == 0


@pytest.mark.parametrize("end", [lambda _: None, Peer.reset], ids=["closed", "reset"])
@pytest.mark.parametrize("begun", [b"", b"\x82", b"\x82\x06answe"])
def test_a_websocket_that_ends_before_the_answer_does_is_a_failure(begun: bytes, end: Script) -> None:
    def cut_off(peer: Peer) -> None:
        peer.message()
        peer.send(begun)
        end(peer)

    with scripted(answers_messages(1, then=cut_off)) as address, websocket_user_of(address) as user:
        assert [kind(found) for found in user.ask(ASK, ASK)] == [0, "closed"]


def test_a_refused_handshake_is_a_failure() -> None:
    def refuse(peer: Peer) -> None:
        peer.event()
        peer.say(RejectConnection(status_code=403, has_body=True), RejectData(b"no"))

    with scripted(refuse, Peer.event, answers_messages(1, then=silent)) as address, websocket_user_of(address) as user:
        assert [kind(found) for found in user.ask(ASK, ASK, ASK)] == ["handshake", "closed", 0]


def test_a_handshake_that_is_not_answered_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.load.websocket.CONNECT_TIMEOUT_S", 0.01)
    with scripted(silent) as address, websocket_user_of(address) as user:
        assert [kind(found) for found in user.ask(ASK)] == ["handshake"]
        assert user.client._transport is None


def test_a_websocket_user_who_gives_up_or_is_killed_can_begin_anew() -> None:
    scripts = [answers_messages(0, then=silent)] * 2 + [answers_messages(1, then=silent)]
    with scripted(*scripts) as address, websocket_user_of(address) as user:
        for end in (gevent.Greenlet.kill, lambda _: user.client.give_up(Failure("timeout", "no answer"))):
            run(user.client.open)
            waiting = gevent.spawn(outcome, user.client, ASK)
            wait_until(lambda: user.client._waiter is not None)
            end(waiting)
            waiting.join(timeout=20)
            assert (user.client.pending_since_ns, user.client._transport) == (0, None)
        assert [kind(found) for found in user.ask(ASK)] == [0]
        assert (user.account.started, user.account.failed, user.account.abandoned) == (3, 1, 1)
