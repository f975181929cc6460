"""hypercorn with its stock asyncio worker."""

from __future__ import annotations

from harness.model import PROTOCOLS, Launch, Server


def _command(launch: Launch) -> list[str]:
    tls = launch.tls
    # `-w 1` is a parent, a worker and a resource tracker; `-w 0` serves in the parent, as uvicorn does with one worker.
    workers = 0 if launch.workers == 1 else launch.workers
    return [
        *launch.module,
        "hypercorn",
        *("--bind", launch.address),
        *("--workers", str(workers)),
        *("--log-level", "warning"),  # the access log is off unless a file is named for it
        *(("--certfile", str(tls.certificate), "--keyfile", str(tls.key)) if tls else ()),
        launch.target,
    ]


SERVERS = (Server(name="hypercorn", requires=("hypercorn",), protocols=frozenset(PROTOCOLS), command=_command),)
