"""HTTP/2 (RFC 9113): each user has one stream in flight; the pool says how many users share a connection."""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING

from gevent import get_hub, getcurrent
from gevent.lock import BoundedSemaphore

from harness.load import http2_frames as frames
from harness.load.client import SerialClient
from harness.load.exchange import Answer, Failure, Request
from harness.load.http2_connection import Connection
from harness.load.http2_messages import NotProcessed, Stream, WatchedStream
from harness.load.transport import Endpoint, Transport
from harness.load.watch import Watch

if TYPE_CHECKING:
    from ssl import SSLSession

    from harness.load.account import Account
    from harness.model.event_stream import Stream as Limit

ALPN = ("h2",)
_SENT_AT_MOST = 3
"""How often to send a request that the server says it has not processed (RFC 9113, 8.7)."""


class OpenConnection:
    """A connection on a socket: bytes are processed in the hub, which wakes the users whose answers are complete."""

    def __init__(self, endpoint: Endpoint, session: SSLSession | None = None) -> None:
        scheme = "http" if endpoint.context is None else "https"
        self._protocol = Connection(scheme, endpoint.base, endpoint.max_body_bytes)
        self.streams = self._protocol.streams
        self._output = self._protocol.output
        self._waking = False
        self.transport = Transport(endpoint, self, session)
        self._flush()

    @property
    def session(self) -> SSLSession | None:
        """The TLS session, which another connection can take up."""
        return self.transport.session

    def send(self, stream: Stream) -> None:
        """Send a request: at once, or in one write with those of other users who are being woken; raises `Failure`."""
        self.streams.send(stream)
        if not self._waking:
            self._flush()

    def cancel(self, stream: Stream) -> bool:
        """Cancel a request that nobody waits for any more; returns whether it was still in flight."""
        cancelled = self.streams.cancel(stream)
        if not self._waking:
            self._flush()
        return cancelled

    def close(self) -> None:
        """Send GOAWAY and close; only while no user waits."""
        if self.transport.alive:
            self.transport.write(frames.goaway("NO_ERROR"))
            self.transport.close()

    def retire(self) -> None:
        """Send no further requests, and close as soon as none is in flight."""
        self.streams.usable = False
        if not self.streams.open:
            self.close()

    def received(self, data: bytes, at_ns: int) -> None:
        """Bytes from the server."""
        self._wake(self._protocol.receive(data, at_ns), at_ns)

    def lost(self, reason: str) -> None:
        """The connection ended."""
        self._wake(self._protocol.lose(reason, self.transport.undelivered_bytes), perf_counter_ns())

    def _wake(self, ended: list[Stream], at_ns: int) -> None:
        self._waking = True
        try:
            for stream in ended:
                if stream.wake is not None:
                    stream.wake(at_ns)
        finally:
            self._waking = False
            self._flush()

    def _flush(self) -> None:
        if self._output:
            data = bytes(self._output)
            self._output.clear()
            self.transport.write(data)
        if not self.streams.usable and self._protocol.finished:
            self.transport.close()


class Group:
    """The users who share a connection, which is opened again if the server closed it between requests."""

    def __init__(self, endpoint: Endpoint, account: Account) -> None:
        self.connection: OpenConnection | None = None
        self._endpoint = endpoint
        self._account = account
        self._users = 0
        self._session: SSLSession | None = None
        self._left = False
        """Was the connection ended by a user?"""
        self._opening = BoundedSemaphore(1)

    def join(self) -> None:
        """Add a user; raises `Failure` if no connection can be opened."""
        self.connect()
        self._users += 1

    def leave(self) -> None:
        """Remove a user; the last one closes the connection."""
        self._users -= 1
        if self._users == 0 and self.connection is not None:
            self.connection.close()
            self.connection = None

    def connect(self) -> OpenConnection:
        """The current connection, or a new one if it accepts no more requests; raises `Failure`."""
        with self._opening:
            if self.connection is None:
                self.connection = self._open()
            elif not self.connection.streams.usable:
                self.connection = self._open()
                self._account.reopened += not self._left
                self._left = False
            return self.connection

    def disconnect(self, *, resume: bool) -> None:
        """End the connection when it has answered what its users have sent; the next request opens another one."""
        connection = self.connection
        if connection is not None and connection.streams.usable:
            self._session = connection.session if resume else None
            self._left = True
            connection.retire()

    def _open(self) -> OpenConnection:
        connection = OpenConnection(self._endpoint, self._session)
        self._account.opened += 1
        transport = connection.transport
        self._account.resumed += transport.was_resumed
        if transport.tls is not None and transport.alpn not in ALPN:
            connection.close()
            raise Failure("protocol", f"asked for HTTP/2, the server chose {transport.alpn or 'nothing'}")
        self._account.negotiated = transport.negotiated or "h2c"
        return connection


class Http2Client(SerialClient[Request]):
    """The client of one user of a group."""

    def __init__(self, group: Group, endpoint: Endpoint, account: Account) -> None:
        super().__init__(endpoint, account)
        self._group = group
        self._joined = False
        self._connection: OpenConnection | None = None
        self._stream: Stream | None = None

    def open(self) -> None:
        """Join the group, which connects unless another user has; raises `Failure`."""
        if not self._joined:
            self._group.join()
            self._joined = True

    @property
    def is_open(self) -> bool:
        connection = self._group.connection
        return connection is not None and connection.streams.usable

    @property
    def holder(self) -> object:
        return self._group

    def reopen(self) -> None:
        """Connect again, unless another user of the group has; raises `Failure`."""
        self._group.connect()

    def disconnect(self, *, resume: bool = False) -> None:
        """End the connection of the group; the next request of any of its users opens another one."""
        self._group.disconnect(resume=resume)

    def close(self) -> None:
        """Leave the group; its last user closes the connection."""
        if self._joined:
            self._joined = False
            self._group.leave()

    def _roundtrip(self, sent: Request) -> Answer:
        times = 0
        while True:
            stream = self._attempt(sent)
            arrived = stream.arrived
            if isinstance(arrived, Answer):
                self._first_byte_ns = stream.first_byte_ns
                if arrived is not sent.learned_answer:
                    self._verify(sent, arrived)
                    sent.learned_answer = arrived
                return arrived
            times += 1
            if times == _SENT_AT_MOST or not isinstance(arrived, NotProcessed):
                raise arrived
            self._account.resent += stream.id > 0

    def _attempt(self, request: Request) -> Stream:
        """Send on a new stream, and wait until it ends."""
        connection = self._group.connection
        if connection is None or not connection.streams.usable:
            connection = self._group.connect()
        self._connection = connection
        limit = request.stream
        self._stream = stream = (
            Stream(request, getcurrent().switch) if limit is None else self._watch(request, limit, connection)
        )
        connection.send(stream)
        try:
            self._arrived_ns = get_hub().switch()
        except BaseException:
            # The user was killed while it waited; the other users of the connection go on.
            connection.cancel(stream)
            raise
        return stream

    def _watch(self, request: Request, limit: Limit, connection: OpenConnection) -> WatchedStream:
        """A stream that is read as it comes, up to its limit, where it is cancelled (RFC 9113, 8.1)."""

        def stop() -> None:
            wake = stream.wake
            if wake is not None and connection.cancel(stream):  # else it has ended just before
                stream.arrived = stream.cut()
                wake(stream.watch.stopped_ns)

        stream = WatchedStream(request, Watch(limit, stop), getcurrent().switch)
        return stream

    def _verify(self, sent: Request, answer: Answer) -> None:
        super()._verify(sent, answer)
        if isinstance(self._stream, WatchedStream):
            self._keep_events(sent, self._stream.watch)

    def _came(self) -> str:
        stream = self._stream
        if stream is None or stream.head is None:
            return ""
        return f"status {stream.head.status} and {len(stream.parts or b'')} bytes of its body"

    def _wake(self, arrived: Answer | Failure) -> None:
        """End the stream in flight, if there is one; only in the hub."""
        stream, connection = self._stream, self._connection
        if stream is not None and connection is not None:
            wake = stream.wake
            if wake is not None and connection.cancel(stream):
                stream.arrived = arrived
                wake(perf_counter_ns())


class Pool:
    """Assigns users to connections: the first `streams` users share the first connection, and so on."""

    def __init__(self, endpoint: Endpoint, account: Account, streams: int) -> None:
        self._endpoint = endpoint
        self._account = account
        self._streams = streams
        self._clients = 0
        self._group: Group

    def client(self) -> Http2Client:
        """The client of one more user."""
        if self._clients % self._streams == 0:
            self._group = self._new_group()
        self._clients += 1
        return Http2Client(self._group, self._endpoint, self._account)

    def _new_group(self) -> Group:
        return Group(self._endpoint, self._account)
