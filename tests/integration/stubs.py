"""Servers that run `stub_server.py`."""

from __future__ import annotations

import sys
from pathlib import Path

from harness.model.targets import Launch, Server

SCRIPT = Path(__file__).with_name("stub_server.py")


def stub(behaviour: str) -> Server:
    """A server with a behaviour of the table in `stub_server.py`."""

    def command(launch: Launch) -> list[str]:
        return [sys.executable, str(SCRIPT), behaviour, launch.host, str(launch.port)]

    return Server(behaviour, (), frozenset({"h1"}), command)
