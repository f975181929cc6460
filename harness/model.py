"""What passes between the stages: frozen dataclasses, literals and errors, and nothing that acts.

Units stand in the names: `_s` seconds, `_us` microseconds, `_ns` nanoseconds of the monotonic clock,
`_bytes`, `_rps` requests per second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

SCHEMA = 1
"""Version of `summary.json`, `run.json`, `trials.jsonl` and `lives.jsonl`; goes up on an incompatible change."""

Protocol = Literal["h1", "h1-tls", "h2", "h2c", "ws", "ws-tls", "h3"]
"""HTTP/1.1 in clear and over TLS, HTTP/2 over TLS (ALPN) and in clear (prior knowledge), WebSocket in clear or TLS,
HTTP/3 (over QUIC, which has TLS in it)."""

PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
TLS_PROTOCOLS: frozenset[Protocol] = frozenset({"h1-tls", "h2", "ws-tls", "h3"})
WEBSOCKET_PROTOCOLS: frozenset[Protocol] = frozenset({"ws", "ws-tls"})
HTTP2_PROTOCOLS: frozenset[Protocol] = frozenset({"h2", "h2c"})

PROTOCOL_NAMES: Mapping[Protocol, str] = {
    "h1": "HTTP/1.1",
    "h1-tls": "HTTP/1.1 with TLS",
    "h2": "HTTP/2 with TLS",
    "h2c": "HTTP/2 in clear",
    "ws": "WebSocket",
    "ws-tls": "WebSocket with TLS",
    "h3": "HTTP/3",
}
"""What people call them."""

Method = Literal["get", "post", "put", "patch", "delete"]
"""What an app of one's own may be asked by."""

METHODS: tuple[Method, ...] = get_args(Method)
SAFE_METHODS: tuple[Method, ...] = ("get",)
"""Those that change nothing that the app stores (RFC 9110, 9.2.1)."""

Interface = Literal["asgi", "wsgi"]
"""What a server calls an app by."""

EventLoop = Literal["asyncio", "trio"]
"""What a server runs an ASGI app on; uvloop and its like are asyncio to the app."""

Verdict = Literal["valid", "client-limited", "invalid", "unsupported", "failed"]
"""May a number be believed: yes · it measures the generator · no · there is none to be had · none came."""


class HarnessError(Exception):
    """A fault that has a cause outside this program; its text is one line: expected, found, what to do."""


class UsageError(HarnessError):
    """An option or a configuration key that cannot be followed; the text names the key."""


class ServerError(HarnessError):
    """A server that did not start, or did not stay.

    `log_tail` holds the last lines it wrote; `ended` is how its first process ended, such as `exit status 1`, None for
    one that lived on.
    """

    def __init__(self, message: str, log_tail: str = "", ended: str | None = None) -> None:
        super().__init__(message)
        self.log_tail = log_tail
        self.ended = ended


class LoadError(HarnessError):
    """A load generator that gave no result; `log_tail` holds the last lines it wrote."""

    def __init__(self, message: str, log_tail: str = "") -> None:
        super().__init__(message)
        self.log_tail = log_tail


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


@dataclass(frozen=True)
class Case:
    """server × app × scenario × protocol × load × workers: one row of the answer."""

    server: str
    app: str
    scenario: str
    protocol: Protocol
    load: str = "saturate"
    users: int = 32
    streams: int = 1
    workers: int = 1

    @property
    def life(self) -> Life:
        return Life(self.server, self.app, self.workers, self.protocol in TLS_PROTOCOLS)

    def __str__(self) -> str:
        return f"{self.scenario} · {self.protocol} · {self.server}"


@dataclass(frozen=True)
class Life:
    """One start of one server, from exec to stop; every trial that can share it runs within it."""

    server: str
    app: str
    workers: int
    tls: bool


@dataclass(frozen=True)
class Selection:
    """What was asked for, complete and checked: the options of a run after defaults, file and command line."""

    servers: tuple[Server, ...]
    apps: tuple[App, ...]
    scenarios: tuple[Scenario, ...]
    protocols: tuple[Protocol, ...]
    load: str = "saturate"
    users: int = 32
    streams: int = 1
    workers: tuple[int, ...] = (1,)
    rounds: int = 5
    """How many at least; with a precision to reach, up to `max_rounds`."""
    precision: float | None = None
    """Half the width that the intervals of the ratios to the baseline shall not exceed: 0.05 is ±5 %."""
    max_rounds: int = 20
    warmup_s: float = 0.5
    duration_s: float = 2.0
    baseline: str | None = None
    """Server that the others are compared with, under `baseline_app`."""
    baseline_app: str | None = None
    seed: int = 0
    load_processes: int = 1
    ready_within_s: float = 15.0
    """How long a server may take until its first right answer."""
    python: str = "python"
    """Interpreter that runs the servers, but those with one of their own."""
    not_installed: Mapping[str, str] = field(default_factory=dict)
    """Name of a server or an app to the words that say what is missing and how to install it."""


@dataclass(frozen=True)
class Stint:
    """The trials of one life of a server, in the order in which they run."""

    life: Life
    cases: tuple[Case, ...]


@dataclass(frozen=True)
class Exclusion:
    """A case that was asked for and cannot be measured, and why."""

    case: Case
    reason: str


@dataclass(frozen=True)
class Plan:
    """Everything that will be done, decided before the first process starts."""

    rounds: tuple[tuple[Stint, ...], ...]
    exclusions: tuple[Exclusion, ...]
    estimate_s: float
    further: tuple[tuple[Stint, ...], ...] = ()
    """Rounds to be added while a precision is not reached."""

    @property
    def cases(self) -> tuple[Case, ...]:
        """Each once, in the order in which they first come."""
        return tuple(dict.fromkeys(case for stints in self.rounds for stint in stints for case in stint.cases))

    @property
    def trial_count(self) -> int:
        return sum(len(stint.cases) for stints in self.rounds for stint in stints)
