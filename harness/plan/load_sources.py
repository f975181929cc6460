"""Where the load comes from: processes here or load workers on other hosts, on which CPUs, and for how many users."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

from harness.host import addresses, cgroups, cpus, facts
from harness.hosts.remote_host import RemoteHost
from harness.model.errors import UsageError
from harness.model.load_workers import WantedWorkers
from harness.model.plan import Conditions

if TYPE_CHECKING:
    from harness.hosts.server_host import ServerHost
    from harness.model.machine import Placement
    from harness.plan.settings import Settings


def find_load_workers(settings: Settings) -> WantedWorkers | None:
    """The load workers on other hosts; raises `UsageError` for options that do not fit, or an address of others."""
    if settings.load_workers is None:
        for name, given in (("listen", settings.listen), ("allow-missing-workers", settings.allow_missing_workers)):
            if given:
                raise UsageError(f"--{name}: expected --load-workers with it, found none")
        return None
    if settings.listen is None:
        raise UsageError("--load-workers: expected --listen ADDRESS:PORT with it, found none")
    if settings.load_processes != 1:
        found = f"--load-processes {settings.load_processes}"
        raise UsageError(f"--load-workers: expected no load processes here beside it, found {found}")
    host, port = addresses.parse(settings.listen, "--listen")
    addresses.check_own(host, port, "--listen")
    return WantedWorkers(settings.load_workers, host, port, settings.allow_missing_workers)


def find_listening_address(settings: Settings) -> str:
    """The IPv4 address of this host that load workers connect to, and that servers listen on then."""
    wanted = find_load_workers(settings)
    assert wanted is not None  # noqa: S101 - `check_network` has looked
    return socket.gethostbyname(wanted.host)


def count_load_processes(settings: Settings) -> int:
    """How many processes generate load, here or as load workers on other hosts."""
    if settings.load_workers is not None:
        return settings.load_workers
    if settings.load_processes == "auto":
        return max(1, cgroups.count_cpus() // 2)
    return settings.load_processes


def name_processes(settings: Settings) -> str:
    """The option that says how many there are."""
    return "--load-processes" if settings.load_workers is None else "--load-workers"


def list_levels(settings: Settings) -> tuple[int, ...]:
    """The numbers of users, of scenarios without one of their own."""
    return settings.users or Conditions.users


def place_processes(settings: Settings, host: ServerHost | None = None) -> Placement:
    """Choose the CPUs of servers and load processes; raises `UsageError` for CPUs that do not exist."""
    if isinstance(host, RemoteHost) and not host.is_this_machine:
        return cpus.place_apart(cpus.available(), host.available_cpus, settings.server_cpus, settings.load_cpus)
    return cpus.place(
        cpus.available(),
        # With load from other hosts, one core is left to its master and to what samples the servers.
        1 if settings.load_workers else count_load_processes(settings),
        facts.read_topology(Path("/")),
        server_processes=max(settings.workers),
        server_cpus=settings.server_cpus,
        load_cpus=settings.load_cpus,
    )
