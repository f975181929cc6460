"""Starts a server, waits until it gives the right answer, and ends all of its processes."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from harness.host import guard, inherited, logs, proc
from harness.host.cpus import running_on
from harness.host.readiness import Readiness
from harness.host.sampler import Sampler
from harness.host.server_processes import ForeignProcesses, StartedProcesses, Stopped
from harness.host.sockets import OWN, Network, find_holders, list_listeners
from harness.model.errors import ServerError
from harness.model.targets import HOST, Launch, RunsAt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.model.targets import App, Server, Tls

POLL_S = 0.01
DEADLINE_S = 15.0
"""How long a server may take until it is ready, unless --ready-within says otherwise."""
GRACE_S = 5.0
"""How long a server may take to stop before it is killed."""

_CLIENT_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_ABOVE_SERVICES = 10_000
_PORT_TRIES = 20


class Running:
    """A server that is ready; as a context manager it is stopped at the end of the block."""

    def __init__(
        self,
        processes: StartedProcesses | ForeignProcesses,
        argv: tuple[str, ...],
        log: Path,
        ready_s: float,
        readiness: Readiness,
        cpus: frozenset[int],
    ) -> None:
        self.argv = argv
        self.log = log
        self.ready_s = ready_s
        """Time from exec to the first right answer; with several workers, until all of them are ready."""
        self.first_request_s = readiness.first_request_s
        """Time from connecting to the end of the first answer."""
        self.active = readiness.active()
        """The event loop and the modules that the app reports; None if it does not report them."""
        self._processes = processes
        self._cpus = cpus
        self._stopped: Stopped | None = None

    @property
    def pid(self) -> int:
        """The first process of the tree of a server that was started here."""
        assert isinstance(self._processes, StartedProcesses)  # noqa: S101 - nobody else's processes are to be signalled
        return self._processes.leader

    @property
    def watched(self) -> RunsAt | int:
        """What tells its servers' processes from others: its first process, or what is known where it runs already."""
        if isinstance(self._processes, StartedProcesses):
            return self._processes.leader
        at = self._processes.runs_at
        return at if at.pid is None and at.cgroup is None else RunsAt("", 0, pid=at.pid, cgroup=at.cgroup)

    def roots(self) -> tuple[int, ...]:
        """The processes whose trees are the server, now; none if they are unknown."""
        return self._processes.roots()

    @property
    def ended(self) -> str | None:
        """How the first process ended, such as `exit status 1`; None while it runs."""
        return self._processes.ended()

    def sample(self) -> Sampler:
        """A sampler of its process tree, and of its CPUs."""
        return Sampler(self.roots, self._cpus)

    def memory_bytes(self) -> int | None:
        """Memory of its process tree now; None where its processes are unknown."""
        return proc.tree_memory_bytes(*self.roots())

    def processes(self) -> set[int]:
        """All processes of the server that are alive."""
        return self._processes.left()

    def stop(self, grace_s: float = GRACE_S) -> Stopped:
        """End every process of the server; a second call changes nothing and returns the same."""
        if self._stopped is None:
            self._stopped = self._processes.end(grace_s)
        return self._stopped

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(
    server: Server,
    app: App,
    launch: Launch,
    *,
    cpus: frozenset[int],
    log: Path,
    token: str,
    deadline_s: float | None = None,
    network: Network = OWN,
) -> Running:
    """Start `server` on `cpus` in a network and wait until it, or each of its workers, gives the right answer.

    `deadline_s` is the value of --ready-within; None means `DEADLINE_S`, and that there is no such option to mention.
    The processes carry `token` with the port as its suffix, so `guard.processes_of(token)` includes them.

    Raises:
        ServerError: The port is taken, or the server ended, or it gave no right answer in time.
            All of its processes have been ended then.

    """
    if server.runs_at is not None:
        return _find_running(server, server.runs_at, app, launch, log, deadline_s, cpus)
    check_port_is_free(server, launch, network)
    limit = f" within {deadline_s:g} s (--ready-within)" if deadline_s else f" within {DEADLINE_S:g} s"
    began = time.perf_counter()
    processes = spawn(server, app, launch, cpus=cpus, log=log, token=f"{token}/{launch.port}", network=network)
    try:
        readiness = Readiness(app, launch, began + (deadline_s or DEADLINE_S), processes.left, network)
        expected = f"{server.name}: expected the right answer to GET {app.ready_path}"
        _await_answer(expected, limit, readiness, processes, launch.port, network)
        ready_s = time.perf_counter() - began
        check_listeners(server, launch, processes.left(), network)
    except ServerError as error:
        processes.end(grace_s=0)
        raise ServerError(f"{error}{logs.quote_reason(log)}; its log is {log}", logs.tail(log), error.ended) from None
    except BaseException:
        processes.end(grace_s=0)
        raise
    return Running(processes, tuple(server.command(launch)), log, ready_s, readiness, cpus)


def spawn(
    server: Server, app: App, launch: Launch, *, cpus: frozenset[int], log: Path, token: str, network: Network = OWN
) -> StartedProcesses:
    """Start the server's first process on `cpus`, and wait for nothing; raises `ServerError` if that cannot be done."""
    argv = (*network.enter, *server.command(launch))
    runs_in = server.runs_in or app.working_directory
    environment = server_environment(os.environ, server, app, launch.python, token)
    kept = logs.Log(log)
    return StartedProcesses(_popen(argv, runs_in, environment, cpus, kept), token, kept)


def _find_running(
    server: Server,
    runs_at: RunsAt,
    app: App,
    launch: Launch,
    log: Path,
    deadline_s: float | None,
    cpus: frozenset[int],
) -> Running:
    """Wait until a server that runs already gives the right answer; raises `ServerError` as `start` does."""
    processes = ForeignProcesses(runs_at)
    log.touch()
    limit_s = deadline_s or DEADLINE_S
    readiness = Readiness(app, launch, time.perf_counter() + limit_s, set)
    expected = f"{server.name}: expected the right answer to GET {app.ready_path} from {runs_at.url}"
    _await_answer(expected, f" within {limit_s:g} s", readiness, processes, launch.port)
    return Running(processes, (), log, 0.0, readiness, cpus)


def make_launch(
    server: Server,
    target: str,
    workers: int = 1,
    tls: Tls | None = None,
    python: str = "python",
    address: str = HOST,
) -> Launch:
    """What a server is started with: a port that is free now, and the interpreter of its own if it has one."""
    at = server.runs_at
    host, port, prefix = (address, free_port(address), "") if at is None else (at.host, at.port, at.prefix)
    return Launch(host, port, target, workers, tls, server.python or python, prefix)


def free_port(host: str) -> int:
    """A TCP port that is free now and, if possible, outside the range from which the kernel gives clients theirs.

    A port in that range may belong to a connecting client by the time the server binds it: waiting for a server to
    become ready takes hundreds of connections a second.
    """
    candidates = _ports_below_clients()
    for port in random.sample(candidates, k=min(_PORT_TRIES, len(candidates))):
        with suppress(OSError):
            return _try_bind(host, port)
    return _try_bind(host, 0)


def _ports_below_clients() -> Sequence[int]:
    """The ports below the range from which clients get theirs, and above those of well-known services."""
    first_of_clients = int(_CLIENT_PORTS.read_text().split()[0])
    return range(min(_ABOVE_SERVICES, first_of_clients), first_of_clients)


def _try_bind(host: str, port: int) -> int:
    """Bind the port for a moment and return its number; raises `OSError` if it is taken.

    It does not listen: a process forked by another thread meanwhile inherits the socket until it calls exec, and a
    listening one would keep the port taken.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((host, port))
        bound: int = held.getsockname()[1]
        return bound


def check_port_is_free(server: Server, launch: Launch, network: Network = OWN) -> None:
    """Raise `ServerError` if another process has the port; in another network, there are only servers of the run.

    Some servers silently share a taken port (SO_REUSEPORT), and then the other process would get some of the requests.
    """
    if network != OWN:
        return
    try:
        _try_bind(launch.host, launch.port)
    except OSError as error:
        holders = ", ".join(f"process {pid}" for pid in _listeners(launch, network)) or error.strerror
        raise ServerError(
            f"{server.name}: expected {launch.address} to be free, found {holders}; stop it or use another port"
        ) from error


def _listeners(launch: Launch, network: Network) -> set[int | None]:
    """The processes that listen where a client of `launch` connects; None for one that this user may not inspect."""
    hosts = (launch.host, "0.0.0.0", "::")
    there = {each.inode for each in list_listeners(network) if each.port == launch.port and each.address in hosts}
    return {min(pids, default=None) for pids in find_holders(there).values()}


def check_listeners(server: Server, launch: Launch, own: set[int], network: Network = OWN) -> None:
    """Raise `ServerError` unless the server, whose processes are `own`, is the only one that listens on its port."""
    listeners = _listeners(launch, network)
    others = listeners.difference(own)
    if others or not listeners:
        found = ", ".join(f"process {pid}" for pid in others) or "none"
        raise ServerError(
            f"{server.name}: expected only itself to listen on {launch.address}, found {found}; use another port"
        )


def _popen(
    argv: tuple[str, ...], directory: Path, environment: dict[str, str], cpus: frozenset[int], log: logs.Log
) -> subprocess.Popen[bytes]:
    """Start the server's first process, in a new session."""
    with running_on(cpus), log.open() as output:
        try:
            return subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise ServerError(f"expected {argv[0]} to start in {directory}, found {error}; is it installed?") from error


def server_environment(
    variables: Mapping[str, str], server: Server, app: App, python: str, token: str
) -> dict[str, str]:
    """The environment of a server's processes: what of these variables is kept, the app's, and the server's.

    A command of one's own finds programs where the interpreter has its own, as in an activated virtual environment.
    """
    kept = {**inherited.clean(variables), "PYTHONUNBUFFERED": "1"}
    if server.template:
        kept["PATH"] = os.pathsep.join([str(Path(python).parent.absolute()), kept.get("PATH", os.defpath)])
    kept |= {**app.environment, **server.environment}
    path = [str(app.directory.resolve()), *map(str, app.imports_from), *filter(None, [kept.get("PYTHONPATH")])]
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(path),
        "SPT_NOENV": "1",  # else setproctitle overwrites /proc/PID/environ, which has the token
        guard.VARIABLE: token,
    }


def _await_answer(
    expected: str,
    limit: str,
    readiness: Readiness,
    processes: StartedProcesses | ForeignProcesses,
    port: int,
    network: Network = OWN,
) -> None:
    while True:
        missing = readiness.missing()
        if ended := processes.ended():
            hint = "; it must stay in the foreground" if ended == "exit status 0" else ""
            raise ServerError(f"{expected}, found that it ended with {ended}{hint}", ended=ended)
        if missing is None:
            return
        if time.perf_counter() >= readiness.deadline:
            raise ServerError(f"{expected}{limit}, found {missing}{say_where_else(processes.left(), port, network)}")
        time.sleep(POLL_S)


def say_where_else(pids: set[int], port: int, network: Network = OWN) -> str:
    """Where these processes listen, if not on this port: a command may have ignored what it was given."""
    listeners = list(list_listeners(network))
    holders = find_holders({each.inode for each in listeners})
    places = sorted({(each.address, each.port) for each in listeners if holders[each.inode] & pids})
    if not places or any(number == port for _, number in places):
        return ""
    return f"; it listens on {', '.join(f'{ip}:{number}' for ip, number in places)}, not on port {port}"
