"""What is recorded about a run as a whole: its options, where it ran, and what the numbers depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.model.link import Link
from harness.model.load_workers import LoadWorker
from harness.model.machine import Machine
from harness.model.plan import Candidate, Case, Conditions, Preference
from harness.model.protocols import Protocol
from harness.model.records import SCHEMA

Role = Literal["load", "server"]
"""What a machine does in a run of several."""


@dataclass(frozen=True)
class Environment:
    """Everything about the machine and its software that the numbers depend on."""

    host: str
    machine: Machine
    packages: Mapping[str, str]
    """Packages of the harness's own environment, with their versions."""
    server_cpus: tuple[int, ...]
    load_cpus: tuple[int, ...]
    git_commit: str | None = None
    """The commit of the harness, if its files are under git."""
    server_versions: Mapping[str, str] = field(default_factory=dict)
    """The version of each server's distribution, the first of `Server.requires`, by the name of the server."""
    app_versions: Mapping[str, str] = field(default_factory=dict)
    """The version of each app's framework, the first of `App.requires`, or its commit, by the name of the app."""
    other_packages: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The packages of each server that runs in another environment than the harness, by the name of the server; and of
    two revisions of an app, by theirs, where they have different environments."""
    interpreters: Mapping[str, str] = field(default_factory=dict)
    """The version and build of the Python that runs each server, by the name of the server."""
    app_commit: str | None = None
    """The commit of the user app, if its files are under git."""
    server_args: Mapping[str, str] = field(default_factory=dict)
    """What the options say of command lines, by the name of the server: a command of one's own with its placeholders,
    the URL of a server that runs already, what `--server-args` adds."""
    kept_out: tuple[str, ...] = ()
    """Names of variables and files that would have configured servers or Locust, and had no effect."""

    @property
    def cpu_model(self) -> str:
        return self.machine.processor.model or "unknown"

    @property
    def cpu_count(self) -> int:
        return len(self.machine.processor.cpus) or len(self.machine.limits.affinity) or 1

    @property
    def memory_bytes(self) -> int:
        return self.machine.ram.total_bytes or 0

    @property
    def kernel(self) -> str:
        return self.machine.system.kernel or "unknown"

    @property
    def system(self) -> str:
        return self.machine.system.os or "unknown"

    @property
    def python(self) -> str:
        """The Python that runs the harness: `CPython 3.11.7`."""
        return str(self.machine.python)


@dataclass(frozen=True)
class Host:
    """One of several machines that took part in a run."""

    role: Role
    name: str
    machine: Machine
    version: str
    """Of the harness."""
    python: str
    """That runs the harness there: `CPython 3.11.7`."""
    address: str | None = None
    """That servers listen on."""
    clock_error_us: int | None = None
    """How exactly its clock is known here: half of the shortest round trip over ssh."""
    shares_machine: bool = False
    """Is it a network namespace or a container on the machine of the load?"""


@dataclass(frozen=True)
class RunInfo:
    """What is recorded about a run as a whole, in `run.json`, before its first trial."""

    id: str
    started_at: str
    """The time in ISO 8601, in UTC."""
    argv: tuple[str, ...]
    environment: Environment
    baseline: Candidate
    conditions: Conditions
    ceilings: Mapping[Protocol, float] = field(default_factory=dict)
    """The ceiling of the load generator with the most users, in requests per second, for each protocol where it is
    known: not where the null server does not speak it or was the limit."""
    planned: tuple[Case, ...] = ()
    """The cases that each round measures; in a sweep, those of the rounds in a closed loop."""
    complete: bool | None = None
    """Has the run measured everything? None if an earlier version did not record it."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Digests of what may be edited before a run is resumed: the harness, the apps and the scenarios, by name."""
    workloads: Mapping[str, str] = field(default_factory=dict)
    """A digest of what the users of each scenario send, by its name; none in a run of an earlier version."""
    given: Mapping[str, str] = field(default_factory=dict)
    """Salted digests of the values of `--env` and `--header`, by option and name; the values are not recorded."""
    prefer: Preference | None = None
    """The figure by which candidates are ranked; None for the usual one of the load."""
    hosts: tuple[Host, ...] = ()
    """The machines, where load and servers were not all on one."""
    link: Link | None = None
    """The link between load and servers; None where that is the loopback."""
    load_workers: tuple[LoadWorker, ...] = ()
    """The load workers on other hosts that came before the run; none if load comes from this one."""
    part: tuple[str, ...] = ()
    """What was chosen of a run of which only a part is shown: `users 32, of 8, 32 and 128`."""
    schema: int = SCHEMA

    @property
    def shares_cpus(self) -> bool:
        """Did load and servers share CPUs?"""
        apart = any(each.role == "server" and not each.shares_machine for each in self.hosts)
        return (
            not apart
            and not self.conditions.remote_load
            and bool(set(self.environment.server_cpus) & set(self.environment.load_cpus))
        )

    @property
    def ranked_cases(self) -> tuple[Case, ...]:
        """The planned cases without those that only tell how much the server matters."""
        return tuple(case for case in self.planned if not case.aside)
