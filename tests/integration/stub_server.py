"""A server that behaves, or fails, as its first argument says: `stub_server.py BEHAVIOUR HOST PORT`.

`BEHAVIOURS` is the table of all there are.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import socketserver
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    body = b"hello"
    length = 5

    def do_GET(self) -> None:
        body = json.dumps({"pid": os.getpid()}).encode() if self.path == "/scope" else self.body
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) if self.path == "/scope" else self.length))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class WrongAnswer(Answer):
    body = b"HELLO"


class CutAnswer(Answer):
    length = 100


class GatewayAnswer(Answer):
    def do_GET(self) -> None:
        self.send_error(502)


class LaterAnswer(Answer):
    """Unavailable until it has been asked three times."""

    asked = 0

    def do_GET(self) -> None:
        LaterAnswer.asked += 1
        if LaterAnswer.asked > 3:
            super().do_GET()
        else:
            self.send_error(503)


class UnavailableAnswer(Answer):
    def do_GET(self) -> None:
        self.send_error(503)


class EndlessAnswer(Answer):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        while True:
            self.wfile.write(b"more")
            time.sleep(0.01)


class ClosedConnection(Answer):
    def do_GET(self) -> None:
        self.close_connection = True


class NoAnswer(Answer):
    def do_GET(self) -> None:
        signal.pause()


def die() -> None:
    print("starting", flush=True)
    sys.exit("no such database")


def ignore_sigterm() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def serve_in_a_child() -> None:
    """Return in a child; the parent only waits."""
    if os.fork():
        signal.pause()


def start_a_process_outside_the_session() -> None:
    """Start a process that leaves the session before anything is answered, and that ignores SIGTERM."""
    left, leaving = os.pipe()
    if os.fork() == 0:
        os.setsid()
        ignore_sigterm()
        os.write(leaving, b".")
        signal.pause()
    os.read(left, 1)


def serve_in_the_background() -> None:
    """Return in a child outside the session, as daemons of old did, when the parent has ended."""
    parent = os.getpid()
    if os.fork():
        sys.exit(0)
    os.setsid()
    while os.getppid() == parent:
        time.sleep(0.01)


def listen_elsewhere() -> None:
    with socket.create_server(("127.0.0.1", 0)):
        signal.pause()


def start_late() -> None:
    time.sleep(0.3)


def wait_by_epoll() -> None:
    """Event loops use epoll; `serve_forever` would use poll."""
    socketserver._ServerSelector = selectors.EpollSelector


def do_nothing() -> None:
    pass


class Behaviour(NamedTuple):
    """What the server does before it listens, and how it answers."""

    summary: str
    prepare: Callable[[], object] = do_nothing
    handler: type[BaseHTTPRequestHandler] = Answer


BEHAVIOURS = {
    "prompt": Behaviour("gives the right answer at once"),
    "late": Behaviour("listens after 0.3 s", start_late),
    "epoll": Behaviour("waits for connections with epoll, as event loops do", wait_by_epoll),
    "forks": Behaviour("answers from a child", serve_in_a_child),
    "stubborn": Behaviour("ignores SIGTERM", ignore_sigterm),
    "escapes": Behaviour("leaves a process outside its session", start_a_process_outside_the_session),
    "dies": Behaviour("writes a reason and ends before it listens", die),
    "daemon": Behaviour("answers from the background", serve_in_the_background),
    "elsewhere": Behaviour("listens on a port of its own", listen_elsewhere),
    "deaf": Behaviour("never listens", signal.pause),
    "hangs": Behaviour("never answers", handler=NoAnswer),
    "mute": Behaviour("closes the connection without an answer", handler=ClosedConnection),
    "wrong": Behaviour("answers with the wrong body", handler=WrongAnswer),
    "cut": Behaviour("closes the connection before the answer is complete", handler=CutAnswer),
    "gateway": Behaviour("answers as a proxy without its server", handler=GatewayAnswer),
    "later": Behaviour("is unavailable until it has been asked three times", handler=LaterAnswer),
    "unavailable": Behaviour("is unavailable", handler=UnavailableAnswer),
    "endless": Behaviour("sends an answer without an end", handler=EndlessAnswer),
}


class Stub(ThreadingHTTPServer):
    request_queue_size = 64


def main() -> None:
    name, host, port = sys.argv[1:]
    behaviour = BEHAVIOURS[name]
    behaviour.prepare()
    Stub((host, int(port)), behaviour.handler).serve_forever()


if __name__ == "__main__":
    main()
