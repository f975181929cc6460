"""The side of a server host that is over there: does what the lines on its standard input ask, and ends with them.

It starts only servers of the catalogue, with an app of the catalogue or the user's, and ends everything that it started
when the pipe is closed, when nothing came for `SILENCE_S`, or, by its guard, when it is killed itself.
"""

from __future__ import annotations

import os
import select
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from time import perf_counter_ns
from typing import TYPE_CHECKING, NoReturn, Self

import msgspec

from harness.catalog import listing, packages
from harness.catalog.sources import commit, digest, digest_catalogue, list_modules, package_of
from harness.catalog.user_app import find_user_app
from harness.host import cpus, facts, guard, logs, proc, process
from harness.host.readiness import Readiness
from harness.host.sampler import Sampler
from harness.hosts import messages
from harness.hosts.null import APP, NULL
from harness.model.errors import HarnessError, ServerError
from harness.model.targets import App, Launch, Tls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.host.server_processes import StartedProcesses, Stopped
    from harness.model.targets import Server

_WATCH_S = 0.05
"""How often it is looked whether servers still run."""
_THREADS = 32
"""More than servers of a block: all of them may be stopped at the same time."""
_MOST_BYTES = 1 << 16
_LOG_LINES = 1_000
"""So many lines of a log are brought back, at most."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_NETWORK = Path("/proc/self/ns/net")


def greet() -> messages.Greeting:
    """What the first line of an agent says; the harness compares it with its own."""
    return messages.Greeting(
        version=packages.version("asgi-harness") or "unknown",
        catalogue=digest_catalogue(),
        python=sys.executable,
        machine_id=_BOOT_ID.read_text().strip(),
        network=str(_NETWORK.readlink()),
        cpus=tuple(sorted(cpus.available())),
    )


def serve() -> NoReturn:
    """Answer what standard input asks, until it ends or is silent for too long; then end this process.

    Nothing is written by the thread that listens: on a network that is cut off, writing takes until TCP gives up.
    """
    incoming, outgoing = os.dup(0), os.dup(1)
    # What is printed by mistake is no part of the conversation.
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.dup2(2, 1)
    with ExitStack() as stack:
        token = stack.enter_context(guard.guard())
        folder = stack.enter_context(guard.temporary_folder())
        agent = stack.enter_context(_Agent(outgoing, token, folder))
        pool = ThreadPoolExecutor(_THREADS)
        agent.say(greet())
        for line in _read_lines(incoming):
            pool.submit(agent.answer, msgspec.json.decode(line, type=messages.Call))
    os._exit(0)  # without waiting for threads that write


def _read_lines(incoming: int) -> Iterator[bytes]:
    rest = b""
    while select.select([incoming], [], [], messages.SILENCE_S)[0]:
        if not (read := os.read(incoming, _MOST_BYTES)):
            return
        *lines, rest = (rest + read).split(b"\n")
        yield from lines


class _Hosted:
    """A server that was started."""

    def __init__(self, server: Server, app: App, launch: Launch, cpus: frozenset[int], log: Path, token: str) -> None:
        self._server = server
        self._launch = launch
        self._log = log
        process.check_port_is_free(server, launch)
        own = f"{token}/{launch.port}"
        self._processes: StartedProcesses = process.spawn(server, app, launch, cpus=cpus, log=log, token=own)
        self._readiness = Readiness(app, launch, 0.0, self._processes.left)
        self._cpus = cpus
        self._sampler: Sampler | None = None
        self._lock = threading.Lock()
        self._stopped: Stopped | None = None
        self._is_told = False

    def left(self) -> set[int]:
        return self._processes.left()

    def find_end(self) -> str | None:
        """How it ended by itself, once."""
        how = None if self._is_told else self._processes.ended()
        self._is_told = self._is_told or how is not None
        return how

    def do(self, request: messages.OfServer) -> object:
        """Answer a request."""
        value: object = None
        match request:
            case messages.ListWaiting():
                value = sorted(self._readiness.waiting_pids())
            case messages.CheckListeners():
                process.check_listeners(self._server, self._launch, self._processes.left())
            case messages.SayWhereElse():
                value = process.say_where_else(self._processes.left(), self._launch.port)
            case messages.ReadMemory():
                value = proc.tree_memory_bytes(*self._processes.roots())
            case messages.StartSampling():
                self._sampler = Sampler(self._processes.roots, self._cpus).__enter__()
            case messages.EndSampling():
                value = self._end_sampling()
            case messages.ReadLog():
                value = logs.tail(self._log, _LOG_LINES, logs.KEPT_BYTES)
            case messages.StopServer():
                value = self.stop(request.grace_s)
        return value

    def _end_sampling(self) -> messages.Sampled:
        assert self._sampler is not None  # noqa: S101 - the harness asks in order
        sampled, self._sampler = self._sampler, None
        sampled.__exit__()
        return messages.Sampled(sampled.samples, sampled.ended_workers, sampled.new_workers)

    def stop(self, grace_s: float) -> Stopped:
        with self._lock:
            self._is_told = True
            if self._stopped is None:
                self._stopped = self._processes.end(grace_s)
            return self._stopped


class _Agent:
    """What has been started, and how to answer; at the end of the block all of it is ended."""

    def __init__(self, outgoing: int, token: str, folder: Path) -> None:
        self._outgoing = outgoing
        self._token = token
        self._folder = folder
        self._writing = threading.Lock()
        self._starting = threading.Lock()
        self._numbers = count(1)
        self._hosted: dict[int, _Hosted] = {}
        self._user_app: App | None = None
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._starting:  # nothing is started from now on
            self._ended.set()
        guard.kill(pid for each in self._hosted.values() for pid in each.left())

    def say(self, line: messages.Greeting | messages.Answer | messages.Ended) -> None:
        """Write a line; nothing if nobody reads any more, which the end of standard input tells too."""
        text = msgspec.json.encode(line) + b"\n"
        with self._writing, suppress(OSError):
            while text:
                text = text[os.write(self._outgoing, text) :]

    def answer(self, call: messages.Call) -> None:
        """Do what is asked and say what came of it."""
        try:
            value = self._do(call.request)
            answer = messages.Answer(call.number, msgspec.Raw(msgspec.json.encode(value)))
        except HarnessError as error:
            answer = messages.Answer(call.number, error=str(error))
        except Exception as error:  # noqa: BLE001 - the harness would wait for an answer
            answer = messages.Answer(call.number, error=f"internal error of the agent: {type(error).__name__}: {error}")
        self.say(answer)

    def _do(self, request: messages.Request) -> object:
        value: object = None
        match request:
            case messages.Ping():
                value = perf_counter_ns()
            case messages.DescribePython(python):
                value = messages.Interpreter(packages.interpreter(python), packages.installed(python))
            case messages.FindApp():
                value = self._find_app(request)
            case messages.ReadMachine(look_s):
                value = facts.read_machine(look_s=look_s)
            case messages.ChoosePort(address):
                value = _choose_port(address)
            case messages.StartServer():
                value = self._start(request)
            case messages.OfServer(number):
                value = self._hosted[number].do(request)
        return value

    def _find_app(self, asked: messages.FindApp) -> messages.FoundApp:
        """Servers run in the folder of the app."""
        directory = Path(asked.directory).expanduser().absolute()
        with suppress(OSError):
            os.chdir(directory)

        def find(target: str, option: str, *, factory: bool = False) -> App:
            return find_user_app(
                target,
                directory,
                asked.ready_path,
                python=asked.python,
                factory=factory,
                import_path=asked.import_path,
                option=option,
            )

        app = find(asked.target, "app", factory=asked.factory)
        same = asked.factory and asked.wsgi == asked.target
        wsgi = None if asked.wsgi is None else find(asked.wsgi, "wsgi", factory=same).target
        self._user_app = replace(app, wsgi_target=wsgi)
        return messages.FoundApp(
            app.name,
            app.target,
            wsgi,
            str(app.directory),
            app.environment,
            digest(list_modules(app.directory / package_of(app))),
            commit(app.directory),
        )

    def _start(self, asked: messages.StartServer) -> messages.StartedServer:
        server = listing.find("servers", (*listing.servers(), NULL), asked.server)
        app = replace(self._get_app(asked.app), environment=asked.environment)
        number = next(self._numbers)
        launch = Launch(asked.host, asked.port, asked.target, asked.workers, self._store(asked.tls), asked.python)
        own = server.with_arguments(asked.arguments)
        log = self._folder / f"{number}.log"
        with self._starting:
            if self._ended.is_set():
                raise ServerError("expected an agent that goes on, found that it ends")
            self._hosted[number] = _Hosted(own, app, launch, frozenset(asked.cpus), log, self._token)
        return messages.StartedServer(number, tuple(own.command(launch)))

    def _get_app(self, target: str) -> App:
        """The app of this target: the user's, or one of the catalogue."""
        known = [*filter(None, [self._user_app]), APP, *listing.apps()]
        found = next((each for each in known if target in {each.target, each.wsgi_target}), None)
        if found is None:
            raise ServerError(f"expected an app of the catalogue, or the user's, found {target}")
        return found

    def _store(self, given: messages.Certificate | None) -> Tls | None:
        """The files of a certificate; they go with the agent."""
        if given is None:
            return None
        chain, key = self._folder / "server.pem", self._folder / "server.key"
        key.touch(mode=0o600)
        key.write_text(given.key)
        chain.write_text(given.chain)
        return Tls(chain, key, chain)

    def _watch(self) -> None:
        """Tell of servers that end by themselves."""
        while not self._ended.wait(_WATCH_S):
            for number, each in list(self._hosted.items()):
                if (how := each.find_end()) is not None:
                    self.say(messages.Ended(number, how))


def _choose_port(address: str) -> int:
    try:
        return process.free_port(address)
    except OSError as error:
        raise ServerError(f"{address}: {error.strerror}") from error
