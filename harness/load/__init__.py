"""The load engine. These names are what a scenario file imports; every other module of this folder is internal.

::

    from locust import task

    from harness.load import HttpScenario, get


    class Plaintext(HttpScenario):
        hello = get("/plaintext", expected_body=b"Hello, World!")

        @task
        def read(self) -> None:
            self.send(self.hello)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from harness.load.exchange import (
    Answer,
    Check,
    Digest,
    Failure,
    Headers,
    Message,
    Request,
    as_tasks,
    delete,
    get,
    post,
    put,
)
from harness.model.event_stream import Stream
from harness.model.login import Login

if TYPE_CHECKING:
    from harness.load.users import HttpScenario, WebSocketScenario

__all__ = [
    "Answer",
    "Check",
    "Digest",
    "Failure",
    "Headers",
    "HttpScenario",
    "Login",
    "Message",
    "Request",
    "Stream",
    "WebSocketScenario",
    "as_tasks",
    "delete",
    "get",
    "post",
    "put",
]


def __getattr__(name: str) -> type[HttpScenario | WebSocketScenario]:
    """Import the scenario classes at their first use (PEP 562): with them comes Locust, which patches the process."""
    if name not in {"HttpScenario", "WebSocketScenario"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    scenario: type[HttpScenario | WebSocketScenario] = getattr(import_module("harness.load.users"), name)
    return scenario
