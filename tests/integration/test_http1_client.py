"""The HTTP/1.1 client on real sockets, against scripted servers, right and faulty."""

from __future__ import annotations

import socket
import threading
from typing import Any

import gevent
import pytest

from harness.load.client import SerialClient
from harness.load.exchange import Answer, Failure, Request, post
from harness.load.http1 import Http1Client
from tests.integration.scripted_server import HOST, Connection, Script, scripted
from tests.integration.socket_clients import (
    GET,
    HEAD,
    HELLO,
    answers,
    hello,
    kind,
    then_closes,
    user_of,
    wait_until,
    wait_until_lost,
)


def answering(client: SerialClient[Any]) -> bool:
    """Has an answer begun?"""
    assert isinstance(client, Http1Client)
    return client._reader.began


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

    def script(connection: Connection) -> None:
        seen.append(connection.request())
        connection.send(HELLO)

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
    def script(connection: Connection) -> None:
        for _ in range(3):
            connection.request()
            for byte in HELLO:
                connection.send(bytes([byte]))

    with scripted(script) as address, user_of(address) as user:
        assert {kind(found) for found in user.ask(*[hello()] * 3)} == {200}
        assert user.connections == (1, 0, 0)


def test_a_connection_closed_while_idle_is_opened_again() -> None:
    with scripted(then_closes(HELLO), then_closes(HELLO)) as address, user_of(address) as user:
        user.ask(GET)
        wait_until_lost(user.client)
        assert [kind(found) for found in user.ask(GET)] == [200]
        assert user.connections == (2, 1, 0)


ENDS: dict[str, Script] = {"closed": lambda _: None, "reset": Connection.reset}


@pytest.mark.parametrize("request_", [hello(), post("/", b"x" * 99, "text/plain")], ids=["GET", "POST"])
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_request_that_the_server_had_when_its_connection_ended_is_an_error(end: Script, request_: Request) -> None:
    def script(connection: Connection) -> None:
        connection.answer(HELLO)
        connection.request()
        end(connection)

    with scripted(script, answers(HELLO)) as address, user_of(address) as user:
        assert [kind(found) for found in user.ask(request_, request_, request_)] == [200, "reset", 200]
        assert user.connections == (2, 1, 0)


def test_a_request_that_the_server_never_read_is_an_error_too() -> None:
    """What a killed worker does: the kernel has the request, and resets the connection."""

    def script(connection: Connection) -> None:
        connection.answer(HELLO)
        with gevent.Timeout(20):
            while not connection.socket.recv(1, socket.MSG_PEEK):
                pass

    with scripted(script, answers(HELLO)) as address, user_of(address) as user:
        assert [kind(found) for found in user.ask(GET, GET, GET)] == [200, "reset", 200]
        assert user.connections == (2, 1, 0)


@pytest.mark.parametrize(("idle_s", "ends", "resent"), [(0.5, ["reset", 200], 0), (2.0, [200, 200], 1)])
def test_a_request_that_crosses_the_end_of_an_idle_connection_is_sent_again(
    idle_s: float, ends: list[str | int], resent: int
) -> None:
    """A server that closes idle connections never reads a request that arrives at that moment."""

    def script(connection: Connection) -> None:
        connection.answer(HELLO)
        with gevent.Timeout(20):
            while not connection.socket.recv(1, socket.MSG_PEEK):
                pass

    with scripted(script, answers(*[HELLO] * ends.count(200))) as address, user_of(address) as user:
        user.ask(GET)
        user.client._arrived_ns -= int(idle_s * 1e9)
        assert [kind(found) for found in user.ask(GET, GET)] == ends
        assert user.connections == (2, 1, resent)


def test_a_request_that_was_read_on_an_idle_connection_is_an_error() -> None:
    def script(connection: Connection) -> None:
        connection.answer(HELLO)
        connection.request()

    with scripted(script) as address, user_of(address) as user:
        user.ask(GET)
        user.client._arrived_ns -= int(2e9)
        assert [kind(found) for found in user.ask(GET)] == ["reset"]


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_request_that_meets_a_connection_closed_while_idle_is_sent_again(end: Script) -> None:
    """The end has arrived, but the hub was busy and has not read it when the request is written."""

    def script(connection: Connection) -> None:
        connection.answer(HELLO)
        asked.wait(20)
        end(connection)

    asked, request = threading.Event(), post("/", b"x" * 99, "text/plain")
    with scripted(script, answers(HELLO)) as address, user_of(address) as user:
        user.ask(request)
        assert kind(user.ask_too_late(request, asked)) == 200
        assert user.connections == (2, 1, 1)
        assert user.account.failed == 0


def test_nothing_is_sent_again_that_is_the_first_on_its_connection() -> None:
    with scripted(Connection.request) as address, user_of(address) as user:
        assert [kind(found) for found in user.ask(GET)] == ["reset"]
        assert user.connections == (1, 0, 0)


@pytest.mark.parametrize("learned", [True, False])
@pytest.mark.parametrize("length", [1, 8, len(HELLO) - 6, len(HELLO) - 1])
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_nothing_is_sent_again_once_the_answer_has_begun(end: Script, length: int, learned: bool) -> None:
    def script(connection: Connection) -> None:
        connection.answer(HELLO, HELLO[:length])
        end(connection)

    with scripted(script, answers(HELLO)) as address, user_of(address) as user:
        first = hello()
        assert [kind(found) for found in user.ask(first, first if learned else hello())] == [200, "reset"]
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
    def script(connection: Connection) -> None:
        connection.answer(sent)
        connection.reset()

    with scripted(script) as address, user_of(address) as user:
        assert [kind(found) for found in user.ask(hello())] == ["reset"]


def test_bytes_that_nobody_asked_for_end_the_connection() -> None:
    def script(connection: Connection) -> None:
        connection.answer(HELLO)
        asked.wait(20)
        connection.send(HELLO)
        assert connection.rest() == b""

    asked = threading.Event()
    with scripted(script, answers(HELLO)) as address, user_of(address) as user:
        user.ask(GET)
        asked.set()
        wait_until_lost(user.client)
        assert [kind(found) for found in user.ask(GET)] == [200]
        assert user.connections == (2, 1, 0)


def test_after_a_timeout_the_watcher_and_the_user_go_on() -> None:
    def silent(connection: Connection) -> None:
        connection.request()
        assert connection.rest() == b""

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
    def script(connection: Connection) -> None:
        connection.answer(begun)
        assert connection.rest() == b""

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
        assert user.connections == (1, 0, 0)
        with pytest.raises(Failure, match="connect"):
            user.client.open()


def test_a_client_that_does_not_reuse_connections_opens_one_for_each_request() -> None:
    with scripted(*[answers(HELLO)] * 3) as address, user_of(address) as user:
        user.client.reuses = False
        assert [kind(found) for found in user.ask(GET, GET, GET)] == [200] * 3
        assert user.connections == (3, 2, 0)
