"""One connection whose bytes are read in gevent's hub: a non-blocking socket, with or without TLS.

If each greenlet read its own answer, every read would need an extra switch. Instead the hub's read watcher receives and
passes the bytes to the protocol, which wakes a greenlet only when its answer is complete.
"""

from __future__ import annotations

import fcntl
import functools
import ssl
import struct
import termios
from contextlib import suppress
from dataclasses import dataclass, replace
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any
from typing import Protocol as Interface
from urllib.parse import urlsplit

import gevent
import gevent.monkey
import gevent.socket

from harness.load.exchange import Failure
from harness.model.blocks import MAX_BODY_BYTES

if TYPE_CHECKING:
    from pathlib import Path

CONNECT_TIMEOUT_S = 10.0
RECEIVE_BYTES = 64 * 1024

_Socket = gevent.monkey.get_original("socket", "socket")


@dataclass(frozen=True)
class Endpoint:
    """Where to connect, the TLS context to use (None: clear text), and the longest body to accept."""

    host: str
    port: int
    context: ssl.SSLContext | None = None
    max_body_bytes: int = MAX_BODY_BYTES
    prefix: str = ""
    """The path that all requests are sent under, without a slash at its end."""

    @classmethod
    def of(
        cls,
        url: str,
        authority: Path | None = None,
        alpn: tuple[str, ...] = (),
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> Endpoint:
        """Parse `http://host:port/prefix` or `https://…`; raises `ValueError` for another URL.

        `authority` is the PEM file of the certificate authority to trust.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or parts.hostname is None:
            raise ValueError(f"expected a host like http://127.0.0.1:8000, found {url!r}")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        endpoint = cls(parts.hostname, port, None, max_body_bytes, parts.path.rstrip("/"))
        if parts.scheme == "http":
            return endpoint
        context = ssl.create_default_context(cafile=str(authority) if authority else None)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return replace(endpoint, context=context)

    @property
    def authority(self) -> str:
        """The value of the Host header and of `:authority`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def base(self) -> str:
        """What requests are encoded for: the authority, and the path that they are sent under."""
        return self.authority + self.prefix


class Receiver(Interface):
    """A protocol that processes what arrives; called in the hub, so it must never wait."""

    def received(self, data: bytes, at_ns: int) -> None:
        """Decrypted bytes, and when they were read (ns)."""

    def lost(self, reason: str) -> None:
        """The server or an error ended the connection; called once, and not after `close`."""


@functools.cache
def _addresses(host: str, port: int) -> list[Any]:
    """Cached, because a lookup uses a thread, which would delay the first request of each connection."""
    found: list[Any] = gevent.socket.getaddrinfo(host, port, type=gevent.socket.SOCK_STREAM)
    return found


def _connect(host: str, port: int) -> gevent.socket.socket:
    """Connect to the first address that accepts; raises `OSError`."""
    refused = OSError("no address")
    for family, kind, protocol, _, address in _addresses(host, port):
        connecting = gevent.socket.socket(family, kind, protocol)
        connecting.settimeout(CONNECT_TIMEOUT_S)
        try:
            connecting.connect(address)
        except OSError as error:
            connecting.close()
            refused = error
        else:
            return connecting
    raise refused


class Transport:
    """An open connection; raises `Failure` of kind `connect` if it cannot be opened."""

    def __init__(self, endpoint: Endpoint, receiver: Receiver, session: ssl.SSLSession | None = None) -> None:
        self.alive = True
        self.finished = False
        """Did the server end its side in an orderly way? With TLS this requires close_notify (RFC 9112, 9.8)."""
        self.was_reset = False
        """Did the connection end with a reset? Whoever closes it with bytes that were not read sends that."""
        self.undelivered_bytes = 0
        """How many of the last bytes that were written certainly met a connection that the server had closed before.

        The end that the server sent did not acknowledge them: it was on its way, or here and not read yet, when they
        were written. A reset counts none, because it is what a server sends that dies with a request in its buffer.
        """
        self.tls: str | None = None
        self.alpn: str | None = None
        self._receiver = receiver
        self._unsent = bytearray()
        self._send_error = ""
        self._tls: ssl.SSLObject | None = None
        try:
            cooperative = _connect(endpoint.host, endpoint.port)
        except OSError as error:
            raise Failure("connect", str(error)) from error
        try:
            cooperative.setsockopt(gevent.socket.IPPROTO_TCP, gevent.socket.TCP_NODELAY, 1)
            if endpoint.context is not None:
                self._handshake(cooperative, endpoint.context, endpoint.host, session)
        except BaseException as error:
            cooperative.close()
            if isinstance(error, OSError):
                raise Failure("connect", f"TLS handshake: {error}") from error
            raise
        self._socket = _Socket(fileno=cooperative.detach())
        self._socket.setblocking(False)
        self._recv = self._socket.recv
        self._send = self._socket.send
        loop = gevent.get_hub().loop
        self._reader = loop.io(self._socket.fileno(), 1)
        self._writer = loop.io(self._socket.fileno(), 2)
        self._reader.start(self._readable if self._tls is None else self._readable_tls)
        if self._tls is not None and self._incoming.pending:
            loop.run_callback(self._decrypt, perf_counter_ns())

    @property
    def negotiated(self) -> str:
        """The TLS version and the ALPN protocol, if any: `TLSv1.3 h2`."""
        return " ".join(part for part in (self.tls, self.alpn) if part)

    @property
    def session(self) -> ssl.SSLSession | None:
        """The TLS session, with the last ticket that the server has sent; another connection can take it up."""
        return None if self._tls is None else self._tls.session

    @property
    def was_resumed(self) -> bool:
        """Did it take up the session of another connection, without a full handshake?"""
        return self._tls is not None and bool(self._tls.session_reused)

    @property
    def unsent_bytes(self) -> int:
        """How many bytes wait for room in the socket buffer."""
        return len(self._unsent)

    def write(self, data: bytes) -> None:
        """Send, and keep the rest until the socket buffer has room for it; never raises.

        The reader reports a broken connection, because it may still hold an answer. Not allowed after `close`.
        """
        try:
            if self._tls is not None:
                if data:
                    self._tls.write(data)
                data = self._outgoing.read()
            if self._unsent:
                self._unsent += data
                return
            sent = self._send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._send_error = str(error)
            self.undelivered_bytes += len(data)
            return
        if sent < len(data):
            self._unsent += data[sent:]
            self._writer.start(self._writable)

    def count_undelivered(self) -> None:
        """Set `undelivered_bytes`, when the server's orderly end of the connection has been read."""
        # After a reset the kernel's count says nothing, because a reset acknowledges nothing.
        if not self._send_error:
            with suppress(OSError):
                (queued,) = struct.unpack("i", fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, bytes(4)))
                self.undelivered_bytes = queued + len(self._unsent)

    def close(self) -> None:
        """Close the connection; the receiver is not called again."""
        if self.alive:
            self.alive = False
            for watcher in (self._reader, self._writer):
                watcher.stop()
                watcher.close()
            self._socket.close()

    def _handshake(
        self, cooperative: gevent.socket.socket, context: ssl.SSLContext, host: str, session: ssl.SSLSession | None
    ) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host, session=session)
        with gevent.Timeout(CONNECT_TIMEOUT_S, TimeoutError("timed out")):
            while True:
                try:
                    self._tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    pass
                finally:
                    # After a failure this sends the alert.
                    cooperative.sendall(self._outgoing.read())
                data = cooperative.recv(RECEIVE_BYTES)
                if not data:
                    raise ConnectionResetError("closed by the server")
                self._incoming.write(data)
        self.tls, self.alpn = self._tls.version(), self._tls.selected_alpn_protocol()

    def _readable(self) -> None:
        try:
            data = self._recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self.was_reset = isinstance(error, ConnectionResetError)
            self._end(str(error))
            return
        if data:
            self._receiver.received(data, perf_counter_ns())
        else:
            # A failed send has already consumed the socket error, so the read reports an orderly end.
            self.finished = not self._send_error
            self.count_undelivered()
            self._end(self._send_error or "closed by the server")

    def _readable_tls(self) -> None:
        try:
            data = self._recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self.was_reset = isinstance(error, ConnectionResetError)
            self._end(str(error))
            return
        if data:
            at_ns = perf_counter_ns()
            self._incoming.write(data)
            self._decrypt(at_ns)
        else:
            self.count_undelivered()
            self._end(self._send_error or "closed by the server without close_notify")

    def _decrypt(self, at_ns: int) -> None:
        if not self.alive:
            return
        assert self._tls is not None
        ended = ""
        parts = []
        try:
            while part := self._tls.read(RECEIVE_BYTES):
                parts.append(part)
            ended = "closed by the server"
            self.finished = True
            self.count_undelivered()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            ended = f"TLS: {error}"
        if self._outgoing.pending:
            self.write(b"")  # an alert or a key update
        if parts:
            self._receiver.received(b"".join(parts), at_ns)
        if ended:
            self._end(ended)

    def _writable(self) -> None:
        try:
            sent = self._send(self._unsent)
        except BlockingIOError:
            return
        except OSError as error:
            self._send_error = str(error)
            sent = len(self._unsent)
        del self._unsent[:sent]
        if not self._unsent:
            self._writer.stop()

    def _end(self, reason: str) -> None:
        if self.alive:
            self.close()
            self._receiver.lost(reason)
