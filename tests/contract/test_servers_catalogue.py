"""Every entry of the catalogue of servers is complete, and its server does what the entry says."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from aioquic.asyncio import connect as connect_quic
from aioquic.h3.connection import H3_ALPN
from aioquic.quic.configuration import QuicConfiguration
from packaging.requirements import Requirement

from harness.catalog import environments, listing
from harness.host import certificates, process
from harness.host.guard import guard, processes_of
from harness.model.protocols import PROTOCOLS, TLS_PROTOCOLS, Protocol
from harness.model.targets import App, Launch, Server, Tls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOST = "127.0.0.1"
MARK = "unmistakable"
"""It is in the path of requests, and so would be in the line of an access log."""
APP = App(
    "hello",
    "hello:app",
    Path(__file__).parent.parent / "apps",
    ready_body=b"hello",
    counts_workers=True,
    wsgi_target="hello:wsgi",
)
GATED_APP = """
from pathlib import Path

HERE = Path(__file__).parent
answers = 0

try:
    (HERE / "first").mkdir()
except FileExistsError:
    (HERE / "gate").read_bytes()
    (HERE / "loaded").touch()


async def app(scope, receive, send):
    global answers
    assert scope["type"] == "http"
    answers += 1
    if answers == 3 and not (HERE / "loaded").exists():
        (HERE / "gate").write_bytes(b"")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})
"""
SERVERS = listing.servers()
MEASURED_AS = "measured as "
NOT_MEASURED = (MEASURED_AS, "not measured: ")
"""The start of the reason why an entry leaves out a protocol that its server speaks."""
GRACE_S = 0.5
"""Some servers take seconds to stop; tests of something else kill them after this time."""
PATHS = Tls(Path("/run/chain.pem"), Path("/run/key.pem"), Path("/run/authority.pem"))
LAUNCHES = [
    Launch(HOST, 8123, "hello:app"),
    Launch(HOST, 8123, "hello:app", workers=3),
    Launch(HOST, 8123, "hello:app", tls=PATHS, python="/opt/python"),
]

each_server = pytest.mark.parametrize("entry", SERVERS, ids=lambda entry: entry.name)
each_launch = pytest.mark.parametrize("launch", LAUNCHES, ids=["plain", "workers", "tls"])


@pytest.fixture(scope="module")
def tls() -> Iterator[Tls]:
    with certificates.issue() as tls:
        yield tls


@pytest.fixture(scope="module")
def token() -> Iterator[str]:
    with guard() as token:
        yield token


@pytest.fixture
def start(token: str, tmp_path: Path) -> Callable[..., tuple[Launch, process.Running]]:
    def start(entry: Server, tls: Tls | None, workers: int = 1, app: App = APP) -> tuple[Launch, process.Running]:
        entry = environments.apart(entry, [])
        impossible = environments.make_all([entry], [], sys.executable, print)
        if missing := impossible or listing.not_installed([entry]):
            pytest.skip(missing[entry.name])
        target = entry.target(app)
        assert target is not None
        launch = process.make_launch(entry, target, workers, tls, sys.executable)
        cpus = frozenset(os.sched_getaffinity(0))
        return launch, process.start(entry, app, launch, cpus=cpus, log=tmp_path / "log", token=token, deadline_s=30)

    return start


def test_names_are_unique() -> None:
    names = [entry.name for entry in SERVERS]
    assert len(set(names)) == len(names)


def test_a_protocol_that_is_measured_as_another_entry_is_spoken_by_that_entry() -> None:
    entries = {entry.name: entry for entry in SERVERS}
    for entry in SERVERS:
        for protocol, reason in entry.unsupported.items():
            if reason.startswith(MEASURED_AS):
                assert protocol in entries[reason.removeprefix(MEASURED_AS)].protocols


@each_server
@each_launch
def test_a_command_is_pure_and_contains_what_it_was_given(entry: Server, launch: Launch) -> None:
    argv = entry.command(launch)
    text = " ".join(argv)
    assert entry.command(launch) == argv
    assert argv[0] == launch.python or argv[0] == launch.program(entry.name)
    assert launch.target in argv
    assert str(launch.port) in text
    assert launch.host in text
    if entry.max_workers is None and launch.workers > 1:
        assert str(launch.workers) in argv
    if launch.tls and entry.protocols & TLS_PROTOCOLS:
        assert str(launch.tls.certificate) in text
        assert str(launch.tls.key) in text


@each_server
def test_every_protocol_is_spoken_or_its_absence_explained(entry: Server) -> None:
    assert entry.requires
    assert entry.protocols.isdisjoint(entry.unsupported)
    assert entry.protocols | entry.unsupported.keys() == set(PROTOCOLS)
    assert all(entry.unsupported.values())


@pytest.mark.parametrize(
    ("entry", "encrypted"),
    [
        pytest.param(entry, encrypted, id=f"{entry.name}-{'tls' if encrypted else 'clear'}")
        for entry in SERVERS
        for encrypted in (False, True)
        if any((protocol in TLS_PROTOCOLS) == encrypted for protocol in entry.protocols)
    ],
)
def test_a_server_speaks_what_its_entry_says_and_writes_no_line_for_a_request(
    entry: Server, tls: Tls, token: str, start: Callable[..., tuple[Launch, process.Running]], *, encrypted: bool
) -> None:
    launch, running = start(entry, tls if encrypted else None)
    with running:
        spoken: set[Protocol] = {protocol for protocol, speaks in TALKS[encrypted].items() if speaks(launch)}
        running.stop(GRACE_S)
    claimed = {protocol for protocol in entry.protocols if (protocol in TLS_PROTOCOLS) == encrypted}
    unmeasured = {protocol for protocol, reason in entry.unsupported.items() if reason.startswith(NOT_MEASURED)}
    assert spoken - unmeasured == claimed
    assert MARK not in running.log.read_text()
    assert processes_of(token) == []


@pytest.mark.parametrize(
    "entry",
    # One entry of each program, since its other entries start workers in the same way.
    {
        (Requirement(entry.requires[0]).name, entry.interface): entry
        for entry in reversed(SERVERS)
        if entry.max_workers is None
    }.values(),
    ids=lambda entry: entry.name,
)
def test_two_workers_answer_and_stop(
    entry: Server, token: str, start: Callable[..., tuple[Launch, process.Running]]
) -> None:
    _, running = start(entry, None, workers=2)
    with running:
        assert len(processes_of(token)) >= 2
    assert not running.stop().killed
    assert processes_of(token) == []


@pytest.mark.parametrize(
    "entry",
    # All that load the app in each worker, before they listen. tremolo listens first, so its second worker might get
    # the third request; echocorn's second worker is forked from one that has loaded the app.
    [
        entry
        for entry in SERVERS
        if entry.interface == "asgi" and entry.max_workers is None and entry.name not in {"tremolo", "echocorn"}
    ],
    ids=lambda entry: entry.name,
)
def test_both_workers_of_an_app_that_does_not_name_them_are_waited_for(
    entry: Server, token: str, start: Callable[..., tuple[Launch, process.Running]], tmp_path: Path
) -> None:
    """The second worker loads the app only after the third request to the first one, when that one was long ready."""
    (tmp_path / "gated.py").write_text(GATED_APP)
    os.mkfifo(tmp_path / "gate")
    _, running = start(entry, None, workers=2, app=App("gated", "gated:app", tmp_path))
    with running:
        assert (tmp_path / "loaded").exists()
        running.stop(GRACE_S)
    assert processes_of(token) == []


def connect(launch: Launch, *alpn: str) -> socket.socket:
    plain = socket.create_connection((launch.host, launch.port), timeout=10)
    if launch.tls is None:
        return plain
    context = ssl.create_default_context(cafile=str(launch.tls.authority))
    context.set_alpn_protocols(alpn)
    return context.wrap_socket(plain, server_hostname=launch.host)


def reply(launch: Launch, request: bytes, size: int) -> bytes:
    with connect(launch, "http/1.1") as connection:
        connection.sendall(request)
        answer = b""
        while len(answer) < size and (more := connection.recv(size - len(answer))):
            answer += more
        return answer


def speaks_http1(launch: Launch) -> bool:
    return reply(launch, f"GET /{MARK} HTTP/1.1\r\nHost: test\r\n\r\n".encode(), 12) == b"HTTP/1.1 200"


def speaks_websocket(launch: Launch) -> bool:
    upgrade = (
        f"GET /{MARK} HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    return reply(launch, upgrade.encode(), 12) == b"HTTP/1.1 101"


def speaks_http2_in_clear(launch: Launch) -> bool:
    """RFC 9113, section 3.4: a preface and SETTINGS are answered with SETTINGS, frame type 4."""
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
    answer = reply(launch, preface, 9)
    return len(answer) == 9 and answer[3] == 4


def chooses_http2(launch: Launch) -> bool:
    """RFC 7301: of both, a server that speaks HTTP/2 chooses it."""
    with connect(launch, "h2", "http/1.1") as connection:
        assert isinstance(connection, ssl.SSLSocket)
        return connection.selected_alpn_protocol() == "h2"


def speaks_http3(launch: Launch) -> bool:
    """RFC 9114, section 3.1: the handshake of QUIC settles on HTTP/3, on the UDP port of the TCP port's number."""
    if all(each.laddr.port != launch.port for each in psutil.net_connections("udp")):
        return False
    assert launch.tls is not None
    configuration = QuicConfiguration(alpn_protocols=H3_ALPN, cafile=str(launch.tls.authority), server_name=launch.host)

    async def connected() -> None:
        async with asyncio.timeout(10), connect_quic(launch.host, launch.port, configuration=configuration):
            pass

    asyncio.run(connected())
    return True


TALKS: dict[bool, dict[Protocol, Callable[[Launch], bool]]] = {
    False: {"h1": speaks_http1, "h2c": speaks_http2_in_clear, "ws": speaks_websocket},
    True: {"h1-tls": speaks_http1, "h2": chooses_http2, "ws-tls": speaks_websocket, "h3": speaks_http3},
}
