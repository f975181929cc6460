"""The versions that a load worker must have in common with the master of its run."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import locust

if TYPE_CHECKING:
    from collections.abc import Mapping

_PACKAGE = Path(__file__).parents[1]


@cache
def read_harness_version() -> str:
    """The version of the harness with a digest of the load engine: `0.1.0 (load engine 3f9c01d2)`."""
    digest = hashlib.blake2b(digest_size=4)
    for folder in ("load", "model"):
        for path in sorted((_PACKAGE / folder).glob("*.py")):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    try:
        number = version("asgi-harness")
    except PackageNotFoundError:
        number = "unknown"
    return f"{number} (load engine {digest.hexdigest()})"


def read_locust_version() -> str:
    """The version of Locust that this process has imported."""
    return str(locust.__version__)


def find_difference(worker: Mapping[str, Any]) -> str | None:
    """Why this load worker cannot work for a master in this process; None if it can.

    `worker` has the fields of a `LoadWorker`, or those that another version of it has.
    """
    ours, theirs = (read_harness_version(), read_locust_version()), (worker.get("harness"), worker.get("locust"))
    if ours == theirs:
        return None
    expected, found = (f"harness {harness} and Locust {engine}" for harness, engine in (ours, theirs))
    name = worker.get("name")
    return f"load worker {name}: expected {expected}, as where harness run is, found {found}; install the same"
