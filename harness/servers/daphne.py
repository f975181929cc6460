"""daphne, on Twisted; it has one process only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.model import Launch, Server

if TYPE_CHECKING:
    from pathlib import Path


def _quoted(path: Path) -> str:
    """`path`, escaped for an endpoint description (as by `twisted.internet.endpoints.quoteStringArgument`)."""
    return str(path).replace("\\", "\\\\").replace(":", "\\:")


def _endpoint(launch: Launch) -> list[str]:
    if launch.tls is None:
        return ["--bind", launch.host, "--port", str(launch.port)]
    files = f"privateKey={_quoted(launch.tls.key)}:certKey={_quoted(launch.tls.certificate)}"
    return ["--endpoint", f"ssl:{launch.port}:{files}:interface={launch.host}"]


def _command(launch: Launch) -> list[str]:
    # Verbosity 0 turns the access log off and leaves errors on.
    return [*launch.module, "daphne", "--verbosity", "0", *_endpoint(launch), launch.target]


SERVERS = (
    Server(
        name="daphne",
        requires=("daphne", "twisted"),
        requires_for={"h2": ("h2", "priority")},
        protocols=frozenset({"h1", "h1-tls", "h2", "ws", "ws-tls"}),
        command=_command,
        unsupported={
            "h2c": "daphne speaks HTTP/2 only over TLS",
            "h3": "daphne does not speak HTTP/3",
        },
        max_workers=1,
    ),
)
