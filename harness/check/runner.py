"""Runs every check on every server, and records what each found and which checks have bugs."""

from __future__ import annotations

import importlib
import pkgutil
import ssl
import threading
import time
import traceback
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING

from harness.check import cases
from harness.check.model import Check, Entry, NotApplicable, Outcome, ProtocolFault, bounded, failed, not_applicable
from harness.check.target import without_path
from harness.host import logs
from harness.model.errors import ServerError
from harness.model.protocols import TLS_PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.check.target import Launcher, StartedServer, Target
    from harness.model.protocols import Protocol
    from harness.model.targets import Server

LIMIT_S = 60.0
"""A check that takes longer than this has a bug."""
GRACE_S = 1.0
"""A server that no longer answers because it is about to exit has exited by then."""
ATTEMPTS = 2
"""What brings a server down may be a race, and not happen every time."""
MOST_ALONE = 8
"""So many servers with one check each may wait for their end at the same time."""
LONGEST_DELAY_S = 15.0
"""A check that was over this long before the server was down is no suspect."""
LAST_WORDS_CHARACTERS = 900
"""The end of the server's log is cut to this length, and leaves room for the transcript."""
MOST_AT_ONCE = 4
"""At most this many servers are checked at once, on as many CPUs; most of the time is spent waiting for silence."""

Job = tuple["Protocol", Check]
Result = tuple[Outcome, str, str]
"""Outcome, evidence, value."""
_NOT_ALONE = "not so when this check, or one shortly before it, ran alone on a new server: it may be a race"
_TRACEBACK = "Traceback (most recent call last):"


@cache
def checks() -> tuple[Check, ...]:
    """All checks of the modules in `cases/` that export `CHECKS`, in the order of the file names."""
    names = sorted(info.name for info in pkgutil.iter_modules(cases.__path__))
    modules = [importlib.import_module(f"{cases.__name__}.{name}") for name in names]
    return tuple(check for module in modules for check in getattr(module, "CHECKS", ()))


@dataclass
class Runner:
    """Which checks run on which servers over which protocols, and the entries so far."""

    servers: Sequence[Server]
    protocols: Sequence[Protocol]
    checks: Sequence[Check]
    not_installed: Mapping[str, str]
    """The servers that are not installed, with the reason to show."""
    watch: Callable[[Entry], None]
    """Called with each entry as it is made."""
    stopped: threading.Event = field(default_factory=threading.Event)
    _lists: list[list[Entry]] = field(default_factory=list)

    def jobs(self, *, tls: bool) -> list[Job]:
        """The protocols and checks that share one start of a server, with TLS or without."""
        spoken = [protocol for protocol in self.protocols if (protocol in TLS_PROTOCOLS) is tls]
        return [(protocol, check) for protocol in spoken for check in self.checks if protocol in check.protocols]

    @property
    def entries(self) -> list[Entry]:
        """All entries so far, in the order of the servers."""
        return list(chain.from_iterable(self._lists))

    def record(self, entries: list[Entry]) -> list[Entry]:
        """Make a list part of `entries`, with all that is appended to it later."""
        self._lists.append(entries)
        return entries

    def run(self, launcher: Launcher) -> list[Entry]:
        """Run all checks; if an exception interrupts this, `entries` has what was found by then."""
        tasks = [(server, self.jobs(tls=tls)) for server in self.servers for tls in (False, True)]
        with ThreadPoolExecutor(min(MOST_AT_ONCE, max(1, len(launcher.cpus)))) as pool:
            try:
                futures = [pool.submit(self._run_server, launcher, *task, self.record([])) for task in tasks]
                for future in futures:
                    future.result()
            finally:
                self.stopped.set()
        return self.entries

    def _run_server(self, launcher: Launcher, server: Server, jobs: list[Job], entries: list[Entry]) -> None:
        """Run the jobs of one server; it is started again after a check that brought it down."""
        left: deque[Job] = deque()

        def add(entry: Entry) -> None:
            entries.append(entry)
            self.watch(entry)

        for protocol, check in jobs:
            if reason := self._reason_not_to_try(server, protocol, check):
                add(Entry(server.name, protocol, check.name, "n/a", reason))
            else:
                left.append((protocol, check))
        while left and not self.stopped.is_set():
            try:
                tried: list[tuple[Job, float]] = []
                with launcher.serving(server, left[0][0]) as started:
                    down: Entry | None = None
                    while left and not down and not self.stopped.is_set():
                        job = left.popleft()
                        entry = _run_and_ask(job, started)
                        tried.append((job, time.monotonic()))
                        if entry.brought_down:
                            down = entry
                        else:
                            add(entry)
                if down:
                    add(self._find_cause(launcher, server, tried, down, entries))
            except ServerError as error:
                evidence = bounded(f"{without_path(error)}\n{error.log_tail}")
                while left:
                    protocol, check = left.popleft()
                    add(Entry(server.name, protocol, check.name, "no-start", evidence))

    def _find_cause(
        self, launcher: Launcher, server: Server, tried: list[tuple[Job, float]], down: Entry, entries: list[Entry]
    ) -> Entry:
        """The entry of the last check tried, after which the server was down; each has the time at which it was over.

        Whether it was the cause is found by running it alone on a new server. If it was not, one of those before it may
        have been, since a server may die a while after its cause: each of them runs alone too, and its server has as
        long until it is down. The entry of one that brings it down is replaced.
        """
        (last, down_at), *_ = reversed(tried)
        recent = [number for number, (_, at) in enumerate(tried[:-1]) if down_at - at <= LONGEST_DELAY_S]
        latest_first = [recent[max(0, end - MOST_ALONE) : end] for end in range(len(recent), 0, -MOST_ALONE)]
        try:
            (alone,) = _run_alone(launcher, server, [(last, 0)])
            if alone.brought_down:
                return alone
            for numbers in latest_first * ATTEMPTS:
                if self.stopped.is_set():
                    break
                jobs = [(job, down_at - at + GRACE_S) for job, at in (tried[number] for number in numbers)]
                found = zip(numbers, _run_alone(launcher, server, jobs), strict=True)
                causes = {number: entry for number, entry in found if entry.brought_down == down.brought_down}
                for number, entry in causes.items():
                    entries[number - len(tried) + 1] = entry
                if causes:
                    return alone
        except ServerError:
            return down
        summary, _, rest = down.evidence.partition("\n")
        return replace(down, evidence=bounded(f"{summary}; {_NOT_ALONE}\n{rest}"))

    def _reason_not_to_try(self, server: Server, protocol: Protocol, check: Check) -> str | None:
        if server.name in self.not_installed:
            return self.not_installed[server.name]
        if protocol not in server.protocols:
            return server.unsupported.get(protocol, f"{server.name} does not speak {protocol}")
        if server.interface not in check.interfaces:
            others = " and ".join(sorted(interface.upper() for interface in check.interfaces))
            return f"{server.name} serves {server.interface.upper()} apps, and the check is about {others}"
        return None


def run_check(protocol: Protocol, check: Check, started: StartedServer) -> Entry:
    """Run one check on one server; if the server has ended after it, the check has failed."""
    target = started.on(protocol)
    try:
        outcome, evidence, value = _run_with_limit(check, target)
    finally:
        target.disconnect()
    entry = Entry(started.server.name, protocol, check.name, outcome, evidence, value)
    return entry if started.ended is None else _brought_down(entry, started)


def _run_and_ask(job: Job, started: StartedServer) -> Entry:
    """Run one check as `run_check`; it has failed too if the server no longer answers."""
    entry = run_check(*job, started)
    return entry if entry.brought_down or _survived(started) else _brought_down(entry, started)


def _run_alone(launcher: Launcher, server: Server, jobs: list[tuple[Job, float]]) -> list[Entry]:
    """Run each check on a server of its own, one after the other; the number is how long its server has to die."""
    with ExitStack() as stack:
        tried = []
        for job, patience_s in jobs:
            started = stack.enter_context(launcher.serving(server, job[0]))
            tried.append((started, _run_and_ask(job, started), time.monotonic() + patience_s))
        return [
            entry
            if entry.brought_down or started.await_end(max(0.0, until - time.monotonic())) is None
            else _brought_down(entry, started)
            for started, entry, until in tried
        ]


def _survived(started: StartedServer) -> bool:
    """Does the server still answer? It is asked twice; a server that does not answer is given time to exit."""
    if started.ended is None and (started.answers() or started.answers()):
        return True
    started.await_end(GRACE_S)
    return False


def _brought_down(entry: Entry, started: StartedServer) -> Entry:
    """The entry of a check after which the server has ended or no longer answers: failed, whatever it found."""
    log, died = started.log, started.ended is not None
    how = f"the server died ({started.ended})" if died else "the server no longer answers"
    found = logs.find_reason(log) if died else logs.find_exception(log)
    reason = f": {found}" if found else ""
    last_words = bounded(log[max(0, log.rfind(_TRACEBACK)) :], LAST_WORDS_CHARACTERS)
    summary, _, transcript = entry.evidence.partition("\n")
    evidence = bounded("\n".join(filter(None, (f"{how}{reason}; {summary}", last_words, transcript))))
    if entry.outcome == "error":  # the evidence is the traceback of the check itself
        return replace(entry, brought_down="died" if died else "hangs")
    return replace(entry, outcome="fail", evidence=evidence, value="", brought_down="died" if died else "hangs")


def _run_with_limit(check: Check, target: Target) -> Result:
    """Run the check in a thread, whose sockets are closed by the caller if it takes too long."""
    results: list[Result] = []
    thread = threading.Thread(target=lambda: results.append(_run(check, target)), daemon=True)
    thread.start()
    thread.join(LIMIT_S)
    if results:
        return results[0]
    return "error", f"the check did not end within {LIMIT_S:g} s", ""


def _run(check: Check, target: Target) -> Result:
    """Run the check: exceptions that the server caused are findings, and any other is a bug in the check."""
    try:
        finding = check.run(target)
    except NotApplicable as reason:
        finding = not_applicable(str(reason))
    except (ProtocolFault, ServerError) as fault:
        finding = failed(without_path(fault) if isinstance(fault, ServerError) else str(fault))
    except (ConnectionError, TimeoutError, ssl.SSLError) as fault:
        finding = failed(f"{type(fault).__name__}: {fault}")
    except Exception:  # noqa: BLE001 - other checks go on, and the command reports it
        return "error", traceback.format_exc(), ""
    return finding.result, finding.evidence, finding.value
