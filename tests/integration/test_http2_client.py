"""The HTTP/2 client against real servers under the reference app."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import gevent
import pytest

from harness.host import certificates, process
from harness.host.guard import guard
from harness.load.account import Account
from harness.load.exchange import Failure, Request, get, post
from harness.load.http2 import ALPN, Http2Client, Pool
from harness.load.transport import Endpoint
from harness.model.targets import App, Launch, Tls
from harness.servers import daphne, granian, hypercorn, uvicorn
from tests.integration.stream_clients import together

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "127.0.0.1"
MODULES = {"daphne": daphne, "granian": granian, "hypercorn": hypercorn, "uvicorn": uvicorn}
APP = App("asgi", "asgi:app", Path(__file__).parents[2] / "apps", "/plaintext", b"Hello, World!")
PLAIN = get("/plaintext", expected_body=b"Hello, World!", expected_type="text/plain")


@pytest.fixture(scope="module")
def tls() -> Iterator[Tls]:
    with certificates.issue() as tls:
        yield tls


@contextlib.contextmanager
def serving(name: str, folder: Path, tls: Tls | None) -> Iterator[Endpoint]:
    """The reference app under a real server."""
    port = process.free_port(HOST)
    launch = Launch(HOST, port, APP.target, tls=tls, python=sys.executable)
    entry = MODULES[name].SERVERS[0]
    cpus = frozenset(os.sched_getaffinity(0))
    with guard() as token, process.start(entry, APP, launch, cpus=cpus, log=folder / "log", token=token):
        url = f"{'https' if tls else 'http'}://{HOST}:{port}"
        yield Endpoint.of(url, tls.authority if tls else None, ALPN)


def megabyte(user: int) -> bytes:
    return bytes((user + i) % 251 for i in range(4096)) * 256


def everything(user: int) -> list[Request]:
    upload = megabyte(user)
    return [
        PLAIN,
        post("/echo", upload, "application/x-test", expected_body=upload, expected_type="application/x-test"),
        get("/bytes/3000000", expected_body=(bytes(range(251)) * 12_000)[:3_000_000]),
        get("/stream/20", check=lambda answer: None if len(answer.body) == 20 * 1024 else "a piece is missing"),
        Request("HEAD", "/plaintext", expected_body=b""),
        get("/nothing", status=404),
        post("/echo", b"", "text/plain", expected_body=b""),
        *[PLAIN] * 50,
    ]


@pytest.mark.parametrize(
    ("name", "protocol"),
    [("granian", "h2c"), ("hypercorn", "h2c"), ("daphne", "h2"), ("granian", "h2"), ("hypercorn", "h2")],
)
def test_users_of_one_connection_get_their_right_answers(name: str, protocol: str, tmp_path: Path, tls: Tls) -> None:
    account = Account()

    def use(client: Http2Client, user: int) -> None:
        client.open()
        for request in everything(user) * 2:
            client.exchange(request)

    with serving(name, tmp_path, tls if protocol == "h2" else None) as endpoint:
        pool = Pool(endpoint, account, streams=3)
        clients = [pool.client() for _ in range(3)]
        together(*(gevent.spawn(use, client, user) for user, client in enumerate(clients)))
        for client in clients:
            client.close()
    recorded, failures = account.take()
    assert failures == []
    assert account.started == sum(each.batch.ended.size for each in recorded) == 3 * 2 * len(everything(0))
    assert (account.opened, account.reopened, account.resent) == (1, 0, 0)
    assert account.negotiated == ("TLSv1.3 h2" if protocol == "h2" else "h2c")


def test_a_connection_that_the_server_retires_is_opened_again(tmp_path: Path) -> None:
    account = Account()

    def use(client: Http2Client) -> None:
        client.open()
        for _ in range(1_100):
            client.exchange(PLAIN)

    # hypercorn retires a connection after 1,000 requests; of several streams it may lose one as it does.
    with serving("hypercorn", tmp_path, None) as endpoint:
        pool = Pool(endpoint, account, streams=1)
        together(*(gevent.spawn(use, pool.client()) for _ in range(2)))
    assert account.failures() == []
    assert (account.opened, account.reopened) == (4, 2)
    assert account.resent <= 2


@pytest.mark.parametrize("over_tls", [True, False])
def test_a_server_without_http2_is_recognised(over_tls: bool, tmp_path: Path, tls: Tls) -> None:
    account = Account()
    with serving("uvicorn", tmp_path, tls if over_tls else None) as endpoint:
        client = Pool(endpoint, account, streams=1).client()
        with pytest.raises(Failure) as raised:
            client.exchange(PLAIN)
    assert raised.value.kind == "protocol"
    assert ("asked for HTTP/2, the server chose" if over_tls else "HTTP/1.1 400") in raised.value.detail
