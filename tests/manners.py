"""A server that behaves, or that has the fault which a file names: what the tests of checks share."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.check.runner import Survey, attempt
from harness.check.target import Bench
from harness.host import certificates
from harness.host.guard import guard, processes_of
from harness.model.protocols import Protocol
from harness.model.targets import Launch, Server, Tls

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from harness.check.model import Check
    from harness.check.target import OwnTarget


@dataclass(frozen=True)
class Manners:
    """The server, and the file that names its fault of the moment."""

    server: Server
    file: Path
    token: str
    tls: Tls

    def bench(self, patience_s: float) -> Bench:
        return Bench(sys.executable, self.tls, self.token, frozenset(os.sched_getaffinity(0)), patience_s)

    @contextmanager
    def impatient(self, protocol: Protocol, patience_s: float) -> Iterator[OwnTarget]:
        """The server, whose silence need not be waited out: those who ask it expect a failure."""
        with self.bench(patience_s).serving(self.server, protocol) as target:
            yield target

    @contextmanager
    def faulty(self, fault: str) -> Iterator[None]:
        """The server has this fault for the length of the block."""
        self.file.write_text(fault)
        try:
            yield
        finally:
            self.file.write_text("")

    def assert_all_pass(self, protocol: Protocol, checks: Collection[Check]) -> None:
        entries = Survey([self.server], [protocol], list(checks), {}, lambda _: None).run(self.bench(5))
        assert {entry.check for entry in entries} == {check.name for check in checks}
        assert [entry for entry in entries if entry.outcome != "pass"] == []


@contextmanager
def served(script: Path, protocols: frozenset[Protocol], folder: Path) -> Iterator[Manners]:
    """The server that `script` is; none of its processes is left after the block."""
    file = folder / "faults"
    file.touch()

    def command(launch: Launch) -> list[str]:
        tls = (str(launch.tls.certificate), str(launch.tls.key)) if launch.tls else ()
        return [sys.executable, str(script), launch.host, str(launch.port), launch.target, str(file), *tls]

    with guard() as token, certificates.issue() as tls:
        yield Manners(Server("stub", (), protocols, command), file, token, tls)
        assert processes_of(token) == []


def assert_fails(check: Check, evidence: str, protocol: Protocol, target: OwnTarget) -> None:
    """The check sees the fault that its server has, and says so."""
    entry = attempt(protocol, check, target)
    assert entry.outcome == "fail", entry.evidence
    assert evidence in entry.evidence
