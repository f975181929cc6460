"""The generator's own ceiling: what it reaches against a server that does nothing is the most that it can measure."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness import catalog, server
from harness.load import trial
from harness.model import (
    PROTOCOLS,
    TLS_PROTOCOLS,
    WEBSOCKET_PROTOCOLS,
    App,
    Case,
    Launch,
    LoadError,
    Server,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.cpus import Placement
    from harness.model import LoadResult, Protocol, Tls

HOST = "127.0.0.1"
WARMUP_S = 0.2
WINDOW_S = 0.5
_SCRIPT = Path(trial.__file__).with_name("null_server.py")


def _command(launch: Launch) -> list[str]:
    files = [str(launch.tls.certificate), str(launch.tls.key)] if launch.tls else []
    return [launch.python, str(_SCRIPT), launch.host, str(launch.port), *files]


NULL = Server("null", (), frozenset(PROTOCOLS), _command)
APP = App("none", "", _SCRIPT.parent, "/plaintext", b"Hello, World!")


@dataclass(frozen=True)
class Generator:
    """What is calibrated: the load of a run, where it runs, and the interpreter that runs the null server."""

    python: str
    placement: Placement
    tls: Tls
    token: str
    users: int = 32
    streams: int = 1
    processes: int = 1


def ceilings(generator: Generator, protocols: Sequence[Protocol], tries: int) -> dict[Protocol, float]:
    """The highest rate in requests/s of so many tries on each protocol; a protocol that gave none is left out."""
    found: dict[Protocol, float] = {}
    for protocol in protocols:
        rates = [result.throughput_rps for result in results(generator, protocol, tries) if result.errors.total == 0]
        if rates:
            found[protocol] = max(rates)
    return found


def results(generator: Generator, protocol: Protocol, tries: int) -> Iterator[LoadResult]:
    """Trials of the smallest exchange there is against the null server."""
    name = "ws_echo" if protocol in WEBSOCKET_PROTOCOLS else "plaintext"
    (scenario,) = catalog.choose("scenarios", catalog.scenarios(), [name])
    tls = generator.tls if protocol in TLS_PROTOCOLS else None
    launch = Launch(HOST, server.free_port(HOST), "", tls=tls, python=generator.python)
    case = Case(NULL.name, APP.name, name, protocol, users=generator.users, streams=generator.streams)
    with tempfile.TemporaryDirectory(prefix="harness-") as folder:
        logs = Path(folder)
        log = logs / "null.log"
        with server.start(NULL, APP, launch, cpus=generator.placement.server, log=log, token=generator.token):
            for _ in range(tries):
                order = trial.Order(
                    case,
                    scenario.path,
                    f"{'https' if tls else 'http'}://{launch.address}",
                    tls.authority if tls else None,
                    WARMUP_S,
                    WINDOW_S,
                    generator.placement.load,
                    logs / "load.log",
                    0,
                    generator.processes,
                    generator.token,
                )
                try:
                    yield trial.run(order)
                except LoadError:
                    continue
