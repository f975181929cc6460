"""Every check on every server, in turn: what was found, and what went wrong with the checks themselves."""

from __future__ import annotations

import importlib
import pkgutil
import ssl
import threading
import traceback
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING

from harness.check import cases
from harness.check.model import Check, Entry, Outcome, ProtocolFault, bounded, failed
from harness.check.target import without_path
from harness.model.errors import ServerError
from harness.model.protocols import TLS_PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.check.target import Bench, OwnTarget, Target
    from harness.model.protocols import Protocol
    from harness.model.targets import Server

LIMIT_S = 60.0
"""No check takes so long but for a fault of its own."""
GRACE_S = 1.0
"""A server that answers nobody, since it is about to end, has ended by then."""
MOST_AT_ONCE = 4
"""Servers that are checked side by side, on as many CPUs: most of the time is spent waiting for what must not come."""

Job = tuple["Protocol", Check]
Found = tuple[Outcome, str, str]
"""Outcome, evidence, value."""
_DOWN = "after it the server"


@cache
def checks() -> tuple[Check, ...]:
    """All checks of the modules in `cases/` that export `CHECKS`, in the order of the files' names."""
    names = sorted(info.name for info in pkgutil.iter_modules(cases.__path__))
    modules = [importlib.import_module(f"{cases.__name__}.{name}") for name in names]
    return tuple(check for module in modules for check in getattr(module, "CHECKS", ()))


@dataclass
class Survey:
    """Which servers are asked what, over which protocols, and who is told of each answer."""

    servers: Sequence[Server]
    protocols: Sequence[Protocol]
    checks: Sequence[Check]
    not_installed: Mapping[str, str]
    watch: Callable[[Entry], None]
    stopped: threading.Event = field(default_factory=threading.Event)
    _lives: list[list[Entry]] = field(default_factory=list)

    def jobs(self, *, tls: bool) -> list[Job]:
        """What is tried in one life of a server: everything over one transport."""
        spoken = [protocol for protocol in self.protocols if (protocol in TLS_PROTOCOLS) is tls]
        return [(protocol, check) for protocol in spoken for check in self.checks if protocol in check.protocols]

    @property
    def entries(self) -> list[Entry]:
        """What has been found so far, in the order of the servers."""
        return list(chain.from_iterable(self._lives))

    def record(self, entries: list[Entry]) -> list[Entry]:
        """A list that `entries` goes on with."""
        self._lives.append(entries)
        return entries

    def run(self, bench: Bench) -> list[Entry]:
        """All entries; what there is of them stays in `entries` when something else puts an end to it."""
        lives = [(server, self.jobs(tls=tls)) for server in self.servers for tls in (False, True)]
        with ThreadPoolExecutor(min(MOST_AT_ONCE, max(1, len(bench.cpus)))) as pool:
            try:
                tasks = [pool.submit(self._life, bench, *life, self.record([])) for life in lives]
                for task in tasks:
                    task.result()
            finally:
                self.stopped.set()
        return self.entries

    def _life(self, bench: Bench, server: Server, jobs: list[Job], entries: list[Entry]) -> None:
        """The jobs of one server over one transport; it is started again when a check has brought it down."""
        left: deque[Job] = deque()

        def add(entry: Entry) -> None:
            entries.append(entry)
            self.watch(entry)

        for protocol, check in jobs:
            if reason := self._untriable(server, protocol, check):
                add(Entry(server.name, protocol, check.name, "n/a", reason))
            else:
                left.append((protocol, check))
        while left and not self.stopped.is_set():
            try:
                with bench.serving(server, left[0][0]) as own:
                    outlived = True
                    while left and outlived and not self.stopped.is_set():
                        entry = attempt(*left.popleft(), own)
                        outlived = _outlives(own)
                        add(entry if outlived else _brought_down(entry, own))
            except ServerError as error:
                why = bounded(f"{without_path(error)}\n{error.log_tail}")
                while left:
                    protocol, check = left.popleft()
                    add(Entry(server.name, protocol, check.name, "no-start", why))

    def _untriable(self, server: Server, protocol: Protocol, check: Check) -> str | None:
        """Why nothing can be tried, if so."""
        if server.name in self.not_installed:
            return self.not_installed[server.name]
        if protocol not in server.protocols:
            return server.unsupported.get(protocol, f"{server.name} does not speak {protocol}")
        if server.interface not in check.interfaces:
            return f"{server.name} serves {server.interface.upper()} apps, and the check is about {_others(check)}"
        return None


def _others(check: Check) -> str:
    return " and ".join(sorted(interface.upper() for interface in check.interfaces))


def attempt(protocol: Protocol, check: Check, own: OwnTarget) -> Entry:
    """One check on one server; a server that does not outlive it has failed."""
    target = own.on(protocol)
    try:
        outcome, evidence, value = _in_time(check, target)
    finally:
        target.disconnect()
    entry = Entry(own.server.name, protocol, check.name, outcome, evidence, value)
    return entry if own.ended is None else _brought_down(entry, own)


def _outlives(own: OwnTarget) -> bool:
    """Does the server still answer, at the second try at least? One that does not may be about to end."""
    if own.ended is None and (own.answers() or own.answers()):
        return True
    own.await_end(GRACE_S)
    return False


def _brought_down(entry: Entry, own: OwnTarget) -> Entry:
    """The entry of a check after which the server has ended, or answers nobody any more: failed, whatever it found."""
    if entry.outcome == "error" or entry.evidence.startswith(_DOWN):
        return entry
    how = f"ended with {own.ended}" if own.ended is not None else "answers nobody any more"
    return replace(entry, outcome="fail", evidence=bounded(f"{_DOWN} {how}; {entry.evidence}\n{own.log}"), value="")


def _in_time(check: Check, target: Target) -> Found:
    """Run it in a thread of its own, whose sockets are closed when it takes too long."""
    found: list[Found] = []
    thread = threading.Thread(target=lambda: found.append(_outcome(check, target)), daemon=True)
    thread.start()
    thread.join(LIMIT_S)
    if found:
        return found[0]
    return "error", f"the check has not come to an end within {LIMIT_S:g} s", ""


def _outcome(check: Check, target: Target) -> Found:
    """The finding; faults of the server's are findings too, and any other exception is a fault of the check."""
    try:
        finding = check.run(target)
    except (ProtocolFault, ServerError) as fault:
        finding = failed(without_path(fault) if isinstance(fault, ServerError) else str(fault))
    except (ConnectionError, TimeoutError, ssl.SSLError) as fault:
        finding = failed(f"{type(fault).__name__}: {fault}")
    except Exception:  # noqa: BLE001 - other checks go on, and the command tells of it
        return "error", traceback.format_exc(), ""
    return finding.result, finding.evidence, finding.value
