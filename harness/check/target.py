"""The server that a check runs on: how to connect to it, and what the probe app in it saw."""

from __future__ import annotations

import json
import secrets
import shlex
import shutil
import signal
import socket
import ssl
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from harness.host import guard, logs, process
from harness.host.supervised import Supervised
from harness.model.protocols import TLS_PROTOCOLS, Protocol
from harness.model.targets import App, Launch, Server, Tls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from harness.model.errors import ServerError

T = TypeVar("T")

HOST = "127.0.0.1"
TIMEOUT_S = 5.0
"""A server that has not answered by then counts as silent, unless a check says otherwise."""
POLL_S = 0.005
LOG_LINES = 60
SENT_POLL_S = 0.05
"""Used where the app notes so much that reading its notes more often would slow the server down."""
_PROBE = "harness_probe"
_EXAMPLE_PORT = 8000


def new_marker() -> str:
    """A unique name for one request; the probe app notes what it sees under this name."""
    return secrets.token_hex(4)


def wait_for(condition: Callable[[], T], within_s: float) -> T:
    """The value of the condition as soon as it is true, or its last value when the time is up."""
    deadline = time.monotonic() + within_s
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return found


class Target:
    """One server over one protocol; checks share it, one after the other."""

    def __init__(
        self, server: Server, protocol: Protocol, port: int, tls: Tls | None, folder: Path, launcher: Launcher
    ) -> None:
        self.server = server
        self.protocol = protocol
        self.host = HOST
        self.port = port
        self.timeout_s = launcher.timeout_s
        self.tls = tls
        """None if the protocol does not use TLS."""
        self._folder = folder
        self._launcher = launcher
        self._sockets: list[socket.socket] = []

    @property
    def authority(self) -> str:
        """`host:port`, as in a Host header."""
        return f"{self.host}:{self.port}"

    def connect(self, alpn: Sequence[str] = (), *, receive_buffer_bytes: int | None = None) -> socket.socket:
        """A connected socket, through TLS if the protocol uses it, with `timeout_s` as its timeout.

        A small receive buffer keeps the kernel from reading ahead for a client that does not read; it only has this
        effect if it is set before connecting.
        """
        plain = socket.socket()
        self._sockets.append(plain)
        plain.settimeout(self.timeout_s)
        if receive_buffer_bytes is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        plain.connect((self.host, self.port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls is None:
            return plain
        context = ssl.create_default_context(cafile=str(self.tls.authority))
        if alpn:
            context.set_alpn_protocols(list(alpn))
        secured = context.wrap_socket(plain, server_hostname=self.host)
        self._sockets.append(secured)
        return secured

    def disconnect(self) -> None:
        """Close every socket that `connect` returned; threads that still wait on one are woken."""
        while self._sockets:
            with suppress(OSError):
                self._sockets[-1].shutdown(socket.SHUT_RDWR)
            self._sockets.pop().close()

    def answers(self) -> bool:
        """Does the server answer `GET /ready` in time? All servers answer HTTP/1.1: their start is detected by it."""
        received = bytearray()
        try:
            connection = self.connect()
            connection.sendall(f"GET /ready HTTP/1.1\r\nHost: {self.authority}\r\nConnection: close\r\n\r\n".encode())
            while b"ready" not in received and (data := connection.recv(4096)):
                received += data
        except OSError:
            return False
        finally:
            self.disconnect()
        return b"ready" in received

    def events(self, marker: str) -> list[dict[str, Any]]:
        """What the probe app has noted under this marker so far, oldest first: `{"event": …, …}`."""
        path = self._folder / "events.jsonl"
        if not path.exists():
            return []
        # The file may have thousands of lines: only those of this marker are decoded.
        beginning = json.dumps({"marker": marker}).removesuffix("}").encode() + b","
        lines = path.read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in lines if line.startswith(beginning)]

    def await_event(self, marker: str, event: str, within_s: float | None = None) -> dict[str, Any] | None:
        """The first such event as soon as it is noted; None if it is not within this time, or `timeout_s`."""

        def first() -> dict[str, Any] | None:
            return next((found for found in self.events(marker) if found["event"] == event), None)

        return wait_for(first, self.timeout_s if within_s is None else within_s)

    def sent_bytes(self, marker: str) -> int:
        """How many bytes the app has sent: `send()` has returned for them."""
        return max((event["bytes"] for event in self.events(marker) if event["event"] == "sent"), default=0)

    def await_sent(self, marker: str, most: int, silence_s: float) -> int:
        """How many bytes the app has sent once it has sent `most`, or no more for `silence_s`."""
        sent, since = 0, time.monotonic()
        while sent < most and time.monotonic() - since < silence_s:
            if (found := self.sent_bytes(marker)) > sent:
                sent, since = found, time.monotonic()
            time.sleep(SENT_POLL_S)
        return sent

    def open_gate(self, name: str) -> None:
        """Let an app go on that waits in `notes.gate(name)`."""
        (self._folder / "gates" / name).touch()

    def fresh(self, workers: int = 1, **environment: str) -> AbstractContextManager[StartedServer]:
        """Start the same server once more, for one check alone, with these environment variables.

        Raises `ServerError` on entering if the server does not start.
        """
        return self._launcher.serving(self.server, self.protocol, workers, **environment)

    def start_to_end(self, within_s: float, workers: int = 1, **environment: str) -> tuple[str | None, str]:
        """Start the same server once more, to fail: how it ended within this time, or None, and its log."""
        with guard.temporary_folder() as folder:
            app, launch = self._launcher.prepare(self.server, self.protocol, folder, workers, environment)
            return self._launcher.await_end(self.server, app, launch, folder, within_s)


class StartedServer(Target):
    """A target whose processes the caller may signal and watch."""

    def __init__(self, supervised: Supervised, app: App, *where: Any) -> None:
        super().__init__(*where)
        self.supervised = supervised
        self._app = app

    def on(self, protocol: Protocol) -> Target:
        """The same running server over another protocol of the same transport."""
        return Target(self.server, protocol, self.port, self.tls, self._folder, self._launcher)

    def terminate(self, by: signal.Signals = signal.SIGTERM) -> None:
        """Send SIGTERM, or another signal, to the server's first process, as a supervisor would."""
        self.supervised.signal(by)

    @property
    def ended(self) -> str | None:
        """How the first process ended, such as `exit status 0` or `SIGTERM`; None while it runs."""
        return self.supervised.ended

    def await_end(self, within_s: float | None = None) -> str | None:
        """`ended` as soon as the process has ended; None if it has not within this time, or `timeout_s`."""
        return wait_for(lambda: self.ended, self.timeout_s if within_s is None else within_s)

    @property
    def log(self) -> str:
        """The last lines of what the server wrote, enough for a traceback."""
        return logs.tail(self.supervised.running.log, LOG_LINES)

    def start_beside(self, within_s: float) -> tuple[str | None, str]:
        """Start the same server once more on the same port: how it ended within this time, or None, and its log."""
        return self._launcher.await_end(self.server, self._app, self.supervised.launch, self._folder, within_s)


@dataclass(frozen=True)
class Launcher:
    """Starts servers with the probe app."""

    python: str
    tls: Tls
    token: str
    """Marks the processes, so that none is left behind."""
    cpus: frozenset[int]
    timeout_s: float = TIMEOUT_S

    @contextmanager
    def serving(
        self, server: Server, protocol: Protocol, workers: int = 1, **environment: str
    ) -> Iterator[StartedServer]:
        """A running server, stopped at the end of the block; raises `ServerError` if it does not start."""
        with guard.temporary_folder() as folder:
            app, launch = self.prepare(server, protocol, folder, workers, environment)
            log = folder / "server.log"
            with process.start(server, app, launch, cpus=self.cpus, log=log, token=self.token) as running:
                supervised = Supervised(running, app, launch)
                started = StartedServer(supervised, app, server, protocol, launch.port, launch.tls, folder, self)
                try:
                    yield started
                finally:
                    started.disconnect()

    def prepare(
        self, server: Server, protocol: Protocol, folder: Path, workers: int, environment: dict[str, str]
    ) -> tuple[App, Launch]:
        """The probe app, copied into the folder, and what the server is started with."""
        app = _probe(folder, environment, counts_workers=workers > 1)
        tls = self.tls if protocol in TLS_PROTOCOLS else None
        return app, process.make_launch(server, server.target(app) or app.target, workers, tls, self.python)

    def await_end(
        self, server: Server, app: App, launch: Launch, folder: Path, within_s: float
    ) -> tuple[str | None, str]:
        """Start a server that should end by itself: how it ended within this time, or None, and its log."""
        log, token = folder / "ends.log", f"{self.token}/ends-{launch.port}"
        spawned = process.spawn(server, app, launch, cpus=self.cpus, log=log, token=token)
        try:
            return wait_for(spawned.ended, within_s), logs.tail(log, LOG_LINES)
        finally:
            spawned.end(grace_s=0)


def without_path(error: ServerError) -> str:
    """The message without the path of the log, which is deleted before anybody reads the message."""
    return str(error).partition("; its log is")[0]


def command_lines(server: Server, protocols: Iterable[Protocol], python: str) -> list[str]:
    """The commands that start the server on the probe, without and with TLS as these protocols need it."""
    lines = []
    for tls in (None, Tls(Path("chain.pem"), Path("key.pem"), Path("authority.pem"))):
        if any((protocol in TLS_PROTOCOLS) is bool(tls) for protocol in server.protocols.intersection(protocols)):
            app = App("probe", f"{_PROBE}.app:app", Path(), wsgi_target=f"{_PROBE}.wsgi:app")
            launch = Launch(
                HOST, _EXAMPLE_PORT, server.target(app) or app.target, tls=tls, python=server.python or python
            )
            lines.append(shlex.join(server.command(launch)))
    return lines


def _probe(folder: Path, environment: dict[str, str], *, counts_workers: bool) -> App:
    """Copy the probe app into a folder, because a server's interpreter may not have this package."""
    (folder / "gates").mkdir()
    shutil.copytree(Path(__file__).parent / "probe", folder / _PROBE, ignore=shutil.ignore_patterns("__pycache__"))
    return App(
        "probe",
        f"{_PROBE}.app:app",
        folder,
        ready_path="/ready",
        ready_body=b"ready",
        counts_workers=counts_workers,
        environment={**environment, "PROBE_FOLDER": str(folder)},
        wsgi_target=f"{_PROBE}.wsgi:app",
    )
