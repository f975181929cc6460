"""A network namespace of this machine as a server host: made for a run, and gone with it.

The namespace has no name: it lasts as long as the process that holds it (`delay_line.py`) and the servers in it, which
carry the token of the run, so the guard ends them however the run ends. The devices of the link go with it.
"""

from __future__ import annotations

import ipaddress
import json
import os
import random
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.host import guard
from harness.host.cpus import running_on
from harness.hosts.delay_line import INNER
from harness.model.errors import UsageError
from harness.model.link import NEAR

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from harness.model.link import DelayedBy, Distance

_HOLDER = Path(__file__).with_name("delay_line.py")
_RANGES = tuple(map(ipaddress.IPv4Network, ("198.18.0.0/15", "10.0.0.0/8")))
"""For benchmarks of network devices (RFC 2544), and for private networks (RFC 1918)."""
_TRIES = 100
_QUEUE_PACKETS = 10_000
"""So many packets may wait for the delay line: with fewer, it would lose some when it is late."""
_VETH = "veth0"
"""The name of the device in the namespace."""
_TOOLS = {"ip": "iproute2", "tc": "iproute2", "nsenter": "util-linux"}
"""Commands that are needed, and the packages that have them."""


class _CommandError(Exception):
    """A command of iproute2 failed; the text is what it said."""


@dataclass(frozen=True)
class Carried:
    """Packets at one distance, in both directions."""

    carried: int
    lost: int
    """As asked."""
    refused: int
    """The other side did not take them: its queue was full."""


class Namespace:
    """A namespace with a link to it, at a distance that can be set."""

    def __init__(self, holder: subprocess.Popen[str], names: tuple[str, str], addresses: tuple[str, str]) -> None:
        self._holder = holder
        self.interface, self._tun = names
        self.load_address, self.address = addresses
        """Addresses of the two ends: where load comes from, and where servers listen."""
        self.delayed_by: DelayedBy | None = None
        """What makes distances; None where none can be set."""
        self._distance = NEAR
        self.carried: dict[Distance, Carried] = {}
        """What the delay line carried at each distance that was set, the last time that it was."""

    @property
    def pid(self) -> int:
        """The process that holds the namespace; where there is a delay line, it is that too."""
        return self._holder.pid

    def enter(self, argv: Iterable[str]) -> tuple[str, ...]:
        """The command that runs another one in the namespace, as the same process."""
        return ("nsenter", f"--net=/proc/{self.pid}/ns/net", "--", *argv)

    def set_distance(self, distance: Distance) -> None:
        """Set round-trip time and loss of the link; near, there is nothing in the way but the kernel."""
        if distance == self._distance:
            return
        if self.delayed_by == "netem":
            self._set_netem(distance)
        else:
            self._set_line(distance)
        self._distance = distance

    @contextmanager
    def at(self, distance: Distance) -> Iterator[None]:
        """The link has this distance as long as the block lasts, and is near after it."""
        self.set_distance(distance)
        try:
            yield
        finally:
            self.set_distance(NEAR)

    def _set_netem(self, distance: Distance) -> None:
        asked = ("delay", f"{distance.rtt_s / 2 * 1e6:.0f}us", "loss", f"{distance.loss:%}", "limit", str(_QUEUE_PACKETS))
        for prefix, device in (((), self.interface), (self.enter(()), _VETH)):
            if distance == NEAR:
                _run(*prefix, "tc", "qdisc", "del", "dev", device, "root")
            else:
                _run(*prefix, "tc", "qdisc", "replace", "dev", device, "root", "netem", *asked)

    def _set_line(self, distance: Distance) -> None:
        answer = self._ask(f"{distance.rtt_s} {distance.loss}")
        self.carried[self._distance] = Carried(*map(int, answer.split()))
        far = distance != NEAR
        here, there = (self._tun, INNER) if far else (self.interface, _VETH)
        # Both ends keep their addresses: only the way between them changes.
        _run("ip", "route", "replace", self.address, "dev", here, "src", self.load_address)
        _run(*self.enter(("ip", "route", "replace", self.load_address, "dev", there, "src", self.address)))

    def _ask(self, order: str) -> str:
        assert self._holder.stdin is not None  # noqa: S101 - it was asked for
        assert self._holder.stdout is not None  # noqa: S101 - it was asked for
        self._holder.stdin.write(f"{order}\n")
        self._holder.stdin.flush()
        return self._holder.stdout.readline()


@contextmanager
def make_namespace(token: str, cpus: frozenset[int], *, distant: bool) -> Iterator[Namespace]:
    """A namespace for as long as the block lasts; if `distant`, with something that can delay and lose packets.

    `cpus` are those that a delay line may use. Raises `UsageError` in one line where the right or a program is missing.
    """
    for tool, package in _TOOLS.items():
        if shutil.which(tool) is None:
            raise UsageError(f"--netns: expected the command {tool}, found none; install {package}")
    try:
        with _hold(token, cpus, ()) as near:
            if not distant or _has_netem(near):
                near.delayed_by = "netem" if distant else None
                yield near
                return
        with _hold(token, cpus, (near._tun,)) as far:  # noqa: SLF001 - its own
            far.delayed_by = "delay line"
            yield far
    except _CommandError as error:
        raise UsageError(f"--netns: expected iproute2 to make a link, found: {error}") from error


@contextmanager
def _hold(token: str, cpus: frozenset[int], tuns: tuple[str, ...]) -> Iterator[Namespace]:
    """Start the process that holds a namespace, and make the link to it."""
    with running_on(cpus):
        holder = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_HOLDER), *tuns],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
            env={guard.VARIABLE: token},
            text=True,
            start_new_session=True,
        )
    try:
        assert holder.stdout is not None  # noqa: S101 - it was asked for
        if (said := holder.stdout.readline().strip()) != "ready":
            user = "root without CAP_SYS_ADMIN or CAP_NET_ADMIN" if os.geteuid() == 0 else f"user {os.geteuid()}"
            why = f"{said or 'no answer'}, as {user}"
            raise UsageError(f"--netns: expected the right to make network namespaces, found: {why}; run it as root")
        number = f"{random.getrandbits(24):06x}"  # noqa: S311 - a name, not a secret
        names = (f"har-{number}v", tuns[0] if tuns else f"har-{number}t")
        addresses = choose_addresses(_list_routes())
        namespace = Namespace(holder, names, addresses)
        _connect(namespace, *names, *addresses, tun=bool(tuns))
        yield namespace
    finally:
        holder.kill()
        holder.communicate()


def _connect(namespace: Namespace, veth: str, tun_name: str, load: str, server: str, *, tun: bool) -> None:
    """Make the link, with an address at each end; a delay line has devices of its own beside it."""
    _run("ip", "link", "add", veth, "type", "veth", "peer", "name", _VETH, "netns", str(namespace.pid))
    queue = ("txqueuelen", str(_QUEUE_PACKETS))
    for prefix, device, own, other in (((), veth, load, server), (namespace.enter(()), _VETH, server, load)):
        _run(*prefix, "ip", "address", "add", own, "peer", other, "dev", device)
        _run(*prefix, "ip", "link", "set", "dev", device, "up")
        _run(*prefix, "ip", "link", "set", "dev", "lo", "up")
        if tun:
            _run(*prefix, "ip", "link", "set", "dev", INNER if prefix else tun_name, *queue, "up")


def _has_netem(namespace: Namespace) -> bool:
    """Has the kernel this queueing discipline? Many kernels of containers and small virtual machines have not."""
    try:
        _run("tc", "qdisc", "replace", "dev", namespace.interface, "root", "netem", "delay", "0ms")
    except _CommandError:
        return False
    _run("tc", "qdisc", "del", "dev", namespace.interface, "root")
    return True


def _list_routes() -> list[ipaddress.IPv4Network]:
    """Networks that this machine has routes to."""
    found = json.loads(_run("ip", "-json", "-4", "route", "show", "table", "all") or "[]")
    named = (each.get("dst", "default") for each in found)
    return [ipaddress.IPv4Network(each, strict=False) for each in named if each != "default"]


def choose_addresses(taken: Iterable[ipaddress.IPv4Network]) -> tuple[str, str]:
    """Two addresses of a network of four that overlaps none of those taken; raises `UsageError` if none is found."""
    used = list(taken)
    for each in _RANGES:
        for _ in range(_TRIES):
            start = random.randrange(each.num_addresses // 4) * 4  # noqa: S311 - no secret
            network = ipaddress.IPv4Network((int(each.network_address) + start, 30))
            if not any(network.overlaps(other) for other in used):
                load, server = map(str, network.hosts())
                return load, server
    ranges = " or ".join(map(str, _RANGES))
    raise UsageError(f"--netns: expected free addresses in {ranges}, found routes to all that were tried")


def _run(*argv: str) -> str:
    """What a command printed; raises `_CommandError` with what it said."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise _CommandError(f"{said[0]} ({' '.join(argv[-6:])})")
    return done.stdout
