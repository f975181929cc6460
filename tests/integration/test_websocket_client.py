"""The WebSocket client on real sockets, against scripted servers, right and faulty."""

from __future__ import annotations

import ssl
import threading
from contextlib import suppress

import gevent
import pytest
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, RejectConnection, RejectData

from harness.load.exchange import Answer, Failure, Message
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
