"""What is measured and how it is started: apps, servers, scenarios."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.model.protocols import EventLoop, Interface, Protocol

HOST = "127.0.0.1"
"""Servers bind to it, and load is sent to it."""


@dataclass(frozen=True)
class Tls:
    """Paths of the certificate made for a run: the server's chain and key, and the authority that clients trust."""

    certificate: Path
    key: Path
    authority: Path


@dataclass(frozen=True)
class App:
    """The callable under the server, named `module:attribute`, importable with `directory` on the path."""

    name: str
    target: str
    directory: Path
    ready_path: str = "/"
    """What to ask for until it answers."""
    ready_body: bytes | None = None
    """The answer that means ready; None takes any complete answer for one."""
    counts_workers: bool = False
    """Does `/scope` name the process that answered, so that N workers can be waited for?"""
    environment: Mapping[str, str] = field(default_factory=dict)
    wsgi_target: str | None = None
    """The same app as a WSGI callable, for servers that speak nothing else; `target` is the ASGI one."""
    on_trio: frozenset[str] | None = None
    """The scenarios for which it does without asyncio; None where that is not known, and is tried."""
    scenarios: frozenset[str] | None = None
    """Names of the scenarios that it answers; None for all."""
    requires: tuple[str, ...] = ()
    """Distributions that must be installed, the framework's own first."""
    runs_in: Path | None = None
    """Working directory of the servers, where relative paths and `.env` are looked for; None for `directory`."""
    imports_from: tuple[Path, ...] = ()
    """Further folders that are on the path."""
    headers: tuple[tuple[str, str], ...] = ()
    """Sent with the request that it is asked for until it answers; names in lower case."""


@dataclass(frozen=True)
class Launch:
    """All that a server's command line is made from."""

    host: str
    port: int
    target: str
    workers: int = 1
    tls: Tls | None = None
    python: str = "python"

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def module(self) -> list[str]:
        """Start of a command that runs an installed package with the interpreter under test: `python -m`."""
        return [self.python, "-m"]


@dataclass(frozen=True)
class Server:
    """A program that serves an app, with one fixed set of options: an entry of the catalogue.

    `command` is pure: the same `Launch` gives the same argv.
    """

    name: str
    requires: tuple[str, ...]
    """Distributions that must be installed, the server's own first: its version names the server's."""
    protocols: frozenset[Protocol]
    command: Callable[[Launch], list[str]]
    unsupported: Mapping[Protocol, str] = field(default_factory=dict)
    """Why a protocol is missing, in words for the report."""
    max_workers: int | None = None
    interface: Interface = "asgi"
    event_loop: EventLoop = "asyncio"
    python: str | None = None
    """Interpreter of an environment of its own; None for the one that the run is given."""

    def target(self, app: App) -> str | None:
        """What of `app` this server is to serve; None where the app has nothing that it could."""
        return app.wsgi_target if self.interface == "wsgi" else app.target

    version: str | None = None
    """Its version in that environment."""


@dataclass(frozen=True)
class Scenario:
    """One Locust file: what a user of the app does, and what a right answer is."""

    name: str
    path: Path
    protocols: frozenset[Protocol]
    summary: str
    """First line of the file's docstring."""
    ours: bool = True
    """Is it written in our users? Others check what they check, and only in a closed loop."""
