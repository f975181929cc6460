"""granian on uvloop."""

from __future__ import annotations

from harness.model import PROTOCOLS, Launch, Server


def _command(launch: Launch) -> list[str]:
    tls = launch.tls
    return [
        *launch.module,
        "granian",
        *("--interface", "asgi"),
        *("--host", launch.host, "--port", str(launch.port)),
        *("--workers", str(launch.workers)),
        # What `auto` chooses where uvloop is installed, said aloud so that no other package changes it.
        *("--loop", "uvloop"),
        *("--no-access-log", "--log-level", "warning"),
        *(("--ssl-certificate", str(tls.certificate), "--ssl-keyfile", str(tls.key)) if tls else ()),
        launch.target,
    ]


SERVERS = (Server(name="granian", requires=("granian", "uvloop"), protocols=frozenset(PROTOCOLS), command=_command),)
