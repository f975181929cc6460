"""uWSGI, from pyuwsgi's wheel: with its HTTP router, a second process in front of the workers, and without it.

By default it closes the connection after every answer, without `Connection: close`. The router can keep connections
alive, but does not set TCP_NODELAY: on such a connection, an answer written in several parts waits about 40 ms for the
client's delayed acknowledgement, and no option changes that. The HTTP socket without the router is meant for use behind
another server; its keep-alive, `--http11-socket`, dedicates a worker or thread to each open connection, so there is no
entry for it.
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
    # Chunked, because otherwise an answer without a length would end with its connection.
    _server("uwsgi-keepalive", _command("--http", "--http-keepalive=1", "--http-auto-chunked")),
    _server("uwsgi-socket", _command("--http-socket")),
)
