"""The drills' client against a server that runs scripts: each request has one end, and is sent once."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest

from harness.drill.load import Traffic, sending
from harness.drill.model import Exchange, Requests
from harness.model.errors import LoadError
from harness.model.targets import Launch
from tests.integration.scripted_server import Connection, Script, scripted

RIGHT = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
GOODBYE = RIGHT.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
CUT = RIGHT.replace(b"hello", b"hel")
WRONG = RIGHT.replace(b"hello", b"HELLO")
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
RATE_RPS = 5.0
"""An answer that takes longer than the time between two requests would give the second a connection of its own."""
TIMEOUT_S = 0.5


def answers(*several: bytes) -> Script:
    return lambda connection: connection.answer(*several)


def resets_after(*several: bytes) -> Script:
    def run(connection: Connection) -> None:
        connection.answer(*several)
        connection.request()
        connection.reset()

    return run


def closes_after(*several: bytes) -> Script:
    def run(connection: Connection) -> None:
        connection.answer(*several)
        connection.request()

    return run


def silent_after(*several: bytes) -> Script:
    def run(connection: Connection) -> None:
        connection.answer(*several)
        connection.rest()

    return run


def sent(*scripts: Script, requests: int, status: int | None = 200) -> list[Exchange]:
    """How the first requests ended, of those that were sent for long enough to have as many."""
    kind = Requests("quick", "/", RATE_RPS, status, "hello")
    with scripted(*scripts) as address:
        host, _, port = address.partition(":")
        launch = Launch(host, int(port), "")
        with sending(launch, [kind], "token", connections=1, timeout_s=TIMEOUT_S) as traffic:
            time.sleep((requests + 2) / RATE_RPS)
    return sorted(traffic.exchanges, key=lambda each: each.intended_ns)[:requests]


def ends(exchanges: list[Exchange]) -> list[tuple[str, str]]:
    return [(each.end, each.detail) for each in exchanges]


def test_each_request_has_one_end() -> None:
    found = sent(
        resets_after(RIGHT, RIGHT),  # the first answer is that of the request which opens the connection
        closes_after(CHUNKED),
        answers(CUT),
        closes_after(),
        answers(BUSY, WRONG, GOODBYE),
        silent_after(),
        requests=10,
    )
    assert ends(found) == [
        ("right", ""),
        ("reset", "kept connection reset"),
        ("right", ""),
        ("reset", "kept connection closed without an answer"),
        ("reset", "new connection closed in mid-answer"),
        ("reset", "new connection closed without an answer"),
        ("error", "status 503"),
        ("error", "wrong body of 5 bytes"),
        ("right", ""),
        ("unanswered", "no answer"),
    ]


def test_a_connection_that_ends_while_idle_is_replaced_without_an_error() -> None:
    found = sent(answers(RIGHT, RIGHT), answers(GOODBYE), answers(RIGHT, RIGHT, RIGHT), requests=4)
    assert ends(found) == [("right", "")] * 4


def test_what_finds_no_server_is_refused() -> None:
    found = sent(answers(RIGHT, RIGHT), requests=6)
    assert ends(found)[0] == ("right", "")
    assert ends(found)[1:] == [("refused", "connection refused")] * 5


def test_requests_are_due_evenly_whatever_becomes_of_others() -> None:
    found = sent(silent_after(RIGHT), requests=6)
    gaps = {later.intended_ns - each.intended_ns for each, later in pairwise(found)}
    assert all(abs(gap - 1e9 / RATE_RPS) <= 1 for gap in gaps)


def test_the_status_of_the_first_answer_is_the_right_one_where_none_is_given() -> None:
    missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello"
    found = sent(answers(missing), answers(missing, missing, RIGHT, missing), requests=3, status=None)
    assert ends(found) == [("right", ""), ("error", "status 200"), ("right", "")]


def test_an_app_that_fails_before_the_load_is_told() -> None:
    with pytest.raises(LoadError, match="found GET / was answered with status 503"):
        sent(answers(BUSY), requests=1, status=None)


def test_a_client_that_no_server_awaits_is_told() -> None:
    launch = Launch("127.0.0.1", 1, "")
    with (
        pytest.raises(LoadError, match="Connect call failed"),
        sending(launch, [Requests("quick", "/", 1.0)], "token", connections=1),
    ):
        raise AssertionError


def test_traffic_is_empty_until_the_load_has_ended() -> None:
    assert Traffic().exchanges == []
