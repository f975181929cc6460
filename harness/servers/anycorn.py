"""anycorn, a fork of hypercorn on anyio, with its default asyncio worker."""

from __future__ import annotations

from harness.model import Launch, Server


def _command(launch: Launch) -> list[str]:
    tls = launch.tls
    # `-w 0` serves in the parent, as hypercorn's and uvicorn's one worker do.
    workers = 0 if launch.workers == 1 else launch.workers
    return [
        *launch.module,
        "anycorn",
        *("--bind", launch.address),
        *("--worker-class", "asyncio"),
        *("--workers", str(workers)),
        *("--log-level", "warning"),  # the access log is off unless a file is named for it
        *(("--certfile", str(tls.certificate), "--keyfile", str(tls.key)) if tls else ()),
        launch.target,
    ]


SERVERS = (
    Server(
        name="anycorn",
        requires=("anycorn",),
        protocols=frozenset({"h1", "h1-tls", "h2", "h2c", "ws", "ws-tls"}),
        command=_command,
        unsupported={"h3": "HTTP/3 is off in stock anycorn"},
    ),
)
