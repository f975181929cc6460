"""The link of a run: which interface it is, how far it reaches, and what it carries meanwhile."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Self

import psutil

from harness.host.interfaces import read_counters, read_interface
from harness.model.link import Link, LinkSample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.hosts.namespace import Namespace
    from harness.model.link import Distance

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


class LiveLink:
    """The link between load and servers while a run lasts."""

    def __init__(self, server_address: str, namespace: Namespace | None = None) -> None:
        self._server_address = server_address
        self._namespace = namespace
        if namespace is None:
            self._device, self._load_address = find_route(server_address)
        else:
            self._device, self._load_address = namespace.interface, namespace.load_address

    def describe(self) -> Link:
        """What is known of it before it is measured."""
        namespace = self._namespace
        return Link(
            "network" if namespace is None else "namespace",
            self._load_address,
            self._server_address,
            read_interface(self._device),
            None if namespace is None else namespace.delayed_by,
        )

    @contextmanager
    def carry(self, distance: Distance) -> Iterator[LinkSampler]:
        """The link reaches that far during the block, and what it carries is sampled."""
        with nullcontext() if self._namespace is None else self._namespace.at(distance):
            device = self._device if self._namespace is None else self._namespace.device
            with LinkSampler(device, self._namespace.line_pid if self._namespace else None) as sampler:
                yield sampler


def find_route(address: str) -> tuple[str, str]:
    """The interface that packets to an address leave by, and their address; nothing where iproute2 does not say."""
    try:
        argv = ["ip", "-json", "route", "get", address]
        found = json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)[0]
    except (OSError, ValueError, LookupError, subprocess.CalledProcessError):
        return "", ""
    return found.get("dev", ""), found.get("prefsrc", "")
