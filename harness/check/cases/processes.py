"""The processes of a server: a worker that dies, a parent that dies, a port that is taken, an app that cannot start."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.check.model import ANY_APP, HTTP1_CLEAR, Attempt, Family, Finding, NotApplicable, failed, judge, passed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.check.target import StartedServer, Target

CHECKS = Family(HTTP1_CLEAR, ANY_APP)

WORKERS = 2
TIMEOUTS = 2
"""Ten seconds, as long as `docker stop` waits: workers are replaced by then, and no more attempts are made."""
REQUESTS = 20
"""Enough that some would go to a worker that no longer exists."""
WAIT_S = 2.0
"""A server that ends because a worker did has ended by then."""
_SOURCE = "what process supervisors rely on"


def _counts(target: Target) -> list[int]:
    """One worker, and two if the server can have them."""
    return [1] if target.server.max_workers == 1 else [1, WORKERS]


@contextmanager
def _with_workers(target: Target) -> Iterator[tuple[StartedServer, set[int]]]:
    """A server with two workers, and their processes; raises `NotApplicable` if there are none to be seen."""
    if target.server.max_workers == 1:
        raise NotApplicable("the server has no worker processes")
    with target.fresh(WORKERS) as server:
        workers = server.supervised.find_workers()
        if workers is None:
            raise NotApplicable("its workers cannot be told apart")
        yield server, workers


@contextmanager
def _with_worker_killed(target: Target) -> Iterator[tuple[StartedServer, int]]:
    """A server, one of whose two workers has been killed: that is what a kernel without memory does to it."""
    with _with_workers(target) as (server, workers):
        victim = max(workers)
        server.supervised.signal(signal.SIGKILL, victim)
        server.supervised.await_(lambda: victim not in server.supervised.processes(), server.timeout_s)
        yield server, victim


@CHECKS.check(
    "process-worker-killed",
    "Worker killed: the others serve",
    _SOURCE,
    level="expected",
    consequence="One worker that crashes, or takes too much memory, takes the whole service down.",
    danger="dies",
)
def worker_killed(target: Target) -> Finding:
    """A server with two workers answers every new connection after one of them was killed by SIGKILL."""
    with _with_worker_killed(target) as (server, victim):
        answered = sum(server.answers() for _ in range(REQUESTS) if server.ended is None)
        words = f"after SIGKILL for worker {victim}: {answered} of {REQUESTS} requests on new connections answered"
        if answered < REQUESTS and server.await_end(WAIT_S) is not None:
            return failed(f"{words}, and the server ended with {server.ended}\n{server.log}")
        return passed(words) if answered == REQUESTS else failed(f"{words}\n{server.log}")


@CHECKS.check(
    "process-worker-replaced",
    "Worker killed: another one starts",
    _SOURCE,
    level="expected",
    consequence="Each worker that dies is capacity lost until somebody restarts the server.",
    danger="loses",
)
def worker_replaced(target: Target) -> Finding:
    """A server starts another worker within 10 seconds of the end of one that was killed by SIGKILL."""
    began_ns = time.monotonic_ns()
    with _with_worker_killed(target) as (server, victim):
        again_ns = server.supervised.await_workers(WORKERS, TIMEOUTS * target.timeout_s, without={victim})
        if again_ns is not None:
            return passed(f"{WORKERS} workers serve again {(again_ns - began_ns) / 1e9:.1f} s after the start")
        left = f"{len(server.supervised.workers())} of {WORKERS} {TIMEOUTS * target.timeout_s:g} s later"
        found = f"the server ended with {server.ended}" if server.ended else left
        return failed(f"expected {WORKERS} workers again after SIGKILL for one, found {found}\n{server.log}")


@CHECKS.check(
    "process-reload",
    "SIGHUP: workers replaced",
    _SOURCE,
    level="expected",
    consequence="A new release of the app needs a restart of the server, or a second one beside it.",
)
def reload(target: Target) -> Finding:
    """A server replaces all workers within 10 seconds of SIGHUP, and goes on to answer."""
    with _with_workers(target) as (server, workers):
        told_ns = server.supervised.signal(signal.SIGHUP)
        new_ns = server.supervised.await_workers(WORKERS, TIMEOUTS * target.timeout_s, without=workers)
        if new_ns is not None and server.answers():
            return passed(f"{WORKERS} new workers {(new_ns - told_ns) / 1e9:.1f} s after SIGHUP")
        found = f"the server ended with {server.ended}" if server.ended else "old workers, or no answer"
        return failed(f"expected {WORKERS} new workers after SIGHUP, found {found}\n{server.log}")


@CHECKS.check(
    "process-orphans",
    "Parent killed: its workers end",
    _SOURCE,
    level="expected",
    consequence=(
        "After a parent's crash old workers hold the port or share it: the new server does not start, or requests go "
        "to the old code too."
    ),
    danger="loses",
)
def orphans(target: Target) -> Finding:
    """All workers end within 10 seconds of the end of their parent by SIGKILL."""
    with _with_workers(target) as (server, _):
        killed_ns = server.supervised.signal(signal.SIGKILL)
        gone_ns = server.supervised.await_(lambda: not server.supervised.processes(), TIMEOUTS * target.timeout_s)
        if gone_ns is not None:
            return passed(f"all processes ended {(gone_ns - killed_ns) / 1e9:.1f} s after SIGKILL for the parent")
        left, serving = len(server.supervised.processes()), server.answers()
        words = f"{left} processes left {TIMEOUTS * target.timeout_s:g} s after SIGKILL for the parent, and they"
        return failed(f"{words} {'still answer requests' if serving else 'answer no requests'}\n{server.log}")


@CHECKS.check(
    "process-port-taken",
    "Second server on the same port refused",
    _SOURCE,
    level="expected",
    consequence=(
        "A server that was started twice by mistake, or an old one that has not ended, gets a share of the requests, "
        "and nobody is told."
    ),
    danger="forges",
)
def port_taken(target: Target) -> Finding:
    """A server ends within 10 seconds, with an exit status that is not 0, if another one has its port."""
    attempts = []
    for workers in _counts(target):
        with target.fresh(workers) as server:
            ended, log = server.start_beside(TIMEOUTS * target.timeout_s)
            attempts.append(_judge_end(target, workers, ended, log))
    return judge(attempts, "the second server to fail")


@CHECKS.check(
    "process-import-fails",
    "App that cannot be imported",
    _SOURCE,
    level="expected",
    consequence=(
        "A broken release looks like a healthy server to its supervisor: it is not started again, and nobody is told."
    ),
    danger="loses",
)
def import_fails(target: Target) -> Finding:
    """A server ends, with an exit status that is not 0, if the app cannot be imported."""
    attempts = []
    for workers in _counts(target):
        ended, log = target.start_to_end(TIMEOUTS * target.timeout_s, workers, PROBE_IMPORT="fail")
        attempts.append(_judge_end(target, workers, ended, log))
    return judge(attempts, "an exit status that shows the failure")


def _judge_end(target: Target, workers: int, ended: str | None, log: str) -> Attempt:
    """A server that had to fail: it must end, and not with 0."""
    found = f"ended with {ended}" if ended else f"still runs {TIMEOUTS * target.timeout_s:g} s later"
    words = f"{workers} worker{'s' if workers > 1 else ''}: {found}"
    return Attempt(words, ended not in (None, "exit status 0"), log)
