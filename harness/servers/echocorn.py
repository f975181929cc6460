"""echocorn on uvloop; it is configured by a file only, which a runner writes."""

from __future__ import annotations

from pathlib import Path

from harness.model import Launch, Server

_RUNNER = Path(__file__).parent / "_runners" / "echocorn_asgi.py"


def _command(launch: Launch) -> list[str]:
    tls = (str(launch.tls.certificate), str(launch.tls.key)) if launch.tls else ()
    return [
        *(launch.python, str(_RUNNER)),
        *(launch.host, str(launch.port), str(launch.workers), launch.target, *tls),
    ]


SERVERS = (
    Server(
        name="echocorn",
        # It uses uvloop and h2 where they are installed.
        requires=("echocorn>=1.0.5", "uvloop", "h2"),
        protocols=frozenset({"h1", "h1-tls", "h2", "h2c", "ws", "ws-tls"}),
        command=_command,
        unsupported={"h3": "echocorn does not speak HTTP/3"},
    ),
)
