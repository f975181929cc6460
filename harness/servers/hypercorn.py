"""hypercorn with its default asyncio worker, on other event loops, and over QUIC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.model import PROTOCOLS, Launch, Protocol, Server

if TYPE_CHECKING:
    from collections.abc import Callable

_PROTOCOLS: frozenset[Protocol] = frozenset({"h1", "h1-tls", "h2", "h2c", "ws", "ws-tls"})
_HTTP3_APART = "HTTP/3 is off in stock hypercorn: see hypercorn-h3"


def _command(worker_class: str, *, quic: bool = False) -> Callable[[Launch], list[str]]:
    def command(launch: Launch) -> list[str]:
        tls = launch.tls
        # `-w 1` starts a parent, a worker and a resource tracker; `-w 0` serves in the parent, as uvicorn's one worker
        # does. With `-w 0`, trio's worker is ended by SIGTERM without lifespan shutdown.
        workers = 0 if launch.workers == 1 and worker_class != "trio" else launch.workers
        return [
            *launch.module,
            "hypercorn",
            *("--bind", launch.address),
            # The same port number in UDP; TCP stays open to check readiness, and for clients that follow Alt-Svc.
            *(("--quic-bind", launch.address) if quic and tls else ()),
            *("--worker-class", worker_class),
            *("--workers", str(workers)),
            *("--log-level", "warning"),  # the access log is off unless a file is named for it
            *(("--certfile", str(tls.certificate), "--keyfile", str(tls.key)) if tls else ()),
            launch.target,
        ]

    return command


SERVERS = (
    Server(
        name="hypercorn",
        requires=("hypercorn",),
        protocols=_PROTOCOLS,
        command=_command("asyncio"),
        unsupported={"h3": _HTTP3_APART},
    ),
    Server(
        name="hypercorn-uvloop",
        requires=("hypercorn", "uvloop"),
        protocols=_PROTOCOLS,
        command=_command("uvloop"),
        unsupported={"h3": _HTTP3_APART},
    ),
    Server(
        name="hypercorn-trio",
        requires=("hypercorn", "trio"),
        protocols=_PROTOCOLS,
        command=_command("trio"),
        event_loop="trio",
        unsupported={"h3": _HTTP3_APART},
    ),
    Server(
        name="hypercorn-h3",
        requires=("hypercorn", "aioquic"),
        protocols=frozenset({"h3"}),
        command=_command("asyncio", quic=True),
        unsupported={protocol: "measured as hypercorn" for protocol in PROTOCOLS if protocol != "h3"},
    ),
)
