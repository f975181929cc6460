"""Facts about a machine, which are stored with the results and judged by `harness doctor`.

None means that the kernel does not say; nothing is guessed. Names end in their units; a ratio is a share of 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

CPU_STATISTICS = "HARNESS_CPU_STATISTICS"
"""The environment variable by which load processes are told where CPU quotas count their pauses: paths with colons."""
_S_PER_UNIT = {"throttled_usec": 1e-6, "throttled_time": 1e-9}
"""Names and units of control groups of version 2 and version 1."""


def parse_paused_s(text: str) -> float:
    """For how long a CPU quota paused a control group, from its `cpu.stat`; 0 where that does not say."""
    pairs = (line.split() for line in text.splitlines())
    return sum(int(words[1]) * _S_PER_UNIT[words[0]] for words in pairs if words and words[0] in _S_PER_UNIT)


@dataclass(frozen=True)
class Cpu:
    """One CPU as the scheduler counts them: a core, or one hyper-thread of a core."""

    number: int
    core: int | None = None
    """The number of its core, which is unique within its package only."""
    package: int | None = None
    node: int | None = None
    """NUMA node."""
    siblings: tuple[int, ...] = ()
    """The CPUs of the same core, itself included."""
    max_mhz: float | None = None


@dataclass(frozen=True)
class Processor:
    """All CPUs that are online, and how fast they run."""

    model: str | None
    cpus: tuple[Cpu, ...]
    smt: bool | None
    """Does any core have more than one hyper-thread?"""
    driver: str | None
    """The driver that sets the frequency: `intel_pstate`, `acpi-cpufreq`, …"""
    governors: tuple[str, ...]
    """The frequency governors in use, each once."""
    turbo: bool | None
    """May a core run faster than its base frequency as long as heat allows?"""
    current_mhz: float | None
    """The mean over all CPUs."""
    min_mhz: float | None
    max_mhz: float | None


@dataclass(frozen=True)
class System:
    """The operating system, and what it runs on."""

    kernel: str | None
    os: str | None
    hypervisor: bool | None
    """Is it a virtual machine? Only x86 processors and Xen say so."""
    product: str | None
    """The machine's name according to its firmware."""


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
    """May it set its CPU affinity (sched_setaffinity)?"""
    cgroup: int | None
    """Version of the control groups in which limits were looked up; None if there are none."""
    quota_cpus: float | None
    """CPU time ÷ time that its control groups allow, the least of all; None without a limit."""
    cpuset: tuple[int, ...] | None
    """CPUs that its control groups allow; None without a limit."""
    memory_bytes: int | None
    """Memory that its control groups allow, the least of all; None without a limit."""
    open_files: int | None
    """Soft limit; None if it is unlimited or unknown."""
    open_files_hard: int | None
    """Hard limit, up to which a process may raise the soft one; None if it is unlimited or unknown."""


@dataclass(frozen=True)
class Network:
    """Limits of TCP; each connection of a run over the loopback takes a local port."""

    first_port: int | None
    last_port: int | None
    time_wait: int | None
    """Sockets in TIME_WAIT, each of which keeps its port for a minute."""
    tcp_tw_reuse: int | None
    """May new connections reuse the ports of sockets in TIME_WAIT? 0: no, 1: yes, 2: on the loopback only."""
    somaxconn: int | None

    @property
    def ports(self) -> int | None:
        """The number of ports for outgoing connections."""
        if self.first_port is None or self.last_port is None:
            return None
        return self.last_port - self.first_port + 1


@dataclass(frozen=True)
class Power:
    """The machine's power supply."""

    on_battery: bool | None
    """None if there is no battery, or the kernel does not say."""
    battery_ratio: float | None
    """How full the battery is."""


@dataclass(frozen=True)
class Busy:
    """A process that used CPU time during the observation."""

    pid: int
    name: str
    cpus: float
    """CPU time ÷ time; 1.0 is one CPU that is always busy."""


@dataclass(frozen=True)
class Activity:
    """What the machine did before this process started, and during an observation."""

    load_average: tuple[float, float, float] | None
    """Runnable and uninterruptible threads, over 1, 5 and 15 minutes."""
    steal_ratio_since_boot: float | None
    """Share of the CPUs' time that the host gave to other guests; None if /proc/stat does not say."""
    look_s: float
    """Length of the observation."""
    steal_ratio: float | None
    """The same share during the observation."""
    busy_cpus: float | None
    """CPU time of the whole machine ÷ time, during the observation."""
    busiest: tuple[Busy, ...]
    """The three other processes that used most CPU time during the observation; those that used none are left out."""


@dataclass(frozen=True)
class Python:
    """How the interpreter of this process was built."""

    implementation: str
    version: str
    compiler: str
    optimised: bool | None
    """Was it built with `--enable-optimizations`? None if the build does not record its options."""
    lto: bool | None
    """Was it built with `--with-lto`? None as above."""
    debug: bool
    """Is it a debug build?"""
    gil: bool
    """Does it run with the global interpreter lock?"""

    def __str__(self) -> str:
        return f"{self.implementation} {self.version}"


@dataclass(frozen=True)
class Machine:
    """All facts about a machine, read at one time."""

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
    """The CPUs of the server and those of the load generator."""

    server: frozenset[int]
    load: frozenset[int]
    shares_cores: bool = False
    """Do the two have different CPUs, of which two are hyper-threads of one core and slow each other down?"""

    apart: bool = False
    """Are the two on different machines?"""

    @property
    def disjoint(self) -> bool:
        """Do the two have no CPU in common?"""
        return self.apart or not self.server & self.load


def format_list(cpus: Iterable[int]) -> str:
    """Format CPU numbers as the kernel does, `0-3,8`, as short as possible."""
    ranges: list[list[int]] = []
    for number in sorted(cpus):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)
