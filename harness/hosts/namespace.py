"""A network namespace of this machine as a server host: made for a run, and gone with it.

The namespace has no name and no file: it lasts as long as the process that holds it (`delay_line.py`), which ends with
this one, and the servers in it, which the guard of the run ends. The devices of the link go with it.
"""

from __future__ import annotations

import ipaddress
import json
import os
import random
import shutil
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.host import process
from harness.host.cpus import running_on
from harness.host.sockets import Network, list_listeners
from harness.hosts.delay_line import INNER
from harness.hosts.link import LiveLink
from harness.hosts.server_host import LocalHost
from harness.hosts.traffic_control import QUEUE_PACKETS, describe_netem
from harness.model.errors import LoadError, ServerError, UsageError
from harness.model.link import NEAR

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from harness.hosts.server_host import RunningServer
    from harness.model.link import DelayedBy, Distance
    from harness.model.machine import Placement
    from harness.model.targets import App, Launch, Server, Tls

_HOLDER = Path(__file__).with_name("delay_line.py")
_RANGES = tuple(map(ipaddress.IPv4Network, ("198.18.0.0/15", "10.0.0.0/8")))
"""For benchmarks of network devices (RFC 2544), and for private networks (RFC 1918)."""
_PREFIX = "har-"
"""Names of devices begin with it."""
_TRIES = 100
_ENDED = "the process that holds it has ended"
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

    kind: Literal["namespace"] = "namespace"
    leads_from_here = True

    def __init__(self, holder: subprocess.Popen[str], names: tuple[str, str], addresses: tuple[str, str]) -> None:
        self._holder = holder
        self.interface, self._tun = names
        self.load_address, self.address = addresses
        """Addresses of the two ends: where load comes from, and where servers listen."""
        tables = Path(f"/proc/{holder.pid}")
        self.network = Network(tables / "net", ("nsenter", f"--net={tables}/ns/net", "--"))
        self.delayed_by: DelayedBy | None = None
        """What makes distances; None where none can be set."""
        self._distance = NEAR
        self.carried: dict[Distance, Carried] = {}
        """What the delay line carried at each distance that was set, the last time that it was."""

    @property
    def device(self) -> str:
        """The device that packets take now."""
        return self._tun if self.delayed_by == "delay line" and self._distance != NEAR else self.interface

    @property
    def line_pid(self) -> int | None:
        """The process that carries packets now; None where it is the kernel."""
        return self.pid if self.device != self.interface else None

    @property
    def pid(self) -> int:
        """The process that holds the namespace; where there is a delay line, it is that too."""
        return self._holder.pid

    @property
    def lasts(self) -> bool:
        return self._holder.poll() is None

    def set_distance(self, distance: Distance) -> None:
        """Set round-trip time and loss of the link; near, there is nothing in the way but the kernel.

        Raises `LoadError` where it has gone.
        """
        if distance == self._distance:
            return
        try:
            if self.delayed_by == "netem":
                self._set_netem(distance)
            else:
                self._set_line(distance)
        except (_CommandError, OSError) as error:
            raise LoadError(f"expected a link with {distance}, found: {error}") from error
        self._distance = distance

    @contextmanager
    def at(self, distance: Distance, _ports: Collection[int], /) -> Iterator[None]:
        """The link has this distance as long as the block lasts, and is near after it, whatever takes it."""
        self.set_distance(distance)
        try:
            yield
        finally:
            self.set_distance(NEAR)

    def _set_netem(self, distance: Distance) -> None:
        for prefix, device in (((), self.interface), (self.network.enter, _VETH)):
            if distance == NEAR:
                _run(*prefix, "tc", "qdisc", "del", "dev", device, "root")
            else:
                _run(*prefix, "tc", "qdisc", "replace", "dev", device, "root", *describe_netem(distance))

    def _set_line(self, distance: Distance) -> None:
        self.carried[self._distance] = self._order(distance)
        far = distance != NEAR
        here, there = (self._tun, INNER) if far else (self.interface, _VETH)
        # Both ends keep their addresses: only the way between them changes.
        _run("ip", "route", "replace", self.address, "dev", here, "src", self.load_address)
        enter = self.network.enter
        _run(*enter, "ip", "route", "replace", self.load_address, "dev", there, "src", self.address)

    def _order(self, distance: Distance) -> Carried:
        """Tell the delay line how far it reaches; what it has carried until then."""
        assert self._holder.stdin is not None  # noqa: S101 - it was asked for
        assert self._holder.stdout is not None  # noqa: S101 - it was asked for
        with suppress(BrokenPipeError):
            self._holder.stdin.write(f"{distance.rtt_s} {distance.loss}\n")
            self._holder.stdin.flush()
        if answer := self._holder.stdout.readline().split():
            return Carried(*map(int, answer))
        raise _CommandError(_ENDED)


class NamespaceHost(LocalHost):
    """The same machine, and the same CPUs, behind a link of its own."""

    def __init__(self, cpus: frozenset[int], namespace: Namespace) -> None:
        super().__init__(cpus)
        self.namespace = namespace
        self.address = namespace.address
        self.link = LiveLink(namespace.address, namespace)

    def make_launch(self, server: Server, target: str, workers: int, tls: Tls | None, python: str) -> Launch:
        taken = {each.port for each in list_listeners(self.namespace.network)}
        while (launch := process.make_launch(server, target, workers, tls, python)).port in taken:
            pass
        return replace(launch, host=self.address)

    def start(
        self, server: Server, app: App, launch: Launch, *, log: Path, token: str, deadline_s: float | None = None
    ) -> RunningServer:
        network = self.namespace.network
        if not self.namespace.lasts:
            raise ServerError(f"{server.name}: expected the network namespace of the run, found: {_ENDED}")
        return process.start(
            server, app, launch, cpus=self.cpus, log=log, token=token, deadline_s=deadline_s, network=network
        )


@contextmanager
def open_namespace_host(placement: Placement, *, distant: bool) -> Iterator[NamespaceHost]:
    """Servers in a namespace of their own for as long as the block lasts; raises `UsageError` as `make_namespace`."""
    with make_namespace(placement.load, distant=distant) as namespace:
        yield NamespaceHost(placement.server, namespace)


@contextmanager
def make_namespace(cpus: frozenset[int], *, distant: bool) -> Iterator[Namespace]:
    """A namespace for as long as the block lasts; if `distant`, with something that can delay and lose packets.

    `cpus` are those that a delay line uses. Raises `UsageError` in one line where the right or a program is missing.
    """
    for tool, package in _TOOLS.items():
        if shutil.which(tool) is None:
            raise UsageError(f"--netns: expected the command {tool}, found none; install {package}")
    try:
        with _hold(cpus) as near:
            if not distant or _has_netem(near):
                near.delayed_by = "netem" if distant else None
                yield near
                return
        with _hold(cpus, f"{_PREFIX}{_make_number()}t") as far:
            far.delayed_by = "delay line"
            yield far
    except _CommandError as error:
        raise UsageError(f"--netns: expected iproute2 to make a link, found: {error}") from error


@contextmanager
def _hold(cpus: frozenset[int], tun: str = "") -> Iterator[Namespace]:
    """Start the process that holds a namespace, and make the link to it; with a name for a TUN device, a delay line."""
    with running_on(cpus):
        holder = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_HOLDER), *filter(None, [tun])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
            text=True,
            start_new_session=True,
        )
    try:
        assert holder.stdout is not None  # noqa: S101 - it was asked for
        if (said := holder.stdout.readline().strip()) != "ready":
            lacking = "run it as root" if os.geteuid() else "root lacks CAP_SYS_ADMIN, CAP_NET_ADMIN or /dev/net/tun"
            expected = "expected the right to make network namespaces and devices"
            raise UsageError(f"--netns: {expected}, found: {said or 'no answer'}; {lacking}")
        namespace = Namespace(holder, (f"{_PREFIX}{_make_number()}v", tun), choose_addresses(_list_routes()))
        _connect(namespace, tun)
        yield namespace
    finally:
        holder.kill()
        holder.communicate()


def _connect(namespace: Namespace, tun: str) -> None:
    """Make the link, with an address at each end; a delay line has devices of its own beside it."""
    _run("ip", "link", "add", namespace.interface, "type", "veth", "peer", "name", _VETH, "netns", str(namespace.pid))
    here, there = namespace.load_address, namespace.address
    _run(*namespace.network.enter, "ip", "link", "set", "dev", "lo", "up")
    for enter, device, own, other, line in (
        ((), namespace.interface, here, there, tun),
        (namespace.network.enter, _VETH, there, here, tun and INNER),
    ):
        _run(*enter, "ip", "address", "add", own, "peer", other, "dev", device)
        for each in filter(None, (device, line)):
            # Without an address of IPv6, the kernel sends nothing by itself.
            _run(*enter, "ip", "link", "set", "dev", each, "addrgenmode", "none")
            _run(*enter, "ip", "link", "set", "dev", each, "txqueuelen", str(QUEUE_PACKETS), "up")


def _make_number() -> str:
    """Six digits that no other run has taken."""
    return f"{random.getrandbits(24):06x}"


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
