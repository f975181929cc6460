"""A server that runs scripts: one function for each connection, in the order in which they are accepted.

It runs in separate threads with blocking sockets, so that it is independent of gevent.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress

import h11
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, Event, Request, TextMessage

HOST = "127.0.0.1"
TIMEOUT_S = 10.0
"""A script that waits longer than this for its client fails."""


class Connection:
    """The server's end of one connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.websocket = WSConnection(ConnectionType.SERVER)
        self._events: list[Event] = []

    def request(self) -> tuple[h11.Request, bytes]:
        """Read one whole request: its head and its body."""
        http, head, body = h11.Connection(h11.SERVER), None, bytearray()
        while not isinstance(event := http.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                http.receive_data(self.socket.recv(65_536))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                raise ConnectionError(f"expected a request, found {event!r}")
        assert head is not None
        return head, bytes(body)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self, *answers: bytes) -> None:
        """Read a request for each of these answers, and send it."""
        for answer in answers:
            self.request()
            self.send(answer)

    def event(self) -> Event:
        """The next event from the client's WebSocket."""
        while not self._events:
            if not (data := self.socket.recv(65_536)):
                raise ConnectionError("expected a WebSocket event, found the end of the connection")
            self.websocket.receive_data(data)
            self._events += self.websocket.events()
        return self._events.pop(0)

    def say(self, *events: Event) -> None:
        """Send these WebSocket events in one write."""
        self.send(b"".join(map(self.websocket.send, events)))

    def handshake(self, *then: Event, subprotocol: str | None = None) -> Request:
        """Accept the client's WebSocket handshake, and send these events with it; returns what the client sent."""
        request = self.event()
        assert isinstance(request, Request)
        self.say(AcceptConnection(subprotocol=subprotocol), *then)
        return request

    def message(self) -> bytes:
        """The next complete message from the client."""
        body = bytearray()  # bytes would be copied for each piece
        while True:
            event = self.event()
            assert isinstance(event, TextMessage | BytesMessage), event
            body += event.data.encode() if isinstance(event.data, str) else event.data
            if event.message_finished:
                return bytes(body)

    def rest(self) -> bytes:
        """Everything the client still sends until it ends the connection, orderly or not."""
        received = bytearray()
        with suppress(ConnectionError, ssl.SSLError):
            while data := self.socket.recv(65_536):
                received += data
        return bytes(received)

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def end_tls(self) -> None:
        """End TLS with a close_notify."""
        assert isinstance(self.socket, ssl.SSLSocket)
        with suppress(OSError):  # the client does not send a close_notify
            self.socket.unwrap()


Script = Callable[[Connection], object]


@contextmanager
def scripted(
    *scripts: Script, context: ssl.SSLContext | None = None, receive_bytes: int | None = None
) -> Iterator[str]:
    """Serve as many connections as there are scripts, and refuse others; yield the address, `127.0.0.1:4711`.

    A connection is closed when its script returns. At the end all scripts must have run without an error.
    """
    used = []
    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(len(scripts) + 1))
        listener = stack.enter_context(socket.create_server((HOST, 0)))
        if receive_bytes is not None:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        listener.settimeout(TIMEOUT_S)

        def accept() -> None:
            with listener:
                for script in scripts:
                    connection = listener.accept()[0]
                    used.append(threads.submit(_follow, script, connection, context))

        accepting = threads.submit(accept)
        yield "{}:{}".format(*listener.getsockname())
        accepting.result()
        for one in used:
            one.result()


def _follow(script: Script, connection: socket.socket, context: ssl.SSLContext | None) -> None:
    connection.settimeout(TIMEOUT_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection:
        if context is None:
            script(Connection(connection))
        else:
            with context.wrap_socket(connection, server_side=True) as encrypted:
                script(Connection(encrypted))
