"""Answers that are read as they come, over every protocol: their events are timed, and the client ends them."""

from __future__ import annotations

import contextlib
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
import pytest

from harness.host import certificates, process
from harness.host.guard import guard
from harness.load import http1, http2, http3
from harness.load.account import Account, Recorded
from harness.load.exchange import Answer, Failure, Request, get
from harness.load.http1 import Http1Client
from harness.load.transport import Endpoint
from harness.model.event_stream import Stream
from harness.model.targets import App, Launch, Tls
from harness.servers import hypercorn, uvicorn
from tests.apps.feed import CHAT_EVENTS, EVENT, GAP_S, LINE
from tests.integration.scripted_server import HOST, Connection, Script, scripted
from tests.integration.socket_clients import kind, outcome, run, user_of, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

APP = App("feed", "feed:app", Path(__file__).parents[1] / "apps", "/ping", None)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
GAP_NS = int(GAP_S * 1e9)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def events(limit: Stream, path: str = "/events") -> Request:
    return get(path, stream=limit, expected_type="text/event-stream")


def recorded(account: Account) -> Recorded:
    (found,), failures = account.take()
    assert failures == []
    return found


def sending(*parts: bytes, closes: bool = False) -> Script:
    """Answer a request with these parts, each in its own write; then close, or stay until the client has closed.

    A client closes at its limit, which may be before all parts are written.
    """

    def script(connection: Connection) -> None:
        connection.request()
        with suppress(ConnectionError):
            for part in parts:
                connection.send(part)
            if not closes:
                assert connection.rest() == b""

    return script


def refusing(connection: Connection) -> None:
    """Take no request."""
    assert connection.rest() == b""


def test_at_its_limit_the_client_opens_another_connection_outside_the_response_time() -> None:
    with scripted(sending(CHUNKED, *[chunk(EVENT)] * 5), refusing) as address, user_of(address) as user:
        (answer,) = [run(outcome, user.client, events(Stream(events=3)))]
        assert isinstance(answer, Answer)
        assert answer.body == EVENT * 3
        assert user.client.is_open
        assert user.connections == (2, 0, 0)
        found = recorded(user.account)
        ((number, times),) = found.events
        assert (number, len(times)) == (0, 3)
        assert found.batch.ended.tolist() == [times[-1]]


@pytest.mark.parametrize("pieces", [1, 5, 13, 100])
def test_events_are_the_same_in_whatever_pieces_they_come(pieces: int) -> None:
    wire = CHUNKED + chunk(EVENT[:4]) + chunk(EVENT[4:] + EVENT) + chunk(EVENT.replace(b"\n", b"\r\n")) + chunk(b"")
    parts = [wire[at : at + pieces] for at in range(0, len(wire), pieces)]
    with scripted(sending(*parts)) as address, user_of(address) as user:
        assert kind(run(outcome, user.client, events(Stream()))) == 200
        ((_, times),) = recorded(user.account).events
        assert len(times) == 3
        assert user.client.is_open
        assert user.connections == (1, 0, 0)


def test_a_stream_may_end_with_its_connection() -> None:
    with scripted(sending(HEAD + b"\r\n", EVENT, EVENT, closes=True)) as address, user_of(address) as user:
        assert kind(run(outcome, user.client, events(Stream(events=9)))) == 200
        assert len(recorded(user.account).events[0].times) == 2


def test_a_stream_that_falls_silent_is_ended_so_long_after_its_first_event() -> None:
    with scripted(sending(CHUNKED, chunk(EVENT)), refusing) as address, user_of(address) as user:
        answer = run(outcome, user.client, events(Stream(events=9, seconds=0.05)))
        assert isinstance(answer, Answer)
        assert answer.body == EVENT
        found = recorded(user.account)
        ((_, times),) = found.events
        assert int(found.batch.ended[0]) - times[0] >= 50_000_000
        assert user.connections == (2, 0, 0)


def test_the_same_connection_serves_streams_that_end_and_other_requests() -> None:
    body, ok = CHUNKED + chunk(EVENT * 2) + chunk(b""), b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

    def script(connection: Connection) -> None:
        connection.answer(body, ok, body, ok)
        assert connection.rest() == b""

    stream, plain = events(Stream(events=5, seconds=60, at_least=2)), get("/ping", expected_body=b"ok")
    with scripted(script) as address, user_of(address) as user:
        assert [kind(found) for found in user.ask(stream, plain, stream, plain)] == [200] * 4
        assert user.connections == (1, 0, 0)


FAULTY = {
    "reset": (CHUNKED + chunk(EVENT), Stream(events=2)),
    "events": (CHUNKED + chunk(EVENT) + chunk(b""), Stream(at_least=2)),
    "status": (CHUNKED.replace(b"200 OK", b"503 Busy") + chunk(EVENT) + chunk(b""), Stream()),
    "content-type": (CHUNKED.replace(b"event-stream", b"html") + chunk(EVENT) + chunk(b""), Stream()),
    "protocol": (CHUNKED + chunk(EVENT) + b"no chunk", Stream(events=2)),
    "too large": (HEAD + b"content-length: 200\r\n\r\n" + EVENT * 9, Stream()),
}


@pytest.mark.parametrize("wanted", FAULTY)
def test_a_stream_that_is_not_right_is_an_error(wanted: str) -> None:
    wire, limit = FAULTY[wanted]
    with scripted(sending(wire, closes=True)) as address:
        account = Account()
        client = Http1Client(Endpoint.of(f"http://{address}", None, http1.ALPN, max_body_bytes=64), account)
        found = run(outcome, client, events(limit))
        run(client.close)
    assert isinstance(found, Failure)
    assert found.kind == wanted
    assert account.take()[0] == []


def test_a_stream_without_an_event_is_unanswered_when_it_is_given_up() -> None:
    with scripted(sending(CHUNKED)) as address, user_of(address) as user:
        asking = gevent.spawn(outcome, user.client, events(Stream(seconds=0.01)))
        wait_until(lambda: bool(user.client._came()))
        run(user.client.give_up, Failure("unanswered", "no complete answer"))
        found = asking.get(timeout=20)
        assert isinstance(found, Failure)
        assert found.kind == "unanswered"
        assert not user.client.is_open


@pytest.fixture(scope="module")
def tls() -> Iterator[Tls]:
    with certificates.issue() as tls:
        yield tls


@contextlib.contextmanager
def serving(entry: Any, protocol: str, folder: Path, tls: Tls | None) -> Iterator[Endpoint]:
    """The app under a real server."""
    port = process.free_port(HOST)
    launch = Launch(HOST, port, APP.target, tls=tls, python=sys.executable)
    cpus = frozenset(os.sched_getaffinity(0))
    alpn = http2.ALPN if protocol.startswith("h2") else http1.ALPN
    with guard() as token, process.start(entry, APP, launch, cpus=cpus, log=folder / "log", token=token):
        yield Endpoint.of(f"{'https' if tls else 'http'}://{HOST}:{port}", tls.authority if tls else None, alpn)


@pytest.mark.parametrize("protocol", ["h1", "h1-tls", "h2c", "h2", "h3"])
def test_streams_over_each_protocol(protocol: str, tmp_path: Path, tls: Tls) -> None:
    own = None if protocol in {"h1", "h2c"} else tls
    account = Account()
    wanted = {
        "/events": (get("/events", name="events", stream=Stream(events=4)), 4, EVENT * 4),
        "/chat": (get("/chat", name="chat", stream=Stream()), CHAT_EVENTS, EVENT * CHAT_EVENTS),
        "/rows": (get("/rows", name="rows", stream=Stream(events=3)), 3, LINE * 3),
        "/silent": (get("/silent", name="silent", stream=Stream(events=2, seconds=0.05)), 1, EVENT),
        "/ping": (get("/ping", name="ping", check=lambda answer: None if answer.json()["ok"] else "no"), 0, None),
    }

    def use(client: Any) -> None:
        client.open()
        for _ in range(2):
            for request, _, body in wanted.values():
                answer = client.exchange(request)
                assert body is None or answer.body == body
        client.close()

    servers = {each.name: each for each in (*uvicorn.SERVERS, *hypercorn.SERVERS)}
    entry = servers["uvicorn" if protocol.startswith("h1") else "hypercorn-h3" if protocol == "h3" else "hypercorn"]
    with serving(entry, protocol, tmp_path, own) as endpoint:
        if protocol == "h3":
            clients: list[Any] = [http3.Pool(endpoint, account, 1, tls.authority).client() for _ in range(2)]
        elif protocol.startswith("h2"):
            pool = http2.Pool(endpoint, account, 2)
            clients = [pool.client() for _ in range(2)]
        else:
            clients = [Http1Client(endpoint, account) for _ in range(2)]
        with gevent.Timeout(60):
            for each in gevent.joinall([gevent.spawn(use, client) for client in clients]):
                each.get()
    found, failures = account.take()
    assert failures == []
    by_name = {each.name: each for each in found}
    for name, (request, number, _) in wanted.items():
        own_events = by_name[request.name].events
        assert [len(times) for _, times in own_events] == [number] * (4 if number else 0), name
    for number, times in by_name["events"].events:
        batch = by_name["events"].batch
        assert batch.written[number] < times[0]
        assert list(times) == sorted(times)
        assert batch.ended[number] - batch.written[number] >= 2 * GAP_NS
    assert (account.reopened, account.resent) == (0, 0)
