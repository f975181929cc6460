"""uWSGI, from pyuwsgi's wheel: behind its own HTTP router, a second process that is to face clients, and bare.

By default every answer closes its connection without a word. The router can keep connections, but sends without
TCP_NODELAY: on a kept connection, an answer that is written in parts waits about 40 ms for the client's delayed
acknowledgement, which no option changes. The bare HTTP socket is meant for use behind another server; its keep-alive,
`--http11-socket`, gives a whole worker or thread to each open connection, and so is no entry here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.model import Launch, Protocol, Server

if TYPE_CHECKING:
    from collections.abc import Callable

_NO_TLS = "the wheels of pyuwsgi are built without TLS"
_ONLY_HTTP1 = "uWSGI speaks HTTP/1.1 only"
_NO_WEBSOCKET = "WSGI has no WebSocket"
_UNSUPPORTED: dict[Protocol, str] = {
    "h1-tls": _NO_TLS,
    "h2": _ONLY_HTTP1,
    "h2c": _ONLY_HTTP1,
    "h3": _ONLY_HTTP1,
    "ws": _NO_WEBSOCKET,
    "ws-tls": _NO_WEBSOCKET,
}


def _command(option: str, *options: str) -> Callable[[Launch], list[str]]:
    def command(launch: Launch) -> list[str]:
        return [
            *(launch.python, "-c", "import pyuwsgi; pyuwsgi.run()"),
            *(option, launch.address, *options),
            *("--processes", str(launch.workers)),
            *(("--master",) if launch.workers > 1 else ()),
            "--die-on-term",  # SIGTERM means reload otherwise
            "--need-app",
            "--disable-logging",  # of requests
            *("--module", launch.target),
        ]

    return command


def _server(name: str, command: Callable[[Launch], list[str]]) -> Server:
    return Server(name, ("pyuwsgi",), frozenset({"h1"}), command, _UNSUPPORTED, interface="wsgi")


SERVERS = (
    _server("uwsgi", _command("--http")),
    # Chunked, because an answer without a length would end with its connection all the same.
    _server("uwsgi-keepalive", _command("--http", "--http-keepalive=1", "--http-auto-chunked")),
    _server("uwsgi-socket", _command("--http-socket")),
)
