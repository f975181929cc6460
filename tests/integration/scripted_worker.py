"""A load worker that says what a test wants it to, and loads nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, NamedTuple

import msgspec
import zmq

from harness.load import messages

WITHIN_MS = 60_000
"""More than any step takes on a slow machine."""


class Heard(NamedTuple):
    """A message of the master."""

    kind: str
    data: Any


class ScriptedWorker:
    """Speaks as a load worker of this name does, and as one of Locust's workers."""

    def __init__(self, socket: zmq.Socket[bytes], about: dict[str, Any]) -> None:
        self.about = about
        self.heard: list[Heard] = []
        """All that the master has said."""
        self._socket = socket

    def say(self, kind: str, data: Any = None) -> None:
        """Send a message."""
        self._socket.send(msgspec.msgpack.encode((kind, data, self.about["name"])))

    def hear(self, kind: str) -> Any:
        """Wait for a message of this kind; what it says."""
        while True:
            assert self._socket.poll(WITHIN_MS), f"expected {kind}, found only {[each.kind for each in self.heard]}"
            found = Heard(*msgspec.msgpack.decode(self._socket.recv())[:2])
            self.heard.append(found)
            if found.kind == kind:
                return found.data

    def hears_nothing(self, within_ms: int) -> bool:
        """Is there no message for so long?"""
        return self._socket.poll(within_ms) == 0

    def ask(self) -> str:
        """Ask for work; what there is to do."""
        self.say(messages.HELLO, {"worker": self.about, "process": os.getpid(), "ended": None, "met": True})
        answer: str = self.hear(messages.ANSWER)["do"]
        return answer

    def join(self) -> None:
        """Take work, and become one of Locust's workers."""
        assert self.ask() == messages.WORK
        self.say("client_ready", version("locust"))
        self.hear("ack")
        self.say(messages.HERE, {"name": self.about["name"], "process": os.getpid()})

    def get_ready(self) -> None:
        """Start the users that Locust's master orders, and say that they are connected."""
        users = self.hear("spawn")["user_classes_count"]
        self.say("spawning_complete", {"user_classes_count": users, "user_count": sum(users.values())})
        self.hear("spawning_complete")
        self.say(messages.READY, {"right": [True]})

    def finish_slice(self, right: int = 1, failed: int = 0) -> None:
        """Say that a slice is over, in which so many answers were right and so many failed."""
        took = {"residence_us": 100.0, "hanging": 0, "begun_ns": 1, "ended_ns": 2}
        self.say(messages.DONE, {"right": right, "failed": failed, **took})

    def beat(self) -> None:
        """Send a heartbeat."""
        self.say("heartbeat", {"state": "running", "current_cpu_usage": 0.0, "current_memory_usage": 0})


@contextmanager
def scripted_workers(port: int, *abouts: dict[str, Any]) -> Iterator[tuple[ScriptedWorker, ...]]:
    """Workers for the master at this port, each with what a `LoadWorker` has."""
    with zmq.Context() as context:
        sockets = []
        for about in abouts:
            socket = context.socket(zmq.DEALER)
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.IDENTITY, about["name"].encode())
            socket.connect(f"tcp://127.0.0.1:{port}")
            sockets.append(socket)
        try:
            yield tuple(ScriptedWorker(*each) for each in zip(sockets, abouts, strict=True))
        finally:
            for socket in sockets:
                socket.close()
