"""Another machine as a server host: an agent over there, which the user's own ssh starts, does what takes processes.

Readiness is checked from here, through the network, as users reach a server.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from msgspec.structs import replace

from harness.catalog import packages
from harness.host import guard, logs, process
from harness.host.files import open_new, storing
from harness.host.readiness import Readiness
from harness.host.server_processes import Stopped
from harness.hosts import messages
from harness.hosts.agent import greet
from harness.hosts.clock import rebase
from harness.hosts.connection import Connection
from harness.hosts.installation import install
from harness.hosts.link import LiveLink
from harness.model.errors import ServerError, UsageError
from harness.model.machine import Machine
from harness.model.records import Sample
from harness.model.targets import Launch
from harness.text.secrets import Secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness.model.clocks import Offset
    from harness.model.records import Active
    from harness.model.targets import App, Server, Tls

_EXAMPLE = "ssh://user@10.0.0.2"
_DESTINATION = re.compile(
    r"ssh://(?P<name>(?:\w[\w.-]*@)?(?:\w[\w.-]*|\[[0-9A-Fa-f:.]+(?:%\w+)?\]))(?::(?P<port>\d{1,5}))?/?", re.ASCII
)
"""What ssh takes, without what it may take for an option."""
_LAST_PORT = 65_535
_RETRY_S = 10.0
"""A machine that could not be reached is not tried again for this long."""
_PYTHON = "python3"
_CONNECT_S = 30
"""So long may ssh take to connect; after three questions without an answer in a like time it ends."""


@dataclass(frozen=True)
class Destination:
    """Where ssh connects to."""

    url: str
    name: str
    """As messages have it: `user@10.0.0.2`."""

    def ssh(self, *command: str) -> tuple[str, ...]:
        """The command that runs another one over there; it never asks for a password."""
        waiting = ("-o", f"ConnectTimeout={_CONNECT_S}", "-o", f"ServerAliveInterval={_CONNECT_S // 3}")
        return ("ssh", "-T", "-o", "BatchMode=yes", *waiting, self.url, shlex.join(command))


def parse_destination(text: str) -> Destination:
    """Read the value of `--server-host`; raises `UsageError` for anything but `ssh://[USER@]HOST[:PORT]`."""
    found = _DESTINATION.fullmatch(text)
    if found is None or not 0 < int(found["port"] or 1) <= _LAST_PORT:
        raise UsageError(f"--server-host: expected ssh://USER@HOST, such as {_EXAMPLE}, found {Secrets().mask(text)}")
    return Destination(text.removesuffix("/"), found["name"])


def parse_address(text: str | None) -> str:
    """Read the value of `--bind`; raises `UsageError` for anything but one address of an interface."""
    with suppress(ValueError):
        address = ipaddress.IPv4Address(text or "")
        if not (address.is_unspecified or address.is_multicast):
            return str(address)
    found = text or "none"
    expected = "the IPv4 address over there that servers listen on, such as 10.0.0.2"
    raise UsageError(f"--bind: expected {expected}, found {found}")


class RemoteHost:
    """A machine with an agent. One that was lost is started again for the next server.

    Raises `UsageError` if there is none, or if it is of another version.
    """

    def __init__(
        self, destination: Destination, address: str, python: tuple[str, ...], folder: Path, token: str
    ) -> None:
        self.name = destination.name
        self.address = address
        self.link: LiveLink | None = LiveLink(address)
        self._destination = destination
        self._python = python
        self._said = folder / "ssh.log"
        self._token = token
        self._asked_app: messages.FindApp | None = None
        self.user_app: messages.FoundApp | None = None
        self._retry_s = float("-inf")
        try:
            self.connection = self._connect()
            self.cpus = self.available_cpus
            self.python = self.connection.greeting.python
        except ServerError as error:
            raise UsageError(f"--server-host {destination.url}: {error}") from None
        here, there = greet(), self.connection.greeting
        is_own = (here.machine_id, here.network) == (there.machine_id, there.network)
        if ipaddress.IPv4Address(address).is_loopback and not is_own:
            self.connection.close()
            raise UsageError(f"--bind: expected an address that is reached from here, found {address}, a loopback one")
        try:
            self.connection.ask(messages.ChoosePort(address))
        except ServerError as error:
            self.connection.close()
            raise UsageError(f"--bind: expected an address of {self.name}, found {error}") from None
        self._failure = ""

    def close(self) -> None:
        self.connection.close()

    @property
    def available_cpus(self) -> frozenset[int]:
        return frozenset(self.connection.greeting.cpus)

    @property
    def is_this_machine(self) -> bool:
        """Is it a network namespace or a container on the machine of the harness, with the same CPUs?"""
        return self.connection.greeting.machine_id == greet().machine_id

    def find_python(self, given: str | None) -> str:
        """The interpreter over there that runs servers, by a name that `packages` knows; raises `UsageError`."""
        path = given or self.connection.greeting.python
        found: messages.Interpreter = self._ask(messages.DescribePython(path), messages.Interpreter)
        if found.description is None:
            raise UsageError(f"--python: expected an interpreter on {self.name}, found that {path} does not run Python")
        name = f"{self.name}:{path}"
        runs = shlex.join(("ssh", self._destination.url, path))
        packages.learn(name, packages.Elsewhere(found.description, found.packages, runs))
        return name

    def find_app(self, asked: messages.FindApp) -> messages.FoundApp:
        """Look for a user app over there; raises `UsageError`."""
        self._asked_app = replace(asked, python=self._strip(asked.python))
        try:
            found: messages.FoundApp = self._ask(self._asked_app, messages.FoundApp)
        except ServerError as error:
            raise UsageError(f"{error} (on {self.name})") from None
        self.user_app = found
        return found

    def make_launch(self, _server: Server, target: str, workers: int, tls: Tls | None, python: str) -> Launch:
        port: int = self._ask(messages.ChoosePort(self.address), int)
        return Launch(self.address, port, target, workers, tls, self._strip(python))

    def start(
        self, server: Server, app: App, launch: Launch, *, log: Path, token: str, deadline_s: float | None = None
    ) -> RemoteServer:
        """Start a server and wait until it gives the right answer here; raises `ServerError`."""
        del token  # its processes have that of the agent
        with storing(log):
            open_new(log).close()
        began = time.perf_counter()
        started: messages.StartedServer = self._ask(_describe(server, app, launch, self.cpus), messages.StartedServer)
        running = RemoteServer(self.connection, started, log)
        try:
            running.await_answer(server, app, launch, began, deadline_s)
        except ServerError as error:
            running.stop(grace_s=0)
            said = logs.quote_reason(log)
            raise ServerError(f"{error}{said}; its log is {log}", logs.tail(log), error.ended) from None
        except BaseException:
            running.stop(grace_s=0)
            raise
        return running

    def read_machine(self, look_s: float) -> Machine:
        found: Machine = self._ask(messages.ReadMachine(look_s), Machine)
        return found

    def _strip(self, python: str) -> str:
        """The path of an interpreter over there."""
        return python.removeprefix(f"{self.name}:")

    def _ask(self, request: messages.Any, answer: Any) -> Any:
        """What the agent answers, or another one in place of one that was lost."""
        if self.connection.lost is not None:
            self._connect_again()
        return self.connection.ask(request, answer)

    def _connect_again(self) -> None:
        if time.monotonic() >= self._retry_s:
            self.connection.close()
            try:
                self.connection = self._connect()
            except ServerError as error:
                self._retry_s = time.monotonic() + _RETRY_S
                self._failure = str(error)
            else:
                return
        raise ServerError(f"{self.name}: {self._failure}")

    def _connect(self) -> Connection:
        ssh = self._destination.ssh(*self._python, "-m", "harness", "agent")
        found = Connection(ssh, self.name, self._said, self._token)
        try:
            self._check_version(found.greeting)
            if self._asked_app is not None:
                found.ask(self._asked_app)
        except BaseException:
            found.close()
            raise
        return found

    def _check_version(self, there: messages.Greeting) -> None:
        here = greet()
        if (here.version, here.catalogue) != (there.version, there.catalogue):
            same = f"{there.version} with other servers or apps" if here.version == there.version else there.version
            hint = "install the same over there, or use --install"
            raise ServerError(f"expected harness {here.version}, as here, found {same}; {hint}")


class RemoteServer:
    """A server over there."""

    active: Active | None = None

    def __init__(self, connection: Connection, started: messages.StartedServer, log: Path) -> None:
        self.argv = started.argv
        self.log = log
        self.ready_s = 0.0
        """Time from asking for it to the first right answer; with several workers, until all of them are ready."""
        self.first_request_s: float | None = None
        self._connection = connection
        self._number = started.number
        self._stopped: Stopped | None = None

    @property
    def watched(self) -> int:
        return id(self)

    @property
    def ended(self) -> str | None:
        if (how := self._connection.ended.get(self._number)) is not None:
            return how
        lost = self._connection.lost
        return None if lost is None or self._stopped is not None else f"the loss of its host: {lost}"

    def await_answer(self, server: Server, app: App, launch: Launch, began: float, deadline_s: float | None) -> None:
        """Wait until it, or each of its workers, gives the right answer here; raises `ServerError`."""
        limit_s = deadline_s or process.DEADLINE_S
        readiness = _Readiness(app, launch, began + limit_s, self)
        expected = f"{server.name}: expected the right answer to GET {app.ready_path}"
        while (missing := readiness.missing()) is not None:
            if (ended := self.ended) is not None:
                raise ServerError(f"{expected}, found that it ended with {ended}", ended=ended)
            if time.perf_counter() >= readiness.deadline:
                named = " (--ready-within)" if deadline_s else ""
                why = self._explain_silence() if readiness.first_request_s is None else ""
                raise ServerError(f"{expected} within {limit_s:g} s{named}, found {missing}{why}")
            time.sleep(process.POLL_S)
        self.ready_s = time.perf_counter() - began
        self._connection.ask(messages.CheckListeners(self._number))
        self.first_request_s, self.active = readiness.first_request_s, readiness.active()

    def list_waiting(self) -> set[int]:
        """Its processes that wait for connections."""
        return set(self._connection.ask(messages.ListWaiting(self._number), list[int]))

    def memory_bytes(self) -> int | None:
        with suppress(ServerError):
            found: int | None = self._connection.ask(messages.ReadMemory(self._number), int | None)
            return found
        return None

    def sample(self) -> _Sampler:
        return _Sampler(self._connection, self._number, self.fetch_log)

    def fetch_log(self) -> None:
        """Bring the end of its log here."""
        with suppress(ServerError, OSError):  # records, which are written too, tell of a full disk
            self.log.write_text(self._connection.ask(messages.ReadLog(self._number), str))

    def stop(self, grace_s: float = process.GRACE_S) -> Stopped:
        if self._stopped is None:
            stopped = Stopped(None, killed=False)
            with suppress(ServerError):
                stopped = self._connection.ask(messages.StopServer(self._number, grace_s), Stopped)
            self.fetch_log()
            self._stopped = stopped
        return self._stopped

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _explain_silence(self) -> str:
        """Where it listens, for the end of an error message."""
        with suppress(ServerError):
            self._connection.ask(messages.CheckListeners(self._number))
            return f"; it listens over there, so is there a firewall before {self._connection.name}?"
        with suppress(ServerError):
            where: str = self._connection.ask(messages.SayWhereElse(self._number), str)
            return where
        return ""


class _Readiness(Readiness):
    """Asks from here; only which processes wait for connections must be seen over there."""

    def __init__(self, app: App, launch: Launch, deadline: float, running: RemoteServer) -> None:
        super().__init__(app, launch, deadline, set)
        self._running = running

    def waiting_pids(self) -> set[int]:
        return self._running.list_waiting()


class _Sampler:
    """Has a server sampled over there; its samples are at times of the clock here."""

    ended_workers: tuple[int, ...] = ()
    new_workers = 0

    def __init__(self, connection: Connection, number: int, fetch_log: Callable[[], None]) -> None:
        self._connection = connection
        self._number = number
        self._fetch_log = fetch_log
        self._before: Offset | None = None
        self.samples: tuple[Sample, ...] = (Sample(time.perf_counter_ns(), 0.0, 0),)
        """Without an agent, one that says that nothing is known."""

    def __enter__(self) -> Self:
        with suppress(ServerError):
            self._connection.ask(messages.StartSampling(self._number))
            self._before = self._connection.read_offset()
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is None:
            return
        with suppress(ServerError):
            sampled: messages.Sampled = self._connection.ask(messages.EndSampling(self._number), messages.Sampled)
            self.samples = rebase(sampled.samples, self._before, self._connection.read_offset())
            self.ended_workers, self.new_workers = sampled.ended_workers, sampled.new_workers
        self._fetch_log()


def _describe(server: Server, app: App, launch: Launch, cpus: frozenset[int]) -> messages.StartServer:
    tls = launch.tls
    return messages.StartServer(
        server.name,
        server.arguments,
        app.target,
        app.environment,
        launch.host,
        launch.port,
        launch.target,
        launch.workers,
        launch.python,
        tuple(sorted(cpus)),
        None if tls is None else messages.Certificate(tls.certificate.read_text(), tls.key.read_text()),
    )


@contextmanager
def open_remote_host(
    url: str, address: str | None, python: str | None, *, install_with: Callable[[str], object] | None = None
) -> Iterator[RemoteHost]:
    """A server host for as long as the block lasts; raises `UsageError` if it cannot be had.

    With `install_with`, which is told how far that is, the harness is installed there first; `python` is the
    interpreter to begin with.
    """
    destination, own = parse_destination(url), parse_address(address)
    given = python or _PYTHON
    command = (given,) if install_with is None else install(destination, given, install_with)
    with guard.guard() as token, guard.temporary_folder() as folder:
        host = RemoteHost(destination, own, command, folder, token)
        try:
            yield host
        finally:
            host.close()
