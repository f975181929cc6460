"""What the framework variants of the reference app have in common: their data, not how they answer.

The store of items is as bounded as that of `apps/asgi.py`. An item has one field, `name`, and the `id` of its URL;
variants whose frameworks do not validate take any JSON object for one. WebSockets echo text.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from itertools import count, islice
from threading import Lock
from typing import Any, TypeVar

from apps._answers import LISTED_ITEMS, MAX_ITEMS

Item = TypeVar("Item")


class Items(dict[int, Item]):
    """Items by id, oldest first; when it is full, the oldest makes room for a new one.

    The lock is for Flask, which may answer on several threads.
    """

    def __init__(self) -> None:
        super().__init__()
        self._ids = count(1)
        self._lock = Lock()

    def new_id(self) -> int:
        """An id that was not given before and that no client has chosen."""
        return next(item_id for item_id in self._ids if item_id not in self)

    def __setitem__(self, item_id: int, item: Item) -> None:
        with self._lock:
            if item_id not in self and len(self) >= MAX_ITEMS:
                del self[next(iter(self))]
            super().__setitem__(item_id, item)

    def newest(self) -> list[Item]:
        """The newest 100, newest first."""
        with self._lock:
            return list(islice(reversed(self.values()), LISTED_ITEMS))


def chunk(number: int) -> bytes:
    """A part of a stream: 1,024 bytes, its number, dots and a newline."""
    return (b"%d" % number).ljust(1023, b".") + b"\n"


def process() -> dict[str, Any]:
    """What really runs the app, as seen from within.

    `pid`; `loop`, the class of the running event loop such as `uvloop.Loop`, or None where it is not asyncio's;
    `modules`, the top-level names of all that was imported and is not of the standard library.
    """
    loop = None
    if "asyncio" in sys.modules:  # not imported here, for WSGI servers do without it
        with suppress(RuntimeError):
            running = type(sys.modules["asyncio"].get_running_loop())
            loop = f"{running.__module__}.{running.__qualname__}"
    names = {name.partition(".")[0] for name in tuple(sys.modules)} - sys.stdlib_module_names
    return {"pid": os.getpid(), "loop": loop, "modules": sorted(name for name in names if not name.startswith("_"))}
