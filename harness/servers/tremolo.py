"""tremolo, in pure Python on asyncio; by default it sends and receives at most 1 MiB/s on a connection."""

from __future__ import annotations

from pathlib import Path

from harness.model import Launch, Server

_RUNNER = Path(__file__).parent / "_runners" / "tremolo_asgi.py"
_ONLY_HTTP1 = "tremolo speaks HTTP/1.1 only"


def _command(launch: Launch) -> list[str]:
    tls = (str(launch.tls.certificate), str(launch.tls.key)) if launch.tls else ()
    return [
        *(launch.python, str(_RUNNER)),
        *(launch.host, str(launch.port), str(launch.workers), launch.target, *tls),
    ]


SERVERS = (
    Server(
        name="tremolo",
        requires=("tremolo",),
        protocols=frozenset({"h1", "h1-tls", "ws", "ws-tls"}),
        command=_command,
        unsupported={"h2": _ONLY_HTTP1, "h2c": _ONLY_HTTP1, "h3": _ONLY_HTTP1},
    ),
)
