"""A server with the manners it is told to have: `stub_server.py MANNERS HOST PORT`."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socketserver
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


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


def work_in_a_child() -> None:
    """Answer from a child; the parent only waits."""
    if os.fork():
        signal.pause()


def leave_one_behind() -> None:
    """Start a process that leaves the session before anything is answered, and that ignores SIGTERM."""
    left, leaving = os.pipe()
    if os.fork() == 0:
        os.setsid()
        ignore_sigterm()
        os.write(leaving, b".")
        signal.pause()
    os.read(left, 1)


def start_late() -> None:
    time.sleep(0.3)


def wait_by_epoll() -> None:
    """As event loops do; `serve_forever` polls."""
    socketserver._ServerSelector = selectors.EpollSelector


PREPARE = {
    "dies": die,
    "stubborn": ignore_sigterm,
    "forks": work_in_a_child,
    "escapes": leave_one_behind,
    "late": start_late,
    "deaf": signal.pause,
    "epoll": wait_by_epoll,
}
ANSWERS = {
    "wrong": WrongAnswer,
    "cut": CutAnswer,
    "endless": EndlessAnswer,
    "mute": ClosedConnection,
    "hangs": NoAnswer,
}


class Stub(ThreadingHTTPServer):
    request_queue_size = 64


def main() -> None:
    manners, host, port = sys.argv[1:]
    PREPARE.get(manners, lambda: None)()
    Stub((host, int(port)), ANSWERS.get(manners, Answer)).serve_forever()


if __name__ == "__main__":
    main()
