"""What is measured, and how it is started: apps, servers, scenarios."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.model.login import Login
from harness.model.protocols import EventLoop, Interface, Protocol

HOST = "127.0.0.1"
"""Servers listen on this address, and load is sent to it."""


@dataclass(frozen=True)
class Tls:
    """Paths of a run's certificate: the server's chain and key, and the authority that clients trust."""

    certificate: Path
    key: Path
    authority: Path


@dataclass(frozen=True)
class Revision:
    """A state of the repository of a user's app, in a folder of its own."""

    name: str
    """`base` or `head`; the app is named so."""
    commit: str
    """The first digits of its name, with `-dirty` where files differ from it."""
    top: Path
    """The folder of its files."""
    origin: Path
    """The folder of the repository that the command was given in, with the same files in other states."""

    def place(self, path: Path) -> Path:
        """Where this revision has what is at `path` in the repository; raises `ValueError` if it is elsewhere."""
        return self.top / path.resolve().relative_to(self.origin.resolve())


@dataclass(frozen=True)
class App:
    """The callable that a server serves, named `module:attribute`, importable with `directory` on the path."""

    name: str
    target: str
    directory: Path
    ready_path: str = "/"
    """The path that is requested until the app answers."""
    ready_body: bytes | None = None
    """The body of the answer that means ready; None means that any complete answer does."""
    counts_workers: bool = False
    """Does `/scope` name the process that answered? Then the harness can wait for all workers."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that are set for its servers."""
    wsgi_target: str | None = None
    """The same app as a WSGI callable, for servers that speak WSGI only; `target` is the ASGI callable."""
    on_trio: frozenset[str] | None = None
    """Names of the scenarios that it can answer without asyncio; None if unknown, and then all are tried on trio."""
    scenarios: frozenset[str] | None = None
    """Names of the scenarios that it answers; None means all."""
    requires: tuple[str, ...] = ()
    """Distributions that must be installed, the framework first."""
    runs_in: Path | None = None
    """Working directory of its servers, for relative paths and `.env` files; None means `directory`."""
    imports_from: tuple[Path, ...] = ()
    """Further folders on the import path."""
    headers: tuple[tuple[str, str], ...] = ()
    """Headers of the request for `ready_path`; names are in lower case."""
    login: Login | None = None
    """How a user logs in to it."""
    commit: str | None = None
    """Of a revision that is compared with another one."""
    python: str | None = None
    """The interpreter that runs its servers; None for that of the run."""

    @property
    def working_directory(self) -> Path:
        """Where its servers run."""
        return self.runs_in or self.directory.resolve()


@dataclass(frozen=True)
class Launch:
    """Everything that a server's command line is made from."""

    host: str
    port: int
    target: str
    workers: int = 1
    tls: Tls | None = None
    python: str = "python"
    prefix: str = ""
    """The path that requests are sent under, of a server that runs already."""

    @property
    def address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def module(self) -> list[str]:
        """Start of a command that runs an installed package with the interpreter under test: `python -m`."""
        return [self.python, "-m"]

    def program(self, name: str) -> str:
        """A command that a package has installed beside the interpreter under test."""
        return str(Path(self.python).parent / name)


@dataclass(frozen=True)
class RunsAt:
    """Where a server answers that runs already, and which processes are its own; without either, they are unknown."""

    host: str
    port: int
    prefix: str = ""
    """The path that requests are sent under, without a slash at its end."""
    tls: bool = False
    ca: Path | None = None
    """PEM file of certificates to trust, beside the system's."""
    pid: int | None = None
    """The first process of its tree."""
    cgroup: Path | None = None
    """Folder of the control group that holds its processes."""

    @property
    def url(self) -> str:
        """Where it answers: `https://127.0.0.1:9000/api`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{self.prefix}"


@dataclass(frozen=True)
class Server:
    """A program that serves an app, with one fixed set of options: an entry of the catalogue, or a user's command.

    `command` is a pure function: the same `Launch` gives the same argv.
    """

    name: str
    requires: tuple[str, ...]
    """Distributions that must be installed, the server first: its version is reported as the server's version."""
    protocols: frozenset[Protocol]
    command: Callable[[Launch], list[str]]
    unsupported: Mapping[Protocol, str] = field(default_factory=dict)
    """Why a protocol is not in `protocols`; reports print it."""
    max_workers: int | None = None
    interface: Interface = "asgi"
    event_loop: EventLoop = "asyncio"
    python: str | None = None
    """Interpreter of an environment of its own, as `granian@2.8.6` has; None means the interpreter of the run."""
    version: str | None = None
    """The server's version in that environment."""
    displaces: str | None = None
    """The server whose module it brings under the same name: an interpreter has only one of the two, so this one gets
    an environment of its own, with its `version`."""
    requires_for: Mapping[Protocol, tuple[str, ...]] = field(default_factory=dict)
    """Further distributions that single protocols need; without them, the server speaks the others."""
    arguments: tuple[str, ...] = ()
    """What `--server-args` adds to the end of the command line; `command` includes it."""
    template: tuple[str, ...] = ()
    """The words of a command of one's own, with their placeholders; empty for a server that a file describes."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that are set for this server only."""
    runs_in: Path | None = None
    """Working directory, where it is not the app's."""
    runs_at: RunsAt | None = None
    """Of a server that is neither started nor stopped."""

    def with_arguments(self, arguments: Sequence[str]) -> Server:
        """The same server with further arguments at the end of its command line."""
        command = self.command
        every = (*self.arguments, *arguments)
        return replace(self, command=lambda launch: [*command(launch), *arguments], arguments=every)

    def target(self, app: App) -> str | None:
        """The callable of `app` that this server can serve; None if the app has none for its interface."""
        return app.wsgi_target if self.interface == "wsgi" else app.target


@dataclass(frozen=True)
class Scenario:
    """A Locust file: what a user of the app does, and which answers are right."""

    name: str
    path: Path
    protocols: frozenset[Protocol]
    summary: str
    """The first line of the file's docstring."""
    ours: bool = True
    """Is it built on `harness.load`? Other Locust users check answers only as far as they do so themselves, and can be
    measured in a closed loop only."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that the file is given."""
    tags: tuple[str, ...] = ()
    """Only tasks with one of these tags are run; all, if there are none."""
    excluded_tags: tuple[str, ...] = ()
    """Tasks with one of these tags are not run."""
    headers: tuple[tuple[str, str], ...] = ()
    """Headers that the harness adds to its requests; names are in lower case."""
    users: int | None = None
    """How many users it is meant for, unless a number is asked for; None for the usual number."""
