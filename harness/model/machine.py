"""What there is to know of a machine: facts that travel with the numbers and that `harness doctor` judges.

None is what the kernel does not tell, here or at all; nothing is guessed. Units stand in the names; shares are of 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Cpu:
    """One CPU as the scheduler counts them: a core, or one of the hyper-threads of a core."""

    number: int
    core: int | None = None
    """Number of its core, unique within the package only."""
    package: int | None = None
    node: int | None = None
    """NUMA node."""
    siblings: tuple[int, ...] = ()
    """CPUs of the same core, itself included."""
    max_mhz: float | None = None


@dataclass(frozen=True)
class Processor:
    """All CPUs that are online, and how fast they run."""

    model: str | None
    cpus: tuple[Cpu, ...]
    smt: bool | None
    """Do cores run more than one hyper-thread?"""
    driver: str | None
    """What sets the frequency: `intel_pstate`, `acpi-cpufreq`, …"""
    governors: tuple[str, ...]
    """Those in use, each once."""
    turbo: bool | None
    """May a core run faster than its base frequency as long as heat allows?"""
    current_mhz: float | None
    """Mean over the CPUs."""
    min_mhz: float | None
    max_mhz: float | None


@dataclass(frozen=True)
class System:
    """The system, and what it runs on."""

    kernel: str | None
    os: str | None
    hypervisor: bool | None
    """True in a virtual machine; told by x86 processors, and by Xen."""
    product: str | None
    """What the firmware calls the machine."""


@dataclass(frozen=True)
class Ram:
    """The machine's memory."""

    total_bytes: int | None
    available_bytes: int | None
    swap_total_bytes: int | None
    swap_used_bytes: int | None


@dataclass(frozen=True)
class Limits:
    """What this process may use."""

    affinity: tuple[int, ...]
    """CPUs that it may run on."""
    may_pin: bool
    """May it say on which of them?"""
    cgroup: int | None
    """Version of the control groups that the limits were found in; None: found in none."""
    quota_cpus: float | None
    """CPU time of its control groups ÷ time, the tightest of all; None without a limit."""
    cpuset: tuple[int, ...] | None
    memory_bytes: int | None
    """Memory of its control groups, the tightest of all; None without a limit."""
    open_files: int | None
    open_files_hard: int | None
    """How far a process may raise that by itself. None, in both: unlimited, or not told."""


@dataclass(frozen=True)
class Network:
    """Loopback connections of a run take a local port each."""

    first_port: int | None
    last_port: int | None
    time_wait: int | None
    """Sockets that hold their port for a minute after their end."""
    tcp_tw_reuse: int | None
    """0: such a port is not taken before; 1: it is; 2: on the loopback."""
    somaxconn: int | None

    @property
    def ports(self) -> int | None:
        """How many ports there are for connections out."""
        if self.first_port is None or self.last_port is None:
            return None
        return self.last_port - self.first_port + 1


@dataclass(frozen=True)
class Power:
    """What feeds the machine."""

    on_battery: bool | None
    """None where there is no battery, or none is told of."""
    battery_ratio: float | None
    """How full it is."""


@dataclass(frozen=True)
class Busy:
    """A process that uses CPU now."""

    pid: int
    name: str
    cpus: float
    """CPU time ÷ time: 1.0 is one CPU, busy all the time."""


@dataclass(frozen=True)
class Activity:
    """What the machine did before this process came, and during one look."""

    load_average: tuple[float, float, float] | None
    """Over 1, 5 and 15 minutes: runnable and uninterruptible threads."""
    steal_ratio_since_boot: float | None
    """Share of the CPUs' time that the host gave to others; None where /proc/stat has none."""
    look_s: float
    steal_ratio: float | None
    """The same, during the look."""
    busy_cpus: float | None
    """CPU time of the whole machine ÷ time, during the look."""
    busiest: tuple[Busy, ...]
    """The three other processes that used most, during the look; none that used none."""


@dataclass(frozen=True)
class Python:
    """How the interpreter of this process was built."""

    implementation: str
    version: str
    compiler: str
    optimised: bool | None
    """Built with `--enable-optimizations`; None where the build does not tell its options."""
    lto: bool | None
    """Linked with `--with-lto`."""
    debug: bool
    gil: bool
    """Does it run with the global interpreter lock?"""


@dataclass(frozen=True)
class Machine:
    """Everything, read at one time."""

    processor: Processor
    system: System
    ram: Ram
    limits: Limits
    network: Network
    power: Power
    activity: Activity
    python: Python


@dataclass(frozen=True)
class Placement:
    """CPU numbers for the server and for the load generator."""

    server: frozenset[int]
    load: frozenset[int]
    shares_cores: bool = False
    """CPUs of their own, but two of them are hyper-threads of one core, and slow each other down."""

    @property
    def disjoint(self) -> bool:
        return not self.server & self.load


def format_list(cpus: Iterable[int]) -> str:
    """CPU numbers in the kernel's format, `0-3,8`, as short as possible."""
    ranges: list[list[int]] = []
    for number in sorted(cpus):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)
