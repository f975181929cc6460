"""The WebSocket client on real sockets, against scripted servers, right and faulty."""

from __future__ import annotations

import ssl
import threading
from contextlib import suppress
from time import perf_counter_ns

import gevent
import pytest
from wsproto.events import (
    BytesMessage,
    CloseConnection,
    Ping,
    Pong,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.utilities import generate_accept_token

from harness.load.exchange import Answer, Failure, Message
from harness.model.unique import UNIQUE_INTS, UNIQUE_LETTERS
from tests.integration.scripted_server import Connection, Script, scripted
from tests.integration.socket_clients import (
    MEGABYTES,
    Tls,
    issue_tls,
    kind,
    outcome,
    run,
    wait_until,
    wait_until_lost,
    websocket_user_of,
)

ASK = Message(b"ask", expected_body=b"answer")


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return issue_tls(tmp_path_factory.mktemp("tls"))


def echoes(connection: Connection) -> None:
    """Send back what comes, until the client is gone."""
    connection.handshake()
    with suppress(ConnectionError, ssl.SSLError):
        while True:
            connection.say(BytesMessage(connection.message()))


def answers_messages(count: int, *, then: Script) -> Script:
    """A WebSocket with so many right answers, and then this."""

    def script(connection: Connection) -> None:
        connection.handshake()
        for _ in range(count):
            assert connection.message() == b"ask"
            connection.say(BytesMessage(b"answer"))
        then(connection)

    return script


def silent(connection: Connection) -> None:
    connection.rest()


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
    def script(connection: Connection) -> None:
        connection.handshake()
        for _ in range(3):
            connection.message()
            for byte in connection.websocket.send(BytesMessage(b"answer")):
                connection.send(bytes([byte]))

    with scripted(script) as address, websocket_user_of(address) as user:
        assert [kind(found) for found in user.ask(ASK, Message(b"ask"), ASK)] == [0, 0, 0]


def test_pings_are_answered_also_while_nothing_is_asked_for() -> None:
    def script(connection: Connection) -> None:
        connection.handshake()
        for _ in range(2):
            connection.say(Ping(b"there?"))
            event = connection.event()
            assert isinstance(event, Pong)
            assert event.payload == b"there?"
        answered.set()
        connection.message()
        connection.say(Ping(b"still?"), BytesMessage(b"answer"))
        assert isinstance(connection.event(), Pong)

    answered = threading.Event()
    with scripted(script) as address, websocket_user_of(address) as user:
        run(user.client.open)
        wait_until(answered.is_set)
        assert [kind(found) for found in user.ask(ASK)] == [0]


@pytest.mark.parametrize(
    ("code", "reason", "detail"),
    [(1000, None, "code 1000"), (1011, "broken", "code 1011 broken"), (4001, "", "code 4001")],
)
def test_a_close_frame_while_an_answer_is_due_is_a_failure(code: int, reason: str | None, detail: str) -> None:
    def close_frame(connection: Connection) -> None:
        connection.message()
        connection.say(CloseConnection(code, reason))
        event = connection.event()
        assert isinstance(event, CloseConnection)
        assert event.code == code

    scripts = [answers_messages(1, then=close_frame), answers_messages(1, then=silent)]
    with scripted(*scripts) as address, websocket_user_of(address) as user:
        right, failed, again = user.ask(ASK, ASK, ASK)
        assert isinstance(failed, Failure)
        assert (kind(right), failed.kind, kind(again)) == (0, "reset", 0)
        assert failed.detail.endswith(detail)


def test_a_websocket_closed_while_idle_is_opened_again() -> None:
    def close_frame(connection: Connection) -> None:
        connection.say(CloseConnection(1001))
        assert isinstance(connection.event(), CloseConnection)

    ends: list[Script] = [close_frame, lambda _: None, Connection.reset, silent]
    scripts = [answers_messages(1, then=end) for end in ends]
    with scripted(*scripts) as address, websocket_user_of(address) as user:
        for number in range(4):
            assert [kind(found) for found in user.ask(ASK)] == [0]
            if number < 3:
                wait_until_lost(user.client)
        assert user.account.failed == 0


@pytest.mark.parametrize("end", [lambda _: None, Connection.reset], ids=["closed", "reset"])
def test_a_message_that_meets_a_websocket_closed_while_idle_is_sent_again(end: Script) -> None:
    def late_end(connection: Connection) -> None:
        asked.wait(20)
        end(connection)

    asked = threading.Event()
    with (
        scripted(answers_messages(1, then=late_end), answers_messages(1, then=silent)) as address,
        websocket_user_of(address) as user,
    ):
        assert [kind(found) for found in user.ask(ASK)] == [0]
        assert kind(user.ask_too_late(ASK, asked)) == 0
        assert (user.account.failed, user.account.resent) == (0, 1)


@pytest.mark.parametrize("end", [lambda _: None, Connection.reset], ids=["closed", "reset"])
@pytest.mark.parametrize("begun", [b"", b"\x82", b"\x82\x06answe"])
def test_a_websocket_that_ends_before_the_answer_does_is_a_failure(begun: bytes, end: Script) -> None:
    def cut_off(connection: Connection) -> None:
        connection.message()
        connection.send(begun)
        end(connection)

    with scripted(answers_messages(1, then=cut_off)) as address, websocket_user_of(address) as user:
        assert [kind(found) for found in user.ask(ASK, ASK)] == [0, "reset"]


def test_a_refused_handshake_is_a_failure() -> None:
    def refuse(connection: Connection) -> None:
        connection.event()
        connection.say(RejectConnection(status_code=403, has_body=True), RejectData(b"no"))

    with (
        scripted(refuse, Connection.event, answers_messages(1, then=silent)) as address,
        websocket_user_of(address) as user,
    ):
        assert [kind(found) for found in user.ask(ASK, ASK, ASK)] == ["handshake", "reset", 0]


def test_a_handshake_that_is_not_answered_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.load.websocket.CONNECT_TIMEOUT_S", 0.01)
    with scripted(silent) as address, websocket_user_of(address) as user:
        assert [kind(found) for found in user.ask(ASK)] == ["handshake"]
        assert user.client._transport is None


def test_a_websocket_user_who_gives_up_or_is_killed_can_start_again() -> None:
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


HELLO = Message(b"hello", text=True, expected_body=b"hello")
WELCOME = Message(text=True, expected_body=b"welcome")


def greets_and_echoes(*greetings: str, then: Script = silent, count: int = 1) -> Script:
    """A WebSocket that says this first, and then gives so many texts back."""

    def script(connection: Connection) -> None:
        connection.handshake(*map(TextMessage, greetings))
        for _ in range(count):
            connection.say(TextMessage(connection.message().decode()))
        then(connection)

    return script


def closes(connection: Connection) -> None:
    connection.say(CloseConnection(1001))
    assert isinstance(connection.event(), CloseConnection)


@pytest.mark.parametrize("encrypted", [False, True])
def test_the_greeting_is_awaited_on_each_connection_and_does_not_count(tls: Tls, encrypted: bool) -> None:
    context, authority = (tls.context("http/1.1"), tls.authority) if encrypted else (None, None)
    scripts = [greets_and_echoes("welcome", then=closes), greets_and_echoes("welcome")]
    with (
        scripted(*scripts, context=context) as address,
        websocket_user_of(address, authority, greeting=[WELCOME]) as user,
    ):
        run(user.client.open)
        assert [kind(found) for found in user.ask(HELLO)] == [0]
        wait_until_lost(user.client)
        assert [kind(found) for found in user.ask(HELLO)] == [0]
        assert (user.connections, user.account.started, user.account.failed) == ((2, 1, 0), 2, 0)


def test_the_greeting_is_awaited_again_where_a_message_met_a_closed_connection() -> None:
    def late_end(_: Connection) -> None:
        asked.wait(20)

    asked = threading.Event()
    scripts = [greets_and_echoes("welcome", then=late_end), greets_and_echoes("welcome")]
    with scripted(*scripts) as address, websocket_user_of(address, greeting=[WELCOME]) as user:
        run(user.client.open)
        assert [kind(found) for found in user.ask(HELLO)] == [0]
        assert kind(user.ask_too_late(HELLO, asked)) == 0
        assert user.connections == (2, 1, 1)


def test_a_greeting_may_be_a_conversation() -> None:
    """As that of Socket.IO or GraphQL: the server opens, the client joins, the server confirms twice."""

    def script(connection: Connection) -> None:
        connection.handshake(TextMessage("open"))
        assert connection.message() == b"join"
        connection.say(TextMessage("joined"), TextMessage("ready"))
        connection.say(TextMessage(connection.message().decode()))
        connection.rest()

    greeting = [
        Message(text=True, expected_body=b"open"),
        Message(b"join", text=True, until=lambda answer: answer.body == b"ready"),
    ]
    with scripted(script) as address, websocket_user_of(address, greeting=greeting) as user:
        assert [kind(found) for found in user.ask(HELLO)] == [0]


def says_nothing(connection: Connection) -> None:
    connection.handshake()
    connection.rest()


def closes_at_once(connection: Connection) -> None:
    connection.handshake(CloseConnection(4401, "who are you?"))
    connection.rest()


@pytest.mark.parametrize(
    ("script", "expected", "detail"),
    [
        (greets_and_echoes("go away", count=0), "greeting", "expected 'welcome', found 'go away'"),
        (greets_and_echoes("welcome", "and more", count=0), "protocol", "expected no message, found 'and more'"),
        (says_nothing, "greeting", "no answer within 0.1 s"),
        (closes_at_once, "reset", "the server closed with code 4401 who are you?"),
        (lambda connection: connection.handshake(), "reset", "closed by the server before the message was complete"),
    ],
)
def test_another_greeting_or_none_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, script: Script, expected: str, detail: str
) -> None:
    if script is says_nothing:
        monkeypatch.setattr("harness.load.websocket.CONNECT_TIMEOUT_S", 0.1)
    with scripted(script) as address, websocket_user_of(address, greeting=[WELCOME]) as user:
        (found,) = user.ask(HELLO)
        assert isinstance(found, Failure)
        assert found.kind == expected
        assert found.detail.startswith(detail)
        assert user.client._transport is None


def test_path_headers_and_subprotocols_are_sent_with_values_of_their_own_for_each_connection() -> None:
    requests: list[Request] = []

    def script(connection: Connection) -> None:
        requests.append(connection.handshake(subprotocol="chat.v2"))
        connection.say(TextMessage(connection.message().decode()))

    headers = (("Host", "shop.example"), ("x-room", "{unique:int}"))
    options = {"path": "/rooms/{unique}", "headers": headers, "subprotocols": ("chat.v1", "chat.v2")}
    with scripted(script, script) as address, websocket_user_of(address, **options) as user:
        for _ in range(2):
            assert [kind(found) for found in user.ask(HELLO)] == [0]
            wait_until_lost(user.client)
    first, second = requests
    assert first.host == second.host == "shop.example"
    assert first.subprotocols == ["chat.v1", "chat.v2"]
    assert len(first.target) == len("/rooms/") + UNIQUE_LETTERS
    assert first.target != second.target
    rooms = [dict(each.extra_headers)[b"x-room"] for each in requests]
    assert all(int(room) in UNIQUE_INTS for room in rooms)
    assert rooms[0] != rooms[1]


@pytest.mark.parametrize(
    ("offered", "chosen", "detail"),
    [
        (("chat.v1", "chat.v2"), None, "expected a subprotocol of chat.v1, chat.v2, found none"),
        (("chat.v1",), "chat.v9", "unrecognized subprotocol chat.v9"),
        ((), "chat.v9", "unrecognized subprotocol chat.v9"),
    ],
)
def test_a_server_has_to_choose_a_subprotocol_that_was_offered(
    offered: tuple[str, ...], chosen: str | None, detail: str
) -> None:
    def script(connection: Connection) -> None:
        head = connection.request()[0]
        fields = {name: value for name, value in head.headers}  # noqa: C416 - not a mapping
        token = generate_accept_token(fields[b"sec-websocket-key"])
        choice = f"Sec-WebSocket-Protocol: {chosen}\r\n" if chosen else ""
        upgrade = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {token.decode()}\r\n"
        connection.send(f"HTTP/1.1 101 S\r\n{upgrade}{choice}\r\n".encode())
        connection.rest()

    with scripted(script) as address, websocket_user_of(address, subprotocols=offered) as user:
        (found,) = user.ask(HELLO)
        assert isinstance(found, Failure)
        assert found.kind in {"handshake", "protocol"}
        assert detail in found.detail


def test_a_refused_handshake_says_what_the_app_may_want() -> None:
    def refuse(connection: Connection) -> None:
        connection.event()
        connection.say(RejectConnection(status_code=403))

    with scripted(refuse) as address, websocket_user_of(address) as user:
        (found,) = user.ask(HELLO)
        assert isinstance(found, Failure)
        assert found.detail.startswith("expected 101, found 403; the app may want another path, or subprotocols")


def test_the_time_of_an_answer_of_several_messages_is_that_of_the_last() -> None:
    def script(connection: Connection) -> None:
        connection.handshake()
        connection.message()
        connection.say(BytesMessage(b"1"))
        first.wait(20)
        connection.say(BytesMessage(b"2"))
        connection.rest()

    first = threading.Event()
    seen_ns: list[int] = []

    def is_last(answer: Answer) -> bool:
        seen_ns.append(perf_counter_ns())
        first.set()
        return answer.body == b"2"

    with scripted(script) as address, websocket_user_of(address) as user:
        (found,) = run(lambda: [user.client.exchange(Message(b"list", until=is_last))])
        assert found.body == b"2"
        (recorded,), failures = user.account.take()
        assert failures == []
        assert seen_ns[0] < recorded.batch.ended[0] <= seen_ns[1]


def test_what_a_server_gives_back_is_new_each_time_and_compared_with_what_was_sent() -> None:
    seen: list[tuple[bytes, bytes]] = []
    messages = [
        Message(b'{"id": "{unique}"}', expected_body=b'{"id": "{unique}"}'),
        Message(b'{"id": {unique:int}}', check=lambda answer: seen.append((answer.body, answer.sent))),
    ]
    with scripted(echoes) as address, websocket_user_of(address) as user:
        found = user.ask(*messages, *messages)
        bodies = [each.body for each in found if isinstance(each, Answer)]
        assert len(set(bodies)) == 4
        assert [body for body, _ in seen] == [sent for _, sent in seen] == bodies[1::2]
        wrong = Message(b"{unique}", expected_body=b"{unique}!")
        assert [kind(each) for each in user.ask(wrong)] == ["length"]


def test_a_message_that_nothing_answers_is_sent_and_not_counted() -> None:
    def script(connection: Connection) -> None:
        connection.handshake()
        read.wait(20)
        received.append([connection.message() for _ in range(3)])
        connection.say(TextMessage("hello"))
        connection.rest()

    read, received = threading.Event(), []
    typing, large = Message(b"typing"), Message(MEGABYTES)
    with scripted(script, receive_bytes=4096) as address, websocket_user_of(address) as user:
        run(user.client.notify, typing)
        sending = gevent.spawn(user.client.notify, large)
        wait_until(lambda: user.client._transport.unsent_bytes > 0)
        assert not sending.ready()
        read.set()
        sending.get(timeout=20)
        assert [kind(found) for found in user.ask(HELLO)] == [0]
        assert (user.account.started, user.account.opened) == (1, 1)
    assert received == [[b"typing", MEGABYTES, b"hello"]]


def test_a_message_that_nothing_answers_needs_a_connection() -> None:
    def refuse(connection: Connection) -> None:
        connection.event()
        connection.say(RejectConnection(status_code=403))

    with scripted(refuse) as address, websocket_user_of(address) as user:
        with pytest.raises(Failure, match="expected 101, found 403"):
            run(user.client.notify, HELLO)
        assert (user.account.started, user.account.failed) == (1, 1)
