"""The server that runs no app, to find the limits of the generator and of the link."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.model.protocols import PROTOCOLS
from harness.model.targets import App, Server

if TYPE_CHECKING:
    from harness.model.targets import Launch

_SCRIPT = Path(__file__).with_name("null_server.py")


def _make_command(launch: Launch) -> list[str]:
    files = [str(launch.tls.certificate), str(launch.tls.key)] if launch.tls else []
    return [launch.python, str(_SCRIPT), launch.host, str(launch.port), *files]


NULL = Server("null", (), frozenset(PROTOCOLS) - {"h3"}, _make_command)
APP = App("none", "", _SCRIPT.parent, "/plaintext", b"Hello, World!")
