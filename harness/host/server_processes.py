"""The processes of a server: of one that was started here, and of one that runs already."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from harness.host import cgroups, guard

if TYPE_CHECKING:
    import subprocess

    from harness.host import logs
    from harness.model.targets import RunsAt

POLL_S = 0.01
_GONE = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)


@dataclass(frozen=True)
class Stopped:
    """How a server ended."""

    stop_s: float | None
    """Time from SIGTERM to the end of the last process; None for a server that goes on."""
    killed: bool
    """Did any process have to be killed after the grace period?"""


class StartedProcesses:
    """A server's processes: the leader of a new session, its process group, and those outside that carry the token.

    The leader is reaped only at the end: as long as it is a zombie, its pid, which is also the group's id, cannot be
    reused by another process.
    """

    def __init__(self, process: subprocess.Popen[bytes], token: str, log: logs.Log) -> None:
        self.leader = process.pid
        self._log = log.__enter__()
        self._process = process
        self._token = token
        self._ended: str | None = None

    def roots(self) -> tuple[int, ...]:
        return (self.leader,)

    def ended(self) -> str | None:
        if self._ended is None:
            state = os.waitid(os.P_PID, self.leader, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if state is not None:
                exited = state.si_code == os.CLD_EXITED
                self._ended = f"exit status {state.si_status}" if exited else signal.Signals(state.si_status).name
        return self._ended

    def end(self, grace_s: float) -> Stopped:
        """Send SIGTERM to the leader, as a supervisor would, then to any that outlive it; after `grace_s`, SIGKILL."""
        began = time.perf_counter()
        terminated: set[int] = set()
        killed = False
        while left := self.left():
            if time.perf_counter() - began >= grace_s:
                guard.kill(left)
                killed = True
            else:
                pids = ({self.leader} if self.ended() is None else left) - terminated
                guard.kill(pids, signal.SIGTERM)
                terminated |= pids
            time.sleep(POLL_S)
        stop_s = time.perf_counter() - began
        self.ended()
        self._process.wait()
        self._log.close()
        return Stopped(stop_s, killed)

    def left(self) -> set[int]:
        return {pid for pid in psutil.pids() if self._is_ours(pid)}.union(guard.processes_of(self._token))

    def _is_ours(self, pid: int) -> bool:
        try:
            return os.getpgid(pid) == self.leader and psutil.Process(pid).status() not in _GONE
        except (ProcessLookupError, psutil.NoSuchProcess):
            return False


class ForeignProcesses:
    """The processes of a server that runs already: they are watched, and neither signalled nor waited for."""

    def __init__(self, runs_at: RunsAt) -> None:
        self.runs_at = runs_at

    def roots(self) -> tuple[int, ...]:
        if self.runs_at.cgroup is not None:
            return cgroups.list_processes(self.runs_at.cgroup)
        return () if self.runs_at.pid is None else (self.runs_at.pid,)

    def ended(self) -> str | None:
        gone = self.runs_at.pid is not None and not psutil.pid_exists(self.runs_at.pid)
        return f"the end of process {self.runs_at.pid}" if gone else None

    def end(self, _grace_s: float) -> Stopped:
        return Stopped(None, killed=False)

    def left(self) -> set[int]:
        return set()
