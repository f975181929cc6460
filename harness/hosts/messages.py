"""What the harness asks an agent on another machine, and what that answers: lines of JSON over a pipe."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from harness.model.records import Sample

BEAT_S = 1.0
"""The harness sends something at least this often."""
SILENCE_S = 4.0
"""After so long without a line, either side takes the other one for lost; servers over there are gone then."""


class Greeting(msgspec.Struct, frozen=True, tag_field="harness_agent", tag="greeting"):
    """The first line of an agent, which every version understands: what it is."""

    version: str
    """Of the harness over there."""
    catalogue: str = ""
    """A digest of its servers, its apps, and these messages."""
    python: str = ""
    """The interpreter that it runs with."""
    machine_id: str = ""
    """Of the kernel that it runs on, since its start."""
    network: str = ""
    """Of the network that it is in, on that kernel."""
    cpus: tuple[int, ...] = ()
    """That it may use."""


class Request(msgspec.Struct, frozen=True, tag_field="ask"):
    """What an agent is asked; the docstrings say what it answers."""


class Ping(Request, frozen=True):
    """Its monotonic clock now, in ns."""


class DescribePython(Request, frozen=True):
    """What is known of an interpreter there: `Interpreter`."""

    python: str


class Interpreter(msgspec.Struct, frozen=True):
    """An interpreter over there."""

    description: str | None
    """Version and build; None if it does not run."""
    packages: Mapping[str, str]


class FindApp(Request, frozen=True):
    """Look for a user app: `FoundApp`. The options are those of `find_user_app`."""

    target: str
    wsgi: str | None
    directory: str
    ready_path: str
    python: str
    factory: bool
    import_path: str | None


class FoundApp(msgspec.Struct, frozen=True):
    """A user app as it is over there."""

    name: str
    target: str
    wsgi_target: str | None
    directory: str
    environment: Mapping[str, str]
    digest: str
    """Of its Python files."""
    commit: str | None


class ReadMachine(Request, frozen=True):
    """Facts about the machine: `Machine`."""

    look_s: float


class ChoosePort(Request, frozen=True):
    """A port that is free at this address; an error if the machine has no such address."""

    address: str


class Certificate(msgspec.Struct, frozen=True):
    """A certificate and its key, in PEM."""

    chain: str
    key: str


class StartServer(Request, frozen=True):
    """Start a server of the catalogue, without waiting until it is ready: `StartedServer`."""

    server: str
    arguments: tuple[str, ...]
    """Of `--server-args`."""
    app: str
    """The target of an app of the catalogue, or of the app that was found last."""
    environment: Mapping[str, str]
    """Variables of the app."""
    host: str
    port: int
    target: str
    workers: int
    python: str
    cpus: tuple[int, ...]
    tls: Certificate | None


class StartedServer(msgspec.Struct, frozen=True):
    """A server that has been started."""

    number: int
    """By which it is named from now on."""
    argv: tuple[str, ...]


class OfServer(Request, frozen=True):
    """What is asked of one server."""

    number: int


class ListWaiting(OfServer, frozen=True):
    """Its processes that wait for connections."""


class CheckListeners(OfServer, frozen=True):
    """Nothing, or an error unless it alone listens on its port."""


class SayWhereElse(OfServer, frozen=True):
    """Where it listens, for the end of an error message."""


class ReadMemory(OfServer, frozen=True):
    """Memory of its process tree in bytes."""


class StartSampling(OfServer, frozen=True):
    """Nothing; from now on it is sampled."""


class EndSampling(OfServer, frozen=True):
    """What was sampled: `Sampled`."""


class Sampled(msgspec.Struct, frozen=True):
    """What was sampled of a server, on the clock over there."""

    samples: tuple[Sample, ...]
    ended_workers: tuple[int, ...]
    new_workers: int


class ReadLog(OfServer, frozen=True):
    """The end of its log."""


class StopServer(OfServer, frozen=True):
    """How it was stopped: `Stopped`."""

    grace_s: float


Any = (
    Ping
    | DescribePython
    | FindApp
    | ReadMachine
    | ChoosePort
    | StartServer
    | ListWaiting
    | CheckListeners
    | SayWhereElse
    | ReadMemory
    | StartSampling
    | EndSampling
    | ReadLog
    | StopServer
)


class Call(msgspec.Struct, frozen=True):
    """A line to the agent."""

    number: int
    """The answer has the same."""
    request: Any


class Answer(msgspec.Struct, frozen=True, tag_field="harness_agent", tag="answer"):
    """A line from the agent."""

    number: int
    value: msgspec.Raw = msgspec.Raw(b"null")
    error: str | None = None
    """What was wrong, in one line."""


class Ended(msgspec.Struct, frozen=True, tag_field="harness_agent", tag="ended"):
    """A line from the agent: a server ended by itself."""

    number: int
    how: str
