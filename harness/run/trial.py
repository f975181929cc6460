"""One trial: start `locust`, wait for it and read its result."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness.host import cpus, guard, logs
from harness.model.errors import LoadError
from harness.model.loads import Rate
from harness.model.results import LoadResult

if TYPE_CHECKING:
    from harness.model.plan import Case

_LOCUSTFILE = Path(__file__).parents[1] / "load" / "locustfile.py"
_SPAWN_PER_S = 100
"""Users who connect in one second: daphne lets 50 wait, and drops the rest of a burst."""
_PATIENCE_S = 30.0
"""Beyond what the trial itself takes, for Locust's start, a slow pass and its end."""
_LACKING = "ModuleNotFoundError"


@dataclass(frozen=True)
class Order:
    """What one trial shall do."""

    case: Case
    scenario: Path
    url: str
    authority: Path | None
    warmup_s: float
    window_s: float
    cpus: frozenset[int]
    log: Path
    seed: int
    """Fixes the gaps of Poisson arrivals."""
    processes: int
    """Load processes, beside Locust's master if there are several."""
    token: str
    """Marks the processes as ours, in their environment."""

    def argv(self, result: Path) -> tuple[str, ...]:
        """The command that writes its result to this file."""
        case = self.case
        rate = case.load if isinstance(case.load, Rate) else None
        open_loop = (
            ("--rate", str(rate.rps), "--arrivals", rate.arrivals, "--arrivals-seed", str(self.seed)) if rate else ()
        )
        several = ("--processes", str(self.processes)) if self.processes > 1 else ()
        trust = ("--authority", str(self.authority)) if self.authority else ()
        return (
            *(sys.executable, "-m", "locust", "-f", f"{_LOCUSTFILE},{self.scenario}"),
            *("--headless", "--only-summary", "--loglevel", "WARNING", "--host", self.url),
            *("--users", str(case.users), "--spawn-rate", str(_SPAWN_PER_S)),
            *("--protocol", case.protocol, "--streams", str(case.streams), *trust, *open_loop, *several),
            *("--warmup", str(self.warmup_s), "--window", str(self.window_s)),
            *("--result", str(result)),
        )

    @property
    def deadline_s(self) -> float:
        """When to give up."""
        return self.case.users / _SPAWN_PER_S + self.warmup_s + self.window_s + _PATIENCE_S


def run(order: Order) -> LoadResult:
    """Load the server as ordered; raises `LoadError` when no result came."""
    with tempfile.TemporaryDirectory(prefix="harness-") as folder:
        result = Path(folder) / "result.json"
        status = _locust(order, order.argv(result))
        if not result.exists():
            raise _failed(f"expected a result, found that locust ended with status {status}", order)
        return msgspec.json.decode(result.read_bytes(), type=LoadResult)


def _locust(order: Order, argv: tuple[str, ...]) -> int:
    """Run the command in a process group of its own, of which nothing is left afterwards; its exit status."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("LOCUST_")}
    environment[guard.VARIABLE] = order.token
    with order.log.open("wb") as log, cpus.running_on(order.cpus):
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    try:
        return process.wait(order.deadline_s)
    except subprocess.TimeoutExpired:
        raise _failed(f"expected a result within {order.deadline_s:.0f} s, found none", order) from None
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave nothing of the process group behind."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _failed(text: str, order: Order) -> LoadError:
    said = logs.quote_reason(order.log)
    where = f"; Locust files run in the harness's environment, {sys.executable}" if _LACKING in said else ""
    return LoadError(f"{text}{said}{where}", logs.tail(order.log))
