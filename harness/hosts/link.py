"""The link of a run: which interface it is, how far it reaches, and what it carries meanwhile."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Literal, Protocol, Self

import psutil

from harness.host.interfaces import read_counters, read_interface
from harness.model.link import Link, LinkSample

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from contextlib import AbstractContextManager

    from harness.model.link import DelayedBy, Distance

INTERVAL_S = 0.05
"""The counters of the interface are read this often."""


class LinkSampler:
    """Reads the counters of a network interface twenty times a second while its block runs, and once at either end.

    With the id of a process that carries the packets, its CPU time too.
    """

    def __init__(self, device: str, pid: int | None = None) -> None:
        self.samples: list[LinkSample] = []
        self._device = device
        self._line = None if pid is None else psutil.Process(pid)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="link sampler", daemon=True)

    def __enter__(self) -> Self:
        self._take_sample()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._take_sample()

    def _run(self) -> None:
        while not self._done.wait(INTERVAL_S):
            self._take_sample()

    def _take_sample(self) -> None:
        with suppress(OSError, psutil.Error):  # the interface, or the line, has gone
            times = None if self._line is None else self._line.cpu_times()
            used_s = None if times is None else times.user + times.system
            self.samples.append(LinkSample(time.perf_counter_ns(), *read_counters(self._device), line_cpu_s=used_s))


class FarLink(Protocol):
    """A link that can be at a distance: a network namespace, or an interface that the user named."""

    @property
    def kind(self) -> Literal["namespace", "network"]: ...

    @property
    def interface(self) -> str:
        """The name of the interface on this side."""

    @property
    def load_address(self) -> str: ...

    @property
    def leads_from_here(self) -> bool:
        """Do packets from this process to the servers take it?"""

    @property
    def delayed_by(self) -> DelayedBy | None: ...

    @property
    def device(self) -> str:
        """The device that packets take now."""

    @property
    def line_pid(self) -> int | None:
        """The process that carries packets now; None where it is the kernel."""

    def at(self, distance: Distance, ports: Collection[int], /) -> AbstractContextManager[None]:
        """The link to servers at these ports has this distance as long as the block lasts; raises `LoadError`."""


class LiveLink:
    """The link between load and servers while a run lasts; without a `far` one, it is as long as it is."""

    def __init__(self, server_address: str, far: FarLink | None = None) -> None:
        self._server_address = server_address
        self._far = far
        self.leads_from_here = far is None or far.leads_from_here
        """Do packets from this process to the servers take it?"""
        if far is None:
            self._device, self._load_address = find_route(server_address)
        else:
            self._device, self._load_address = far.interface, far.load_address

    def describe(self) -> Link:
        """What is known of it before it is measured."""
        far = self._far
        return Link(
            "network" if far is None else far.kind,
            self._load_address,
            self._server_address,
            read_interface(self._device),
            None if far is None else far.delayed_by,
        )

    @contextmanager
    def carry(self, distance: Distance, ports: Collection[int]) -> Iterator[LinkSampler]:
        """The link to servers at these ports reaches that far during the block, and what it carries is sampled."""
        with nullcontext() if self._far is None else self._far.at(distance, ports):
            device = self._device if self._far is None else self._far.device
            with LinkSampler(device, self._far.line_pid if self._far else None) as sampler:
                yield sampler


def find_route(address: str) -> tuple[str, str]:
    """The interface that packets to an address leave by, and their address; nothing where iproute2 does not say."""
    try:
        argv = ["ip", "-json", "route", "get", address]
        found = json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)[0]
    except (OSError, ValueError, LookupError, subprocess.CalledProcessError):
        return "", ""
    return found.get("dev", ""), found.get("prefsrc", "")
