"""A server that runs no app, as fast as Python allows; against it the generator reaches its ceiling.

It answers every request with prepared bytes, those of `GET /plaintext`, over HTTP/1.1 and HTTP/2, and echoes WebSocket
messages, all on one port; over TLS if it has a certificate. It trusts its client and checks nothing. On a connection
in clear text whose first request is for `/large`, the answer has no end.

Usage: null_server.py HOST PORT [CERTIFICATE KEY]
"""

from __future__ import annotations

import base64
import hashlib
import select
import signal
import socket
import ssl
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

BODY = b"Hello, World!"
RECEIVE_BYTES = 1 << 18

_HTTP1_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 13\r\n\r\n" + BODY
_HTTP1_END = b"\r\n\r\n"
LARGE_REQUEST = b"GET /large "
_LARGE_PIECE = b"HTTP/1.1 200 OK\r\n\r\n" + bytes(1 << 20)

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_FRAME_HEAD_BYTES = 9
_DATA, _HEADERS, _SETTINGS, _PING = 0, 1, 4, 6
_END_STREAM, _ACK, _END_HEADERS = 1, 1, 4
_SETTINGS_FRAME = b"\x00\x00\x06\x04\x00\x00\x00\x00\x00" + b"\x00\x03\x00\x00\x04\x00"  # 1,024 streams
_SETTINGS_ACK = b"\x00\x00\x00\x04\x01\x00\x00\x00\x00"
# RFC 7541: `:status: 200` from the static table; content-type (31) and content-length (28) as literals not indexed.
_BLOCK = b"\x88" + b"\x0f\x10\x0atext/plain" + b"\x0f\x0d\x0213"
_HEADERS_START = len(_BLOCK).to_bytes(3) + bytes([_HEADERS, _END_HEADERS])
_DATA_START = len(BODY).to_bytes(3) + bytes([_DATA, _END_STREAM])

_WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Connection:
    """One connection; `speak` answers received bytes in the protocol that the first bytes have shown."""

    def __init__(self, peer: socket.socket) -> None:
        self.peer = peer
        self.speak: Callable[[bytes], bytes] = self._choose_protocol
        self._held = b""
        self._last = b""
        self._last_answer = b""

    def serve(self) -> bool:
        """Answer the bytes that have arrived; False if the client has closed the connection."""
        try:
            while data := self.peer.recv(RECEIVE_BYTES):
                if answer := self.speak(data):
                    self.peer.sendall(answer)
                if not isinstance(self.peer, ssl.SSLSocket):
                    return True
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            pass
        return False

    def _choose_protocol(self, data: bytes) -> bytes:
        data = self._held + data
        if data.startswith(_PREFACE[: len(data)]):
            if len(data) < len(_PREFACE):
                self._held = data
                return b""
            self._held = b""
            self.speak = self._answer_http2
            return _SETTINGS_FRAME + self._answer_http2(data[len(_PREFACE) :])
        if b"upgrade: websocket" in data.lower():
            self.speak = self._echo_message
            return _answer_handshake(data)
        self._held = b""
        self.speak = self._send_large if data.startswith(LARGE_REQUEST) else self._answer_http1
        return self.speak(data)

    def _answer_http1(self, data: bytes) -> bytes:
        if self._held:
            data = self._held + data
        whole, end, self._held = data.rpartition(_HTTP1_END)
        return _HTTP1_ANSWER * (whole.count(_HTTP1_END) + 1) if end else b""

    def _send_large(self, _data: bytes) -> bytes:
        """Send a body without end until the client closes the connection, which is alone."""
        self.peer.setblocking(True)
        while True:
            self.peer.sendall(_LARGE_PIECE)

    def _answer_http2(self, data: bytes) -> bytes:
        if self._held:
            data = self._held + data
        answers: list[bytes] = []
        at = 0
        while len(data) >= at + _FRAME_HEAD_BYTES:
            end = at + _FRAME_HEAD_BYTES + int.from_bytes(data[at : at + 3])
            if end > len(data):
                break
            kind, flags = data[at + 3], data[at + 4]
            if kind == _HEADERS:
                stream = data[at + 5 : at + _FRAME_HEAD_BYTES]
                answers += (_HEADERS_START, stream, _BLOCK, _DATA_START, stream, BODY)
            elif kind == _SETTINGS and not flags & _ACK:
                answers.append(_SETTINGS_ACK)
            elif kind == _PING and not flags & _ACK:
                answers.append(data[at : at + 4] + bytes([_ACK]) + data[at + 5 : end])
            at = end
        self._held = data[at:]
        return b"".join(answers)

    def _echo_message(self, data: bytes) -> bytes:
        if data != self._last:
            self._last, self._last_answer = data, _unmask_frame(data)
        return self._last_answer


def _answer_handshake(request: bytes) -> bytes:
    """Answer the opening handshake (RFC 6455 §4.2.2)."""
    headers = dict(line.lower().partition(b": ")[::2] for line in request.split(b"\r\n")[1:])
    start = request.lower().index(b"sec-websocket-key: ") + len(b"sec-websocket-key: ")
    key = request[start : start + len(headers[b"sec-websocket-key"])]
    accept = base64.b64encode(hashlib.sha1(key + _WEBSOCKET_GUID).digest())  # noqa: S324 - RFC 6455 requires SHA-1
    lines = (b"HTTP/1.1 101 Switching Protocols", b"upgrade: websocket", b"connection: upgrade")
    return b"\r\n".join([*lines, b"sec-websocket-accept: " + accept, b"", b""])


def _unmask_frame(frame: bytes) -> bytes:
    """Return the frame without its mask (RFC 6455 §5.2); frames of the client are complete and below 126 bytes."""
    size = frame[1] & 0x7F
    mask, payload = frame[2:6], frame[6 : 6 + size]
    return bytes([frame[0], size]) + bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


def serve(host: str, port: int, context: ssl.SSLContext | None) -> None:
    """Serve until SIGTERM."""
    listener = socket.create_server((host, port), backlog=4096)
    listener.setblocking(False)
    poller = select.epoll()
    poller.register(listener, select.EPOLLIN)
    connections: dict[int, Connection] = {}
    while True:
        for number, _ in poller.poll():
            if number == listener.fileno():
                peer, _ = listener.accept()
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if context is not None:
                    peer = context.wrap_socket(peer, server_side=True, do_handshake_on_connect=False)
                peer.setblocking(False)
                connections[peer.fileno()] = Connection(peer)
                poller.register(peer, select.EPOLLIN)
            elif not connections[number].serve():
                connections.pop(number).peer.close()


def main() -> None:
    """Read the command line and serve."""
    host, port, *files = sys.argv[1:]
    context = None
    if files:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*files)
        context.set_alpn_protocols(["h2", "http/1.1"])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    serve(host, int(port), context)


if __name__ == "__main__":
    main()
