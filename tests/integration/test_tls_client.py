"""TLS under the HTTP/1.1 client on real sockets: its end, its errors, and what ALPN selects."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from pathlib import Path

import pytest
import trustme

from harness.load import http1
from harness.load.account import Account
from harness.load.exchange import Failure
from harness.load.http1 import Http1Client
from harness.load.transport import Endpoint
from tests.integration.scripted_server import Connection, scripted
from tests.integration.socket_clients import (
    GET,
    HEAD,
    HELLO,
    Tls,
    answers,
    hello,
    issue_tls,
    kind,
    run,
    then_closes,
    user_of,
    wait_until_lost,
)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return issue_tls(tmp_path_factory.mktemp("tls"))


def connecting(address: str, authority: Path, alpn: tuple[str, ...] = http1.ALPN) -> tuple[Http1Client, Failure]:
    """A client that fails to connect, and why."""
    client = Http1Client(Endpoint.of(f"https://{address}", authority, alpn), Account())

    def connect() -> Failure:
        with pytest.raises(Failure) as caught:
            client.open()
        return caught.value

    return client, run(connect)


def test_many_answers_over_tls(tls: Tls) -> None:
    with (
        scripted(answers(*[HELLO] * 5), context=tls.context("http/1.1")) as address,
        user_of(address, tls.authority) as user,
    ):
        assert [kind(found) for found in user.ask(*[hello()] * 2, *[GET] * 3)] == [200] * 5
        assert user.account.negotiated == "TLSv1.3 http/1.1"
        assert user.connections == (1, 0, 0)


def test_a_session_is_taken_up_by_the_next_connection_only_if_the_user_wants_it(tls: Tls) -> None:
    with (
        scripted(*[answers(HELLO)] * 4, context=tls.context("http/1.1")) as address,
        user_of(address, tls.authority) as user,
    ):
        seen = []
        for resume in (False, True, False):
            assert [kind(found) for found in user.ask(hello())] == [200]
            seen.append(user.account.resumed)
            run(lambda resume=resume: user.client.disconnect(resume=resume))
        assert [kind(found) for found in user.ask(hello())] == [200]
        assert [*seen, user.account.resumed] == [0, 0, 1, 1]
        assert user.connections == (4, 0, 0)  # what a user ends is not opened again for the server's sake


def test_with_tls_an_answer_may_end_with_the_connection_only_after_close_notify(tls: Tls) -> None:
    def in_order(connection: Connection) -> None:
        connection.answer(HEAD + b"\r\nhello")
        connection.end_tls()

    cut_off = then_closes(HEAD + b"\r\nhello")
    scripts = [in_order, cut_off, in_order]
    with scripted(*scripts, context=tls.context("http/1.1")) as address, user_of(address, tls.authority) as user:
        assert [kind(found) for found in user.ask(hello(), hello(), hello())] == [200, "reset", 200]


def test_a_tls_connection_closed_while_idle_is_opened_again(tls: Tls) -> None:
    def in_order(connection: Connection) -> None:
        connection.answer(HELLO)
        connection.end_tls()

    scripts = [in_order, then_closes(HELLO), answers(HELLO)]
    with scripted(*scripts, context=tls.context("http/1.1")) as address, user_of(address, tls.authority) as user:
        for _ in range(3):
            assert [kind(found) for found in user.ask(GET)] == [200]
            if user.account.opened < 3:
                wait_until_lost(user.client)
        assert user.connections == (3, 2, 0)


def test_a_request_that_meets_a_tls_connection_closed_while_idle_is_sent_again(tls: Tls) -> None:
    def script(connection: Connection) -> None:
        connection.answer(HELLO)
        asked.wait(20)

    asked = threading.Event()
    with (
        scripted(script, answers(HELLO), context=tls.context("http/1.1")) as address,
        user_of(address, tls.authority) as user,
    ):
        user.ask(GET)
        assert kind(user.ask_too_late(GET, asked)) == 200
        assert (user.connections, user.account.failed) == ((2, 1, 1), 0)


def test_a_broken_tls_record_ends_the_request(tls: Tls) -> None:
    def script(connection: Connection) -> None:
        connection.request()
        with socket.socket(fileno=os.dup(connection.socket.fileno())) as below:
            below.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
            with pytest.raises(ssl.SSLError, match="alert bad record mac"):
                connection.socket.recv(1)

    with scripted(script, context=tls.context("http/1.1")) as address, user_of(address, tls.authority) as user:
        (found,) = user.ask(hello())
        assert isinstance(found, Failure)
        assert (found.kind, found.detail[:4]) == ("reset", "TLS:")


def test_what_speaks_no_tls_or_is_not_trusted_is_a_failure_to_connect(tls: Tls, tmp_path: Path) -> None:
    def refused(_: Connection) -> None:
        raise AssertionError("no connection comes about")

    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(str(stranger))
    with scripted(lambda connection: connection.send(HELLO)) as address:
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
    def silent(connection: Connection) -> None:
        assert connection.rest() == b""

    with scripted(silent, context=tls.context("h2")) as address:
        client, opened = connecting(address, tls.authority, ("h2",))
        assert kind(opened) == "protocol"
        assert client._transport is None
