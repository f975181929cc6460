"""What the framework apps have in common: their data, not how they answer.

The store of items has the same limit as in `apps/asgi.py`. An item has one field, `name`, and the `id` of its URL; apps
whose frameworks do not validate accept any JSON object. WebSockets echo text.
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
    """Items by id, oldest first; when the store is full, a new item replaces the oldest.

    The lock is needed for Flask, which answers on several threads.
    """

    def __init__(self) -> None:
        super().__init__()
        self._ids = count(1)
        self._lock = Lock()

    def new_id(self) -> int:
        """An id that was not used before and that no client has chosen."""
        return next(item_id for item_id in self._ids if item_id not in self)

    def __setitem__(self, item_id: int, item: Item) -> None:
        with self._lock:
            if item_id not in self and len(self) >= MAX_ITEMS:
                del self[next(iter(self))]
            super().__setitem__(item_id, item)

    def newest(self) -> list[Item]:
        """The newest 100 items, newest first."""
        with self._lock:
            return list(islice(reversed(self.values()), LISTED_ITEMS))


def chunk(number: int) -> bytes:
    """A chunk of a stream, 1,024 bytes: its number, then dots, then a newline."""
    return (b"%d" % number).ljust(1023, b".") + b"\n"


def process() -> dict[str, Any]:
    """What the app runs on, as seen from inside the process.

    `pid`; `loop`, the class of the running event loop such as `uvloop.Loop`, or None if it is not an asyncio loop;
    `modules`, the top-level names of all imported modules that are not part of the standard library.
    """
    loop = None
    if "asyncio" in sys.modules:  # not imported here, because WSGI servers do not need it
        with suppress(RuntimeError):
            running = type(sys.modules["asyncio"].get_running_loop())
            loop = f"{running.__module__}.{running.__qualname__}"
    names = {name.partition(".")[0] for name in tuple(sys.modules)} - sys.stdlib_module_names
    return {"pid": os.getpid(), "loop": loop, "modules": sorted(name for name in names if not name.startswith("_"))}
