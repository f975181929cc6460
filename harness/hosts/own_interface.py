"""A distance on an interface that the user names: only load and servers meet it, and nothing of it is left.

Another process, `keeper.py`, does to the interface what is done, and takes it back when this one has ended.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.hosts.keeper import run
from harness.hosts.link import find_route
from harness.hosts.traffic_control import ARRIVING, LEAVING, ROOT, Traffic
from harness.model.errors import LoadError, UsageError
from harness.model.link import NEAR
from harness.text.numbers import join

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from harness.hosts.traffic_control import Command
    from harness.model.link import DelayedBy, Distance

_KEEPER = Path(__file__).with_name("keeper.py")
_PREFIX = "har-ifb"
"""Names of IFB devices begin with it; the number of the interface follows."""
_BY_KERNEL = "0:"
"""The handle of a queueing discipline that nobody set."""
_REFUSED = "Operation not permitted"
_THERE_ALREADY = "File exists"
_ENDED = "the process that changes it has ended"


class OwnInterface:
    """An interface of this host, at a distance that can be set."""

    kind: Literal["network"] = "network"
    delayed_by: DelayedBy = "netem"
    line_pid = None

    def __init__(self, traffic: Traffic, load_address: str, keeper: subprocess.Popen[str]) -> None:
        self.interface = self.device = traffic.interface
        self.load_address = load_address
        """Nothing where load comes from several hosts."""
        self.leads_from_here = not traffic.servers_here
        self._traffic = traffic
        self._keeper = keeper

    @property
    def pid(self) -> int:
        """The process that takes everything back."""
        return self._keeper.pid

    @contextmanager
    def at(self, distance: Distance, ports: Collection[int], /) -> Iterator[None]:
        """Servers at these ports have this distance as long as the block lasts, and are near after it.

        Raises `LoadError` where that cannot be, and where nothing of the block has taken the way.
        """
        self._check_clear()
        if distance == NEAR:
            yield
            return
        try:
            if (said := self.order(self._traffic.delay(distance, ports))) is not None:
                raise LoadError(f"expected {self.interface} with {distance}, found: {said}")
            yield
            self._check_packets()
            time.sleep(distance.rtt_s / 2)  # so long are packets on their way that end connections
        finally:
            for each in self._traffic.release():
                self.order([each])
        self._check_clear()

    def _check_clear(self) -> None:
        """Raise `LoadError` unless the interface is as it was before the run."""
        if found := list_configured(self.interface):
            raise LoadError(f"expected {self.interface} as it was before the run, found {found[0]} on it")

    def _check_packets(self) -> None:
        """Raise `LoadError` unless packets went both ways: a result without them would be that of another distance."""
        for direction, device, handle in (
            ("to leave by", self.interface, LEAVING),
            ("to arrive by", self._traffic.ifb, ARRIVING),
        ):
            counted = {each["handle"]: each["packets"] for each in _list_disciplines(device)}
            if not counted.get(handle):
                what = "packets between load and servers"
                raise LoadError(f"expected {what} {direction} {self.interface}, found that they go another way")

    def order(self, commands: Sequence[Command]) -> str | None:
        """Have commands run until one fails; what that one said."""
        assert self._keeper.stdin is not None  # noqa: S101 - it was asked for
        try:
            self._keeper.stdin.write(json.dumps(commands) + "\n")
            self._keeper.stdin.flush()
        except BrokenPipeError:
            return _ENDED
        return self.read_answer()

    def read_answer(self) -> str | None:
        """What the command said that failed, of those that were to run last."""
        assert self._keeper.stdout is not None  # noqa: S101 - it was asked for
        answer = self._keeper.stdout.readline()
        said: str | None = json.loads(answer) if answer else _ENDED
        return said


@contextmanager
def open_interface(name: str, server_address: str, *, servers_here: bool) -> Iterator[OwnInterface]:
    """An interface of this host that can be at a distance, for as long as the block lasts.

    Packets to and from the servers take it: they listen on this address, here or on the other side. Raises `UsageError`
    in one line where that is not so, or where a right, a program or a module of the kernel is missing.
    """
    for tool in ("ip", "tc"):
        if shutil.which(tool) is None:
            raise UsageError(f"--interface: expected the command {tool}, found none; install iproute2")
    number = _find_number(name)
    load_address = _check_way(name, server_address, servers_here=servers_here)
    traffic = Traffic(name, f"{_PREFIX}{number}", server_address, servers_here)
    if found := list_configured(name):
        advice = "take it away, or name another interface"
        if found[0].endswith(ROOT):
            advice = f"if no other run goes on: {_write(traffic.remove())}"
        raise UsageError(f"--interface: expected {name} as the kernel sets it up, found {found[0]} on it; {advice}")
    with _keep(traffic, load_address) as own:
        _check_kernel(own, traffic)
        yield own


@contextmanager
def _keep(traffic: Traffic, load_address: str) -> Iterator[OwnInterface]:
    """Start the process that changes the interface; raises `UsageError` without the right to, or beside another run."""
    keeper = subprocess.Popen(
        [sys.executable, "-I", "-S", str(_KEEPER), json.dumps(traffic.claim()), json.dumps(traffic.remove())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        # Without the token of a run: its guard would end it before it has taken everything back.
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        text=True,
        start_new_session=True,  # Ctrl-C is meant for the harness
    )
    try:
        own = OwnInterface(traffic, load_address, keeper)
        if (said := own.read_answer()) is not None:
            raise UsageError(f"--interface: {_explain(said, traffic)}")
        yield own
    finally:
        keeper.communicate()
        if keeper.returncode != 0:  # it was killed
            for each in traffic.remove():
                run([each])


def _find_number(name: str) -> int:
    """The number of an interface to other hosts; raises `UsageError` where there is none of this name."""
    links = {each["ifname"]: each for each in _read_json("ip", "-json", "link", "show")}
    others = [each for each, link in links.items() if "LOOPBACK" not in link["flags"]]
    if name not in links:
        there = join(others) if others else "none to name"
        raise UsageError(f"--interface: expected an interface of this host ({there}), found {name}")
    if name not in others:
        instead = "--netns makes a distance on one machine"
        raise UsageError(f"--interface: expected an interface to other hosts, found {name}, the loopback; {instead}")
    number: int = links[name]["ifindex"]
    return number


def _check_way(name: str, address: str, *, servers_here: bool) -> str:
    """The address that load comes from, if it is one; raises `UsageError` unless servers are reached by the interface.

    Where servers are here, the interface has their address: load workers reach that by it.
    """
    if servers_here:
        has = [
            each["ifname"]
            for each in _read_json("ip", "-json", "-4", "address", "show")
            if any(own["local"] == address for own in each["addr_info"])
        ]
        if name not in has:
            which = f"the interface with the address {address} ({join(has) if has else 'none has it'})"
            raise UsageError(f"--interface: expected {which}, found {name}")
        return ""
    device, load_address = find_route(address)
    if device == "lo":
        raise UsageError(f"--interface: expected servers on another host, found that {address} is one of this host")
    if device != name:
        which = f"the interface that leads to {address} ({device or 'none does'})"
        raise UsageError(f"--interface: expected {which}, found {name}")
    return load_address


def list_configured(name: str) -> list[str]:
    """The queueing disciplines of an interface that somebody set, such as `htb 1:`; the kernel's own have no handle."""
    return [f"{each['kind']} {each['handle']}" for each in _list_disciplines(name) if each["handle"] != _BY_KERNEL]


def _list_disciplines(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _read_json("tc", "-statistics", "-json", "qdisc", "show", "dev", name)
    return found


def _read_json(*argv: str) -> Any:
    """What a command of iproute2 shows; nothing where it fails."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return json.loads(done.stdout or "[]")


def _explain(said: str, traffic: Traffic) -> str:
    """Why the IFB device could not be made."""
    if _REFUSED in said:
        return f"expected the right to change {traffic.interface} (CAP_NET_ADMIN), found: {_REFUSED}; run it as root"
    if _THERE_ALREADY in said:
        hint = f"if none goes on: {_write(traffic.remove()[-1:])}"
        return f"expected no other run at {traffic.interface}, found its device {traffic.ifb}; {hint}"
    return _miss(["ifb"], said)


def _check_kernel(own: OwnInterface, traffic: Traffic) -> None:
    """Raise `UsageError` if a module of the kernel is missing. The interface is not touched."""
    missing = {}
    for chain in traffic.try_modules():
        for module, command in chain:
            if (said := own.order([command])) is not None:
                missing[module] = said
                break
    for each in traffic.clear_ifb():
        own.order([each])
    if missing:
        raise UsageError(f"--interface: {_miss(list(missing), next(iter(missing.values())))}")
    if (said := own.order(traffic.prepare())) is not None:
        raise UsageError(f"--interface: expected to set up {traffic.ifb}, found: {said}")


def _miss(modules: Sequence[str], said: str) -> str:
    reason = said.partition(" (")[0].removeprefix("Error: ").rstrip(".")
    advice = f"try modprobe -a {' '.join(modules)}, or use a kernel that has them"
    return f"expected a kernel with {join(modules)}, found: {reason}; {advice}"


def _write(commands: Sequence[Command]) -> str:
    """Commands as a shell takes them."""
    return "; ".join(" ".join(each) for each in commands)
