"""HTTP/3 (RFC 9114): users, streams and connections as over HTTP/2, on a UDP socket that gevent's hub reads.

Needs aioquic, an optional dependency, so this module is imported only if a trial uses HTTP/3.
"""

from __future__ import annotations

import functools
import math
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, cast

import gevent.event
import gevent.monkey
import gevent.socket
from aioquic.quic.configuration import QuicConfiguration
from gevent import get_hub

from harness.load import http2
from harness.load.exchange import Failure
from harness.load.http2 import Http2Client as Http3Client
from harness.load.http2_connection import WINDOW_BYTES
from harness.load.http3_connection import ALPN, Connection
from harness.load.transport import CONNECT_TIMEOUT_S

if TYPE_CHECKING:
    from pathlib import Path

    from harness.load.account import Account
    from harness.load.http2_messages import Stream
    from harness.load.transport import Endpoint

__all__ = ["ALPN", "Http3Client", "OpenConnection", "Pool", "configuration"]

_DATAGRAM_BYTES = 64 * 1024
"""The size of the largest datagram."""
_READ_AT_ONCE = 64
"""Datagrams to receive before acting on them; the other connections wait meanwhile."""

_Socket = gevent.monkey.get_original("socket", "socket")


def configuration(host: str, authority: Path | None) -> QuicConfiguration:
    """The QUIC configuration for a host; `authority` is the PEM file of the certificate authority to trust."""
    found = QuicConfiguration(
        alpn_protocols=list(ALPN), server_name=host, max_data=WINDOW_BYTES, max_stream_data=WINDOW_BYTES
    )
    if authority is not None:
        found.load_verify_locations(cafile=str(authority))
    return found


@functools.cache
def _addresses(host: str, port: int) -> list[Any]:
    """Cached, because a lookup uses a thread, which would delay the first request of each connection."""
    found: list[Any] = gevent.socket.getaddrinfo(host, port, type=gevent.socket.SOCK_DGRAM)
    return found


class OpenConnection:
    """A connection on a socket: datagrams are processed in the hub, which wakes the users whose answers are complete.

    Raises `Failure` of kind `connect` if it cannot be opened.
    """

    def __init__(self, endpoint: Endpoint, quic: QuicConfiguration, family: int, address: Any) -> None:
        self.streams = Connection(quic, endpoint.base, address, perf_counter_ns() / 1e9, endpoint.max_body_bytes)
        self._waking = False
        self._alive = True
        self._settled = gevent.event.Event()
        self._loop = get_hub().loop
        self._socket = _Socket(family, gevent.socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._reader = self._loop.io(self._socket.fileno(), 1)
        self._timer: Any = None
        self._timer_s = 0.0
        try:
            self._socket.connect(address)
            self._reader.start(self._readable)
            self._handshake()
        except BaseException as error:
            self._release()
            if isinstance(error, OSError):
                raise Failure("connect", str(error)) from error
            raise

    def send(self, stream: Stream) -> None:
        """Send a request: at once, or in one flush with those of other users who are being woken; raises `Failure`."""
        self.streams.send(stream)
        if not self._waking:
            self._flush()

    def cancel(self, stream: Stream) -> bool:
        """Cancel a request that nobody waits for any more; returns whether it was still in flight."""
        cancelled = self.streams.cancel(stream)
        if not self._waking:
            self._flush()
        return cancelled

    @property
    def session(self) -> None:
        """None, as sessions are not taken up over QUIC."""
        return

    def retire(self) -> None:
        """Send no further requests, and close as soon as none is in flight."""
        self.streams.usable = False
        self._flush()

    def close(self) -> None:
        """Send CONNECTION_CLOSE and close; only while no user waits."""
        if self._alive:
            self.streams.close()
            self._write(perf_counter_ns() / 1e9)
            self._release()

    def _handshake(self) -> None:
        self._flush()
        if not self._settled.wait(CONNECT_TIMEOUT_S):
            raise Failure("connect", "QUIC handshake: timed out")
        if self.streams.closed is not None:
            raise Failure("connect", f"QUIC handshake: {self.streams.closed}")

    def _readable(self) -> None:
        streams, receive = self.streams, self._socket.recv
        at_ns = perf_counter_ns()
        try:
            for _ in range(_READ_AT_ONCE):
                data = receive(_DATAGRAM_BYTES)
                at_ns = perf_counter_ns()
                streams.receive(data, at_ns / 1e9)
        except BlockingIOError:
            pass
        except OSError as error:
            streams.lose(str(error))
        self._act(at_ns)

    def _due(self) -> None:
        """The timer fired; its deadline may have been postponed since it was set."""
        # The loop caches its time, so the timer may fire early, and aioquic would then do nothing.
        at_ns = max(perf_counter_ns(), math.ceil(self._timer_s * 1e9))
        self._drop_timer()
        timer_s = self.streams.timer_s
        if timer_s is not None and timer_s <= at_ns / 1e9:
            self.streams.expire(at_ns / 1e9)
            self._act(at_ns)
        else:
            self._set_timer(at_ns / 1e9)

    def _act(self, at_ns: int) -> None:
        """Wake the users whose requests have ended, then send all pending datagrams; only in the hub."""
        self._waking = True
        try:
            for stream in self.streams.take_ended():
                if stream.wake is not None:
                    stream.wake(at_ns)
        finally:
            self._waking = False
        if not self._settled.is_set() and (self.streams.agreed is not None or self.streams.closed is not None):
            self._settled.set()
        self._flush(at_ns)

    def _flush(self, not_before_ns: int = 0) -> None:
        if not self._alive:
            return
        now_s = max(perf_counter_ns(), not_before_ns) / 1e9
        self._write(now_s)
        if self.streams.closed is not None:
            self._release()
            # Waking a user switches to it, and only the hub is switched back to.
            self._loop.run_callback(self._act, perf_counter_ns())
        elif self.streams.finished:
            self.close()
        else:
            self._set_timer(now_s)

    def _write(self, now_s: float) -> None:
        send = self._socket.send
        try:
            for datagram in self.streams.datagrams(now_s):
                send(datagram)
        except BlockingIOError:
            pass  # the socket buffer is full: the datagram is lost, and QUIC sends its content again
        except OSError as error:
            self.streams.lose(str(error))

    def _set_timer(self, now_s: float) -> None:
        """Set the timer, unless it fires earlier anyway.

        Every packet postpones the deadline, and one early call is cheaper than setting the timer each time.
        """
        timer_s = self.streams.timer_s
        if timer_s is None or (self._timer is not None and self._timer_s <= timer_s):
            return
        self._drop_timer()
        self._timer_s = timer_s
        self._timer = self._loop.timer(max(0.0, timer_s - now_s))
        self._timer.start(self._due, update=True)

    def _drop_timer(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None

    def _release(self) -> None:
        if self._alive:
            self._alive = False
            self._drop_timer()
            self._reader.stop()
            self._reader.close()
            self._socket.close()


class Group(http2.Group):
    """The users who share a connection."""

    def __init__(self, endpoint: Endpoint, account: Account, quic: QuicConfiguration) -> None:
        super().__init__(endpoint, account)
        self._quic = quic

    def _open(self) -> http2.OpenConnection:
        connection = self._connect()
        self._account.opened += 1
        if connection.streams.agreed not in ALPN:
            connection.close()
            raise Failure("protocol", f"asked for HTTP/3, the server chose {connection.streams.agreed or 'nothing'}")
        # QUIC always uses TLS 1.3 (RFC 9001, 4.2).
        self._account.negotiated = f"TLSv1.3 {connection.streams.agreed}"
        return cast("http2.OpenConnection", connection)

    def _connect(self) -> OpenConnection:
        """Connect to the first address that accepts; raises `Failure`."""
        endpoint = self._endpoint
        refused = Failure("connect", "no address")
        try:
            addresses = _addresses(endpoint.host, endpoint.port)
        except OSError as error:
            raise Failure("connect", str(error)) from error
        for family, _, _, _, address in addresses:
            try:
                return OpenConnection(endpoint, self._quic, family, address)
            except Failure as failure:
                refused = failure
        raise refused


class Pool(http2.Pool):
    """Assigns users to connections, as over HTTP/2."""

    def __init__(self, endpoint: Endpoint, account: Account, streams: int, authority: Path | None) -> None:
        super().__init__(endpoint, account, streams)
        self._quic = configuration(endpoint.host, authority)

    def _new_group(self) -> Group:
        return Group(self._endpoint, self._account, self._quic)
