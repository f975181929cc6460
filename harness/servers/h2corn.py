"""h2corn, in Rust; one worker is two processes, since a supervisor starts it."""

from __future__ import annotations

from harness.model import Launch, Server


def _command(launch: Launch) -> list[str]:
    tls = launch.tls
    return [
        launch.program("h2corn"),
        *("--host", launch.host, "--port", str(launch.port)),
        *("--workers", str(launch.workers)),
        # `auto` chooses uvloop if it is installed; it is explicit so that no other package changes that.
        *("--loop", "uvloop"),
        "--no-access-log",
        *(("--certfile", str(tls.certificate), "--keyfile", str(tls.key)) if tls else ()),
        launch.target,
    ]


SERVERS = (
    Server(
        name="h2corn",
        requires=("h2corn>=2", "uvloop"),
        protocols=frozenset({"h1", "h1-tls", "h2", "h2c", "ws", "ws-tls"}),
        command=_command,
        unsupported={"h3": "h2corn does not speak HTTP/3"},
    ),
)
