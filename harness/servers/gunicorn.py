"""gunicorn with its ASGI worker, with uvicorn's worker, and with its WSGI workers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.model import Launch, Protocol, Server

if TYPE_CHECKING:
    from collections.abc import Callable

_GUNICORN = "gunicorn>=25.1"
_HTTP1: frozenset[Protocol] = frozenset({"h1", "h1-tls"})
_HTTP2: frozenset[Protocol] = frozenset({"h2", "h2c"})
_WEBSOCKET: frozenset[Protocol] = frozenset({"ws", "ws-tls"})
_OFF = "HTTP/2 is off in stock gunicorn"
_SEE_H2 = f"{_OFF}: see gunicorn-h2"
_UVICORN = "uvicorn's worker speaks HTTP/1.1 only"
_SYNC = "gunicorn's sync worker speaks HTTP/1.1 only"
_TLS_BLOCKS_THREADS = (
    "not measured: gunicorn blocks one thread for each TLS connection until its first request, "
    "so that connections opened in advance keep the others out"
)
_NO_HTTP3 = "gunicorn does not speak HTTP/3"
_NO_WEBSOCKET = "WSGI has no WebSocket"
_NO_CONFIG = Path(__file__).parent / "_runners" / "gunicorn_conf.py"
"""An empty file: without `--config`, gunicorn reads gunicorn.conf.py from the working directory."""
_THREADS = 4
"""gunicorn's documentation recommends two to four threads for each core."""

# `auto` would use other packages' parser and event loop if they happen to be installed.
_PYTHON = ("--http-parser", "python")
_ASGI = ("--worker-class", "asgi", "--asgi-loop", "asyncio", *_PYTHON)


def _command(*options: str) -> Callable[[Launch], list[str]]:
    def command(launch: Launch) -> list[str]:
        tls = launch.tls
        return [
            *launch.module,
            "gunicorn",
            *("--bind", launch.address),
            *("--workers", str(launch.workers)),
            *options,
            *("--config", str(_NO_CONFIG)),
            "--no-control-socket",  # it would be in the user's home folder, and shared by all servers
            *("--log-level", "warning"),  # the access log is off unless a file is named for it
            *(("--certfile", str(tls.certificate), "--keyfile", str(tls.key)) if tls else ()),
            launch.target,
        ]

    return command


def _http1(name: str, command: Callable[[Launch], list[str]], *packages: str, no_http2: str = _SEE_H2) -> Server:
    unsupported: dict[Protocol, str] = {"h2": no_http2, "h2c": no_http2, "h3": _NO_HTTP3}
    return Server(name, (_GUNICORN, *packages), _HTTP1 | _WEBSOCKET, command, unsupported)


def _wsgi(name: str, command: Callable[[Launch], list[str]], unsupported: dict[Protocol, str]) -> Server:
    unsupported = {"ws": _NO_WEBSOCKET, "ws-tls": _NO_WEBSOCKET, "h3": _NO_HTTP3, **unsupported}
    return Server(name, (_GUNICORN,), _HTTP1 - unsupported.keys(), command, unsupported, interface="wsgi")


SERVERS = (
    _http1("gunicorn", _command(*_ASGI)),
    _http1("gunicorn-uvloop", _command("--worker-class", "asgi", "--asgi-loop", "uvloop", *_PYTHON), "uvloop"),
    _http1(
        "gunicorn-fast",
        _command("--worker-class", "asgi", "--asgi-loop", "asyncio", "--http-parser", "fast"),
        "gunicorn_h1c>=0.6.10",  # the oldest that was tried with it; gunicorn itself rejects versions before 0.4.1
    ),
    Server(
        name="gunicorn-h2",
        requires=("gunicorn>=26.2", "h2>=4.4"),
        protocols=_HTTP1 | _HTTP2 | _WEBSOCKET,
        # With `prior-knowledge` instead of `both`, it would answer 400 to HTTP/1.1, which readiness is checked with.
        command=_command(*_ASGI, "--http-protocols", "h2,h1", "--http2-cleartext", "both"),
        unsupported={"h3": _NO_HTTP3},
    ),
    _http1(
        "gunicorn-uvicorn",
        _command("--worker-class", "uvicorn_worker.UvicornWorker"),
        *("uvicorn-worker", "uvicorn", "uvloop", "httptools", "websockets"),
        no_http2=_UVICORN,
    ),
    _wsgi("gunicorn-sync", _command("--worker-class", "sync", *_PYTHON), {"h2": _SYNC, "h2c": _SYNC}),
    _wsgi(
        "gunicorn-gthread",
        _command("--worker-class", "gthread", "--threads", str(_THREADS), *_PYTHON),
        {"h1-tls": _TLS_BLOCKS_THREADS, "h2": _OFF, "h2c": _OFF},
    ),
)
