"""Hosts for tests: network namespaces of this machine, each with an address on the same switch."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_FOLDER = Path("/run/netns")
_PREFIX = "harness-test-"


class Host:
    """A network namespace with one address."""

    def __init__(self, name: str, namespace: str, address: str) -> None:
        self.name = name
        self.address = address
        self._namespace = namespace

    @property
    def enter(self) -> tuple[str, ...]:
        """The start of a command that runs here."""
        return ("nsenter", f"--net={_FOLDER / self._namespace}")

    def unplug(self) -> None:
        """Take its link down, as if its cable were pulled out."""
        ip("-n", self._namespace, "link", "set", "eth0", "down")

    def plug(self) -> None:
        """Take its link up again."""
        ip("-n", self._namespace, "link", "set", "eth0", "up")

    def count_packets(self) -> int:
        """The packets that it has sent so far."""
        table = subprocess.run([*self.enter, "cat", "/proc/net/dev"], capture_output=True, text=True, check=True)
        line = next(line for line in table.stdout.splitlines() if line.strip().startswith("eth0:"))
        return int(line.split(":")[1].split()[9])


def other_clock() -> tuple[str, ...]:
    """The start of a command whose monotonic clock is a day ahead; nothing where the kernel has only one clock."""
    if not Path("/proc/self/ns/time").exists():
        return ()
    return ("unshare", "--time", "--monotonic", "100000", "--fork", "--kill-child")


def ip(*arguments: str) -> None:
    """Run a command of iproute2; raises with what it said."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


@contextmanager
def connected(*names: str) -> Iterator[tuple[Host, ...]]:
    """Hosts with these names as long as the block lasts; skips the test where none can be made."""
    if missing := [tool for tool in ("ip", "nsenter") if shutil.which(tool) is None]:
        pytest.skip(f"hosts are network namespaces, which take the command {missing[0]}")
    _remove_leftovers()
    hosts = [Host(name, f"{_PREFIX}{os.getpid()}-{name}", f"10.77.0.{number}") for number, name in enumerate(names, 1)]
    try:
        try:
            ip("netns", "add", hosts[0]._namespace)
        except OSError as error:
            pytest.skip(f"hosts are network namespaces, and this user ({os.geteuid()}) may not make one: {error}")
        _connect(hosts)
        yield tuple(hosts)
    finally:
        for host in hosts:
            subprocess.run(["ip", "netns", "delete", host._namespace], capture_output=True, check=False)


def _connect(hosts: list[Host]) -> None:
    """Plug every host into a switch, which is in the first of them."""
    first = hosts[0]._namespace
    ip("-n", first, "link", "set", "lo", "up")
    ip("-n", first, "link", "add", "eth0", "type", "bridge", "forward_delay", "0")
    ip("-n", first, "address", "add", f"{hosts[0].address}/24", "dev", "eth0")
    ip("-n", first, "link", "set", "eth0", "up")
    for number, host in enumerate(hosts[1:]):
        ip("netns", "add", host._namespace)
        ip("-n", host._namespace, "link", "set", "lo", "up")
        ip("-n", first, "link", "add", f"port{number}", "type", "veth", "peer", "eth0", "netns", host._namespace)
        ip("-n", first, "link", "set", f"port{number}", "master", "eth0", "up")
        ip("-n", host._namespace, "address", "add", f"{host.address}/24", "dev", "eth0")
        ip("-n", host._namespace, "link", "set", "eth0", "up")


def _remove_leftovers() -> None:
    """Remove namespaces of test runs that were killed."""
    for path in _FOLDER.glob(f"{_PREFIX}*"):
        if not Path(f"/proc/{path.name.removeprefix(_PREFIX).partition('-')[0]}").exists():
            subprocess.run(["ip", "netns", "delete", path.name], capture_output=True, check=False)
