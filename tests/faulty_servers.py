"""A server that is conformant until a test gives it a fault of the index in `tests/faults.py`."""

from __future__ import annotations

import os
import re
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.check.model import Check
from harness.check.runner import Runner, checks, run_check
from harness.check.target import Launcher
from harness.host import certificates
from harness.host.guard import guard, processes_of
from harness.model.protocols import Protocol
from harness.model.targets import Launch, Server, Tls
from tests.faults import FAULTS, Fault

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from harness.check.target import StartedServer

CHECKS = {check.name: check for check in checks()}


@dataclass(frozen=True)
class FaultyServer:
    """The server, and the file that names its faults."""

    server: Server
    file: Path
    token: str
    tls: Tls

    def launcher(self, timeout_s: float) -> Launcher:
        return Launcher(sys.executable, self.tls, self.token, frozenset(os.sched_getaffinity(0)), timeout_s)

    @contextmanager
    def started(self, protocol: Protocol, timeout_s: float) -> Iterator[StartedServer]:
        """The server with a timeout that is short where a test expects it to be silent."""
        with self.launcher(timeout_s).serving(self.server, protocol) as target:
            yield target

    @contextmanager
    def faulty(self, faults: str) -> Iterator[None]:
        """Give the server these faults for the length of the block."""
        self.file.write_text(faults)
        try:
            yield
        finally:
            self.file.write_text("")

    def assert_all_pass(self, protocol: Protocol, checks: Collection[Check]) -> None:
        entries = Runner([self.server], [protocol], list(checks), {}, lambda _: None).run(self.launcher(5))
        assert {entry.check for entry in entries} == {check.name for check in checks}
        assert [entry for entry in entries if entry.outcome != "pass"] == []

    def assert_noticed(self, check: Check, fault: Fault, shared: StartedServer) -> None:
        """The check notices the fault on the shared server, or on one that is started with the fault."""
        protocol = shared.protocol if shared.protocol in check.protocols else min(check.protocols)
        with self.faulty(fault.name):
            if fault.at_start:
                with self.started(protocol, fault.timeout_s or shared.timeout_s) as target:
                    entry = run_check(protocol, check, target)
            else:
                entry = run_check(protocol, check, shared)
        assert entry.outcome == fault.outcome, entry.evidence
        assert fault.evidence[check.name] in entry.evidence, entry.evidence


def make_fixtures(server: str, protocols: frozenset[Protocol], protocol: Protocol, timeout_s: float) -> tuple[Any, Any]:
    """The fixtures `server` and `shared` of a module: the server, and one that is started and shared by its tests."""

    @pytest.fixture(scope="module")
    def make_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyServer]:
        with served(server, protocols, tmp_path_factory.mktemp("faults")) as made:
            yield made

    @pytest.fixture(scope="module")
    def share(server: FaultyServer) -> Iterator[StartedServer]:
        with server.started(protocol, timeout_s) as target:
            yield target

    return make_server, share


def noticed(server: str, *, failing: bool) -> list[Any]:
    """Parameters (check, fault) for tests: the faults of a server that make checks fail, or those that do not."""
    return [
        pytest.param(CHECKS[name], fault, id=f"{name}-{fault.name.replace(' ', '+')}")
        for fault in FAULTS
        if fault.server == server and (fault.outcome == "fail") is failing
        for name in fault.evidence
    ]


def checks_with_faults(server: str) -> set[str]:
    """The names of the checks that some fault of the server makes fail."""
    return {name for fault in FAULTS if fault.server == server and fault.outcome == "fail" for name in fault.evidence}


def names_in_index(server: str) -> set[str]:
    """The single names of the server's faults in the index."""
    return {name for fault in FAULTS if fault.server == server for name in fault.name.split()}


def names_in_script(server: str) -> set[str]:
    """The names that the script of the server asks for."""
    source = script(server).read_text()
    asked = re.findall(r'"([a-z0-9.-]+)" (?:not )?in (?:self\.|connection\.)?faults', source)
    sets = re.findall(r"faults & \{([^}]+)\}", source)
    return {*asked, *(name for each in sets for name in re.findall(r'"([^"]+)"', each))}


def script(server: str) -> Path:
    return Path(__file__).parent / "integration" / f"faulty_{server}_server.py"


@contextmanager
def served(server: str, protocols: frozenset[Protocol], folder: Path) -> Iterator[FaultyServer]:
    """The server; none of its processes is left after the block."""
    file = folder / "faults"
    file.touch()

    def command(launch: Launch) -> list[str]:
        more = (str(launch.tls.certificate), str(launch.tls.key)) if launch.tls else ()
        if server == "processes":
            more = (str(launch.workers),)
        return [sys.executable, str(script(server)), launch.host, str(launch.port), launch.target, str(file), *more]

    with guard() as token, certificates.issue() as tls:
        yield FaultyServer(Server("stub", (), protocols, command), file, token, tls)
        assert processes_of(token) == []
