"""granian on uvloop, on other event loops, on several threads, and as a WSGI server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.model import Interface, Launch, Protocol, Server

if TYPE_CHECKING:
    from collections.abc import Callable

_HTTP: frozenset[Protocol] = frozenset({"h1", "h1-tls", "h2", "h2c"})
_WEBSOCKET: frozenset[Protocol] = frozenset({"ws", "ws-tls"})
_NO_HTTP3 = "granian does not speak HTTP/3"
_NO_WEBSOCKET = "WSGI has no WebSocket"


def _command(*options: str, interface: Interface = "asgi") -> Callable[[Launch], list[str]]:
    def command(launch: Launch) -> list[str]:
        tls = launch.tls
        return [
            *launch.module,
            "granian",
            *("--interface", interface),
            *("--host", launch.host, "--port", str(launch.port)),
            *("--workers", str(launch.workers)),
            *options,
            *("--no-access-log", "--log-level", "warning"),
            *(("--ssl-certificate", str(tls.certificate), "--ssl-keyfile", str(tls.key)) if tls else ()),
            launch.target,
        ]

    return command


def _asgi(name: str, command: Callable[[Launch], list[str]], *packages: str) -> Server:
    return Server(name, ("granian", *packages), _HTTP | _WEBSOCKET, command, unsupported={"h3": _NO_HTTP3})


SERVERS = (
    # `auto` chooses uvloop if it is installed; it is explicit so that no other package changes that.
    _asgi("granian", _command("--loop", "uvloop"), "uvloop"),
    _asgi("granian-mt", _command("--loop", "uvloop", "--runtime-mode", "mt"), "uvloop"),
    _asgi("granian-asyncio", _command("--loop", "asyncio")),
    _asgi("granian-rloop", _command("--loop", "rloop"), "rloop"),
    Server(
        name="granian-wsgi",
        requires=("granian",),
        protocols=_HTTP,
        command=_command(interface="wsgi"),
        unsupported={"ws": _NO_WEBSOCKET, "ws-tls": _NO_WEBSOCKET, "h3": _NO_HTTP3},
        interface="wsgi",
    ),
)
