"""The server that a check is tried on: how to reach it, and what the probe app in it saw."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import ssl
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.host import logs
from harness.host import process as life
from harness.model.protocols import TLS_PROTOCOLS, Protocol
from harness.model.targets import App, Launch, Server, Tls

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from harness.model.errors import ServerError

HOST = "127.0.0.1"
PATIENCE_S = 5.0
"""How long a server is waited for before a check takes it for silent, if not told otherwise."""
POLL_S = 0.005
_PROBE = "harness_probe"
_EXAMPLE_PORT = 8000


class Target:
    """One server over one protocol; many checks share it, one after the other."""

    def __init__(
        self, server: Server, protocol: Protocol, port: int, tls: Tls | None, folder: Path, bench: Bench
    ) -> None:
        self.server = server
        self.protocol = protocol
        self.host = HOST
        self.port = port
        self.patience_s = bench.patience_s
        self.tls = tls
        """None where the protocol is in clear."""
        self._folder = folder
        self._bench = bench
        self._sockets: list[socket.socket] = []

    @property
    def authority(self) -> str:
        """`host:port`, as a Host header has it."""
        return f"{self.host}:{self.port}"

    def connect(self, alpn: Sequence[str] = (), *, receive_buffer_bytes: int | None = None) -> socket.socket:
        """A connected socket, through TLS where the protocol has it, that waits `patience_s` at most.

        A small receive buffer, set before connecting, keeps the kernel from reading ahead for a client that does not.
        """
        plain = socket.socket()
        self._sockets.append(plain)
        plain.settimeout(self.patience_s)
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
        """Close every socket that was handed out; whoever still waits on one is woken."""
        while self._sockets:
            with suppress(OSError):
                self._sockets[-1].shutdown(socket.SHUT_RDWR)
            self._sockets.pop().close()

    def answers(self) -> bool:
        """Does the server still answer, within the patience for it? Every server does in HTTP/1.1, for its start."""
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
        """What the probe app has written down so far under this marker, oldest first: `{"event": …, …}`."""
        path = self._folder / "events.jsonl"
        if not path.exists():
            return []
        own = (
            json.dumps({"marker": marker}).removesuffix("}").encode() + b","
        )  # the file may have lines by the thousand
        lines = path.read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in lines if line.startswith(own)]

    def await_event(self, marker: str, event: str, within_s: float | None = None) -> dict[str, Any] | None:
        """The first such event, as soon as it is there; None when it does not come in time, or in `patience_s`."""
        deadline = time.monotonic() + (self.patience_s if within_s is None else within_s)
        while True:
            for found in self.events(marker):
                if found["event"] == event:
                    return found
            if time.monotonic() >= deadline:
                return None
            time.sleep(POLL_S)

    def open_gate(self, name: str) -> None:
        """Let the app go on that waits in `notes.gate(name)`."""
        (self._folder / "gates" / name).touch()

    def fresh(self, **environment: str) -> AbstractContextManager[OwnTarget]:
        """The same server started once more for one check alone, with these variables in its environment.

        Raises `ServerError` on entering when it does not start.
        """
        return self._bench.serving(self.server, self.protocol, **environment)


class OwnTarget(Target):
    """A server whose life belongs to the caller, who may end it."""

    def __init__(self, running: life.Running, *where: Any) -> None:
        super().__init__(*where)
        self._running = running

    def on(self, protocol: Protocol) -> Target:
        """The same running server over another protocol of the same transport."""
        return Target(self.server, protocol, self.port, self.tls, self._folder, self._bench)

    def terminate(self) -> None:
        """Send SIGTERM to the server's first process, as a supervisor would."""
        with suppress(ProcessLookupError):
            os.kill(self._running.pid, signal.SIGTERM)

    def stop(self) -> None:
        """End all of its processes, by force after the grace period."""
        self._running.stop()

    @property
    def ended(self) -> str | None:
        """How the first process ended, such as `exit status 0` or `SIGTERM`; None while it runs."""
        return self._running.ended

    def await_end(self, within_s: float | None = None) -> str | None:
        """The same, as soon as it has ended; None when it has not in time, or in `patience_s`."""
        deadline = time.monotonic() + (self.patience_s if within_s is None else within_s)
        while self.ended is None and time.monotonic() < deadline:
            time.sleep(POLL_S)
        return self.ended

    @property
    def log(self) -> str:
        """The last lines of what the server wrote."""
        return logs.tail(self._running.log)


@dataclass(frozen=True)
class Bench:
    """What servers with the probe app are started with."""

    python: str
    tls: Tls
    token: str
    cpus: frozenset[int]
    patience_s: float = PATIENCE_S

    @contextmanager
    def serving(self, server: Server, protocol: Protocol, **environment: str) -> Iterator[OwnTarget]:
        """A server on the probe app, stopped at the end of the block; raises `ServerError` when it does not start."""
        folder = Path(tempfile.mkdtemp(prefix="harness-"))
        try:
            app = _probe(folder, environment)
            tls = self.tls if protocol in TLS_PROTOCOLS else None
            target = server.target(app) or app.target
            launch = Launch(HOST, life.free_port(HOST), target, tls=tls, python=server.python or self.python)
            log = folder / "server.log"
            with life.start(server, app, launch, cpus=self.cpus, log=log, token=self.token) as running:
                own = OwnTarget(running, server, protocol, launch.port, tls, folder, self)
                try:
                    yield own
                finally:
                    own.disconnect()
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def without_path(error: ServerError) -> str:
    """What is wrong, without the path of a log that is gone by the time that somebody reads it."""
    return str(error).partition("; its log is")[0]


def command_lines(server: Server, protocols: Iterable[Protocol], python: str) -> list[str]:
    """What starts the server on the probe, in clear and over TLS as far as these protocols need it; paths by name."""
    lines = []
    for tls in (None, Tls(Path("chain.pem"), Path("key.pem"), Path("authority.pem"))):
        if any((protocol in TLS_PROTOCOLS) is bool(tls) for protocol in server.protocols.intersection(protocols)):
            app = App("probe", f"{_PROBE}.app:app", Path(), wsgi_target=f"{_PROBE}.wsgi:app")
            launch = Launch(
                HOST, _EXAMPLE_PORT, server.target(app) or app.target, tls=tls, python=server.python or python
            )
            lines.append(shlex.join(server.command(launch)))
    return lines


def _probe(folder: Path, environment: dict[str, str]) -> App:
    """The probe app in a folder of its own: a server's interpreter need not have this package, nor see its names."""
    (folder / "gates").mkdir()
    shutil.copytree(Path(__file__).parent / "probe", folder / _PROBE, ignore=shutil.ignore_patterns("__pycache__"))
    return App(
        "probe",
        f"{_PROBE}.app:app",
        folder,
        ready_path="/ready",
        ready_body=b"ready",
        environment={**environment, "PROBE_FOLDER": str(folder)},
        wsgi_target=f"{_PROBE}.wsgi:app",
    )
