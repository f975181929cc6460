"""palfrey as `palfrey[standard]` installs it, with the command line of uvicorn."""

from __future__ import annotations

from harness.model import Launch, Server

_HTTP2_OFF = "HTTP/2 is off in stock palfrey"


def _command(launch: Launch) -> list[str]:
    tls = launch.tls
    return [
        *launch.module,
        "palfrey",
        *("--host", launch.host, "--port", str(launch.port)),
        *("--workers", str(launch.workers)),
        # `auto` chooses these if palfrey[standard] is installed; explicit, so that no other package changes that.
        *("--http", "httptools", "--loop", "uvloop"),
        *("--no-access-log", "--log-level", "warning"),
        *(("--ssl-certfile", str(tls.certificate), "--ssl-keyfile", str(tls.key)) if tls else ()),
        launch.target,
    ]


SERVERS = (
    Server(
        name="palfrey",
        requires=("palfrey>=0.2", "uvloop", "httptools", "websockets"),
        protocols=frozenset({"h1", "h1-tls", "ws", "ws-tls"}),
        command=_command,
        unsupported={"h2": _HTTP2_OFF, "h2c": _HTTP2_OFF, "h3": "HTTP/3 is off in stock palfrey"},
    ),
)
