"""HTTP/2 (RFC 9113): one user, one stream in flight, and as many users to a connection as the pool is asked for."""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING

from gevent import get_hub, getcurrent
from gevent.lock import BoundedSemaphore

from harness.load import http2_frames as frames
from harness.load.client import SerialClient
from harness.load.exchange import Answer, Failure, Request
from harness.load.http2_connection import Connection
from harness.load.http2_messages import NotProcessed, Stream
from harness.load.transport import Endpoint, Transport

if TYPE_CHECKING:
    from harness.load.account import Account

ALPN = ("h2",)
_SENT_AT_MOST = 3
"""How often to send a request of which the server says that it has not processed it."""


class Link:
    """An open connection: what arrives is taken in the hub and wakes the users whose answers are whole."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._connection = Connection("http" if endpoint.context is None else "https", endpoint.authority)
        self.streams = self._connection.streams
        self._output = self._connection.output
        self._waking = False
        self.transport = Transport(endpoint, self)
        self._flush()

    def send(self, stream: Stream) -> None:
        """Send a request: at once, or together with those of the other users who are being woken; raises `Failure`."""
        self.streams.send(stream)
        if not self._waking:
            self._flush()

    def cancel(self, stream: Stream) -> bool:
        """Forget a request for which nobody waits any more; whether it was still on its way."""
        cancelled = self.streams.cancel(stream)
        if not self._waking:
            self._flush()
        return cancelled

    def close(self) -> None:
        """Take leave of the server; only when no user waits."""
        if self.transport.alive:
            self.transport.write(frames.goaway("NO_ERROR"))
            self.transport.close()

    def received(self, data: bytes, at_ns: int) -> None:
        """Bytes from the server."""
        self._wake(self._connection.receive(data), at_ns)

    def lost(self, reason: str) -> None:
        """The connection ended."""
        self._wake(self._connection.lose(reason), perf_counter_ns())

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
        if not self.streams.usable and self._connection.finished:
            self.transport.close()


class Group:
    """The users who share a connection, which is opened again whenever the server closed it within its rights."""

    def __init__(self, endpoint: Endpoint, account: Account) -> None:
        self.link: Link | None = None
        self._endpoint = endpoint
        self._account = account
        self._users = 0
        self._opening = BoundedSemaphore(1)

    def join(self) -> None:
        """One user more; raises `Failure` when there is no connection to be had."""
        self.connect()
        self._users += 1

    def leave(self) -> None:
        """One user less; the last one closes the connection."""
        self._users -= 1
        if self._users == 0 and self.link is not None:
            self.link.close()
            self.link = None

    def connect(self) -> Link:
        """The connection, a new one unless there is one that takes further requests; raises `Failure`."""
        with self._opening:
            if self.link is None:
                self.link = self._open()
            elif not self.link.streams.usable:
                self.link = self._open()
                self._account.reopened += 1
            return self.link

    def _open(self) -> Link:
        link = Link(self._endpoint)
        self._account.opened += 1
        transport = link.transport
        if transport.tls is not None and transport.alpn not in ALPN:
            link.close()
            raise Failure("protocol", f"asked for HTTP/2, the server chose {transport.alpn or 'nothing'}")
        self._account.negotiated = transport.negotiated or "h2c"
        return link


class Http2Client(SerialClient[Request]):
    """One of the users of a group."""

    def __init__(self, group: Group, endpoint: Endpoint, account: Account) -> None:
        super().__init__(endpoint, account)
        self._group = group
        self._joined = False
        self._link: Link | None = None
        self._stream: Stream | None = None

    def open(self) -> None:
        """Connect, unless another user of the group has; raises `Failure`."""
        if not self._joined:
            self._group.join()
            self._joined = True

    def close(self) -> None:
        """Let go of the connection; the last user of the group closes it."""
        if self._joined:
            self._joined = False
            self._group.leave()

    def _roundtrip(self, sent: Request) -> Answer:
        times = 0
        while True:
            stream = self._attempt(sent)
            arrived = stream.arrived
            if isinstance(arrived, Answer):
                if arrived is not sent.learned_answer:
                    sent.verify(arrived)
                    sent.learned_answer = arrived
                return arrived
            times += 1
            if times == _SENT_AT_MOST or not isinstance(arrived, NotProcessed):
                raise arrived
            self._account.resent += stream.id > 0

    def _attempt(self, request: Request) -> Stream:
        """Send on a stream of its own, and wait for its end."""
        link = self._group.link
        if link is None or not link.streams.usable:
            link = self._group.connect()
        self._link = link
        self._stream = stream = Stream(request, getcurrent().switch)
        link.send(stream)
        try:
            self._arrived_ns = get_hub().switch()
        except BaseException:
            # Killed while waiting: what comes now belongs to nobody, and the other users shall not notice.
            link.cancel(stream)
            raise
        return stream

    def _wake(self, arrived: Answer | Failure) -> None:
        """End the stream in flight, if there is one, before the server does; only in the hub."""
        stream, link = self._stream, self._link
        if stream is not None and link is not None:
            wake = stream.wake
            if wake is not None and link.cancel(stream):
                stream.arrived = arrived
                wake(perf_counter_ns())


class Pool:
    """Hands users to connections in turn: the first `streams` users share the first connection, and so on."""

    def __init__(self, endpoint: Endpoint, account: Account, streams: int) -> None:
        self._endpoint = endpoint
        self._account = account
        self._streams = streams
        self._clients = 0
        self._group: Group

    def client(self) -> Http2Client:
        """One more user."""
        if self._clients % self._streams == 0:
            self._group = self._new_group()
        self._clients += 1
        return Http2Client(self._group, self._endpoint, self._account)

    def _new_group(self) -> Group:
        return Group(self._endpoint, self._account)
