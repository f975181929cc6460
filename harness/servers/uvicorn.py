"""uvicorn as `uvicorn[standard]` installs it, and in pure Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.model import Launch, Protocol, Server

if TYPE_CHECKING:
    from collections.abc import Callable

_PROTOCOLS: frozenset[Protocol] = frozenset({"h1", "h1-tls", "ws", "ws-tls"})
_ONLY_HTTP1 = "uvicorn speaks HTTP/1.1 only; HTTP/2 needs the package zttp"


def _command(http: str, loop: str) -> Callable[[Launch], list[str]]:
    def command(launch: Launch) -> list[str]:
        tls = launch.tls
        return [
            *launch.module,
            "uvicorn",
            *("--host", launch.host, "--port", str(launch.port)),
            *("--workers", str(launch.workers)),
            *("--http", http, "--loop", loop),
            *("--no-access-log", "--log-level", "warning"),
            *(("--ssl-certfile", str(tls.certificate), "--ssl-keyfile", str(tls.key)) if tls else ()),
            launch.target,
        ]

    return command


SERVERS = (
    Server(
        name="uvicorn",
        requires=("uvicorn", "uvloop", "httptools", "websockets"),
        protocols=_PROTOCOLS,
        # What `auto` chooses once the packages of uvicorn[standard] are there, said aloud so that it stays so.
        command=_command(http="httptools", loop="uvloop"),
        unsupported={"h2": _ONLY_HTTP1, "h2c": _ONLY_HTTP1},
    ),
    Server(
        name="uvicorn-h11",
        requires=("uvicorn", "h11", "websockets"),
        protocols=_PROTOCOLS,
        command=_command(http="h11", loop="asyncio"),
        unsupported={"h2": _ONLY_HTTP1, "h2c": _ONLY_HTTP1},
    ),
)
