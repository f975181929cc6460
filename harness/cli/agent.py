"""`harness agent`: the side of a server host that is over there."""

from __future__ import annotations

from harness.cli.app import app
from harness.hosts.agent import serve


@app.command("agent")
def agent() -> None:
    """Start and sample servers for a harness elsewhere; `harness run --server-host` gives this command by ssh."""
    serve()
