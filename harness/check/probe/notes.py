"""The notes that the probe app takes, and the gates at which it waits until a check lets it go on.

These files run in the server's process, on an interpreter that may have the standard library only.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

GATE_S = 20.0
"""A gate opens by itself after this time, so that no app waits forever."""
_POLL_S = 0.005

if os.environ.get("PROBE_IMPORT") == "fail":
    raise ImportError("the probe refuses to be imported")


class Notes:
    """A file of JSON lines, and a folder of gates."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = os.open(folder / "events.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def record(self, marker: str, event: str, **details: Any) -> None:
        """Append one line: the marker of the request, the event, and its details."""
        line = json.dumps({"marker": marker, "event": event, "at": time.monotonic(), **details}, default=repr)
        os.write(self._file, line.encode() + b"\n")

    async def gate(self, name: str) -> None:
        """Wait until the folder of gates has a file with this name."""
        path, deadline = self._folder / "gates" / name, time.monotonic() + GATE_S
        while not path.exists() and time.monotonic() < deadline:
            await pause(_POLL_S)

    def wait(self, name: str) -> None:
        """Wait as `gate` does, in an app that is not asynchronous."""
        path, deadline = self._folder / "gates" / name, time.monotonic() + GATE_S
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(_POLL_S)


async def given_within(call: Callable[[], Awaitable[Any]], seconds: float) -> Any:
    """What the call returns within this time, on whichever event loop runs this; it is cancelled after it, for None."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        with importlib.import_module("trio").move_on_after(seconds):
            return await call()
    else:
        with suppress(asyncio.TimeoutError):
            return await asyncio.wait_for(call(), seconds)
    return None


async def pause(seconds: float) -> None:
    """Sleep on whichever event loop runs this: asyncio's, or trio's."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        await importlib.import_module("trio").sleep(seconds)
    else:
        await asyncio.sleep(seconds)
