"""uvicorn as `uvicorn[standard]` installs it, in pure Python, and on zttp, which brings HTTP/2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.model import Launch, Protocol, Server

if TYPE_CHECKING:
    from collections.abc import Callable

_HTTP1: frozenset[Protocol] = frozenset({"h1", "h1-tls", "ws", "ws-tls"})
_HTTP2: frozenset[Protocol] = frozenset({"h2", "h2c"})
_ONLY_HTTP1 = "uvicorn speaks HTTP/2 only with the package zttp: see uvicorn-zttp"
_NO_HTTP3 = "uvicorn does not speak HTTP/3"


def _command(*options: str) -> Callable[[Launch], list[str]]:
    def command(launch: Launch) -> list[str]:
        tls = launch.tls
        return [
            *launch.module,
            "uvicorn",
            *("--host", launch.host, "--port", str(launch.port)),
            *("--workers", str(launch.workers)),
            *options,
            *("--no-access-log", "--log-level", "warning"),
            *(("--ssl-certfile", str(tls.certificate), "--ssl-keyfile", str(tls.key)) if tls else ()),
            launch.target,
        ]

    return command


SERVERS = (
    Server(
        name="uvicorn",
        requires=("uvicorn", "uvloop", "httptools", "websockets"),
        protocols=_HTTP1,
        # `auto` chooses these if uvicorn[standard] is installed; explicit, so that no other package changes that.
        command=_command("--http", "httptools", "--loop", "uvloop"),
        unsupported={"h2": _ONLY_HTTP1, "h2c": _ONLY_HTTP1, "h3": _NO_HTTP3},
    ),
    Server(
        name="uvicorn-h11",
        requires=("uvicorn", "h11", "websockets"),
        protocols=_HTTP1,
        command=_command("--http", "h11", "--loop", "asyncio"),
        unsupported={"h2": _ONLY_HTTP1, "h2c": _ONLY_HTTP1, "h3": _NO_HTTP3},
    ),
    Server(
        name="uvicorn-zttp",
        requires=("uvicorn>=0.54", "uvloop", "zttp>=0.0.35", "websockets"),
        protocols=_HTTP1 | _HTTP2,
        command=_command("--http", "zttp", "--http2", "--loop", "uvloop"),
        unsupported={"h3": _NO_HTTP3},
    ),
)
