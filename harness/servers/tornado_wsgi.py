"""Tornado's HTTP server with its WSGI container."""

from __future__ import annotations

from pathlib import Path

from harness.model import Launch, Server

_RUNNER = Path(__file__).parent / "_runners" / "tornado_wsgi.py"
_ONLY_HTTP1 = "Tornado speaks HTTP/1.1 only"
_NO_WEBSOCKET = "WSGI has no WebSocket"


def _command(launch: Launch) -> list[str]:
    tls = (str(launch.tls.certificate), str(launch.tls.key)) if launch.tls else ()
    return [
        *(launch.python, str(_RUNNER)),
        *(launch.host, str(launch.port), str(launch.workers), launch.target, *tls),
    ]


SERVERS = (
    Server(
        name="tornado-wsgi",
        requires=("tornado",),
        protocols=frozenset({"h1", "h1-tls"}),
        command=_command,
        unsupported={
            "h2": _ONLY_HTTP1,
            "h2c": _ONLY_HTTP1,
            "h3": _ONLY_HTTP1,
            "ws": _NO_WEBSOCKET,
            "ws-tls": _NO_WEBSOCKET,
        },
        interface="wsgi",
    ),
)
