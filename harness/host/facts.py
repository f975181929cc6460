"""Reads the facts about this machine from Linux's /proc and /sys, and from this process.

`root` is the folder that contains /proc, /sys and /etc; with another one, files can describe any machine.
"""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
import time
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from harness.host import cgroups, cpus
from harness.model.machine import Activity, Busy, Cpu, Limits, Machine, Network, Power, Processor, Python, Ram, System

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

LOOK_S = 1.0
"""The machine's activity is observed for this long: enough to see 1 % of a CPU, as the kernel counts hundredths of a
second."""
BUSIEST = 3
"""So many of the other processes that used most CPU are named."""
_ROOT = Path("/")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_STEAL = 7
_IDLE = (3, 4)
"""Positions in a line of /proc/stat: user nice system idle iowait irq softirq steal."""


def read_machine(
    root: Path = _ROOT, *, look_s: float = LOOK_S, wait: Callable[[float], object] = time.sleep
) -> Machine:
    """Read all facts; this takes `look_s` seconds, during which it `wait`s and observes what else the machine does."""
    return Machine(
        processor=read_processor(root),
        system=_read_system(root),
        ram=_read_ram(root),
        limits=_read_limits(root),
        network=_read_network(root),
        power=_read_power(root),
        activity=_read_activity(root, look_s, wait),
        python=describe_python(),
    )


def read_processor(root: Path = _ROOT) -> Processor:
    """Read which CPUs are online, and what the kernel says about their speed."""
    found = read_topology(root)
    folders = [root / f"sys/devices/system/cpu/cpu{cpu.number}/cpufreq" for cpu in found]
    control = root / "sys/devices/system/cpu"
    no_turbo = _read_number(control / "intel_pstate/no_turbo")
    boost = _read_number(control / "cpufreq/boost")
    turbo = no_turbo == 0 if no_turbo is not None else boost == 1 if boost is not None else None
    current = _known(_read_mhz(folder / "scaling_cur_freq") for folder in folders)
    return Processor(
        model=_read_model(root),
        cpus=found,
        smt=any(len(cpu.siblings) > 1 for cpu in found) if any(cpu.siblings for cpu in found) else None,
        driver=next((name for folder in folders if (name := _read_line(folder / "scaling_driver"))), None),
        governors=tuple(sorted({name for folder in folders if (name := _read_line(folder / "scaling_governor"))})),
        turbo=turbo,
        current_mhz=fmean(current) if current else None,
        min_mhz=min(_known(_read_mhz(folder / "cpuinfo_min_freq") for folder in folders), default=None),
        max_mhz=max((cpu.max_mhz for cpu in found if cpu.max_mhz is not None), default=None),
    )


def read_topology(root: Path = _ROOT) -> tuple[Cpu, ...]:
    """Read which CPUs are online; none if the kernel does not say."""
    base = root / "sys/devices/system"
    nodes = {
        number: int(folder.name.removeprefix("node"))
        for folder in sorted(base.glob("node/node[0-9]*"))
        for number in _read_cpu_list(folder / "cpulist") or ()
    }
    return tuple(
        Cpu(
            number=number,
            core=_read_id(folder / "topology/core_id"),
            package=_read_id(folder / "topology/physical_package_id"),
            node=nodes.get(number),
            siblings=_read_cpu_list(folder / "topology/thread_siblings_list") or (),
            max_mhz=_read_mhz(folder / "cpufreq/cpuinfo_max_freq"),
        )
        for number in _read_cpu_list(base / "cpu/online") or ()
        for folder in [base / f"cpu/cpu{number}"]
    )


def describe_python() -> Python:
    """Describe how the interpreter of this process was built."""
    options = sysconfig.get_config_var("CONFIG_ARGS")
    gil_enabled: Callable[[], bool] = getattr(sys, "_is_gil_enabled", lambda: True)  # public name from 3.13 on
    return Python(
        implementation=platform.python_implementation(),
        version=platform.python_version(),
        compiler=platform.python_compiler(),
        optimised="--enable-optimizations" in options if options else None,
        lto="--with-lto" in options if options else None,
        debug=hasattr(sys, "gettotalrefcount"),
        gil=gil_enabled(),
    )


def _read_model(root: Path) -> str | None:
    """Read the processor's name; for single-board computers that is `Model`, and other ARM kernels give none."""
    named = {key: value for key, value in _read_pairs(root / "proc/cpuinfo").items() if key in {"model name", "Model"}}
    return next(iter(named.values()), None)


def _read_system(root: Path) -> System:
    flags = _read_pairs(root / "proc/cpuinfo").get("flags")
    xen = (root / "sys/hypervisor/type").exists()
    return System(
        kernel=_read_line(root / "proc/sys/kernel/osrelease"),
        os=_read_pairs(root / "etc/os-release", "=").get("PRETTY_NAME", "").strip("\"'") or None,
        hypervisor=True if xen else "hypervisor" in flags.split() if flags is not None else None,
        product=_read_line(root / "sys/class/dmi/id/product_name"),
    )


def _read_ram(root: Path) -> Ram:
    kib = {key: int(value.split()[0]) for key, value in _read_pairs(root / "proc/meminfo").items()}

    def size(key: str) -> int | None:
        return kib[key] * 1024 if key in kib else None

    swap, free = size("SwapTotal"), size("SwapFree")
    return Ram(
        total_bytes=size("MemTotal"),
        available_bytes=size("MemAvailable"),
        swap_total_bytes=swap,
        swap_used_bytes=None if swap is None or free is None else swap - free,
    )


def _read_limits(root: Path) -> Limits:
    groups = cgroups.read(root)
    allowed = _read_pairs(root / "proc/self/status").get("Cpus_allowed_list")
    files = next((line for line in _read_lines(root / "proc/self/limits") if line.startswith("Max open files")), "")
    soft, hard = (int(word) if word.isdecimal() else None for word in (files.split()[3:5] or ["", ""]))
    return Limits(
        affinity=tuple(sorted(cpus.parse_list(allowed))) if allowed else (),
        may_pin=_can_set_affinity(),
        cgroup=groups.version,
        quota_cpus=groups.quota_cpus,
        cpuset=groups.cpuset,
        memory_bytes=groups.memory_bytes,
        open_files=soft,
        open_files_hard=hard,
    )


def _can_set_affinity() -> bool:
    """Try to set the CPU affinity, which some containers forbid, to what it is already."""
    try:
        os.sched_setaffinity(0, os.sched_getaffinity(0))
    except OSError:
        return False
    return True


def _read_network(root: Path) -> Network:
    settings = root / "proc/sys/net"
    ports = [int(word) for word in (_read_line(settings / "ipv4/ip_local_port_range") or "").split()]
    tcp = _read_pairs(root / "proc/net/sockstat").get("TCP", "").split()
    return Network(
        first_port=ports[0] if ports else None,
        last_port=ports[1] if ports else None,
        time_wait=int(tcp[tcp.index("tw") + 1]) if "tw" in tcp else None,
        tcp_tw_reuse=_read_number(settings / "ipv4/tcp_tw_reuse"),
        somaxconn=_read_number(settings / "core/somaxconn"),
    )


def _read_power(root: Path) -> Power:
    """Read the power supplies of the machine; batteries of mice and other devices have the scope `Device`."""
    supplies = [
        folder
        for folder in sorted((root / "sys/class/power_supply").glob("*"))
        if _read_line(folder / "scope") != "Device"
    ]
    batteries = [folder for folder in supplies if _read_line(folder / "type") == "Battery"]
    mains = _known(
        _read_number(folder / "online") for folder in supplies if _read_line(folder / "type") in {"Mains", "USB"}
    )
    discharging = any(_read_line(folder / "status") == "Discharging" for folder in batteries)
    percent = _known(_read_number(folder / "capacity") for folder in batteries)
    return Power(
        on_battery=(discharging or (bool(mains) and not any(mains))) if batteries else None,
        battery_ratio=fmean(percent) / 100 if percent else None,
    )


def _read_activity(root: Path, look_s: float, wait: Callable[[float], object]) -> Activity:
    own = _read_number(root / "proc/self/stat")
    ticks, processes = _read_ticks(root), _read_processes(root)
    wait(look_s)
    ticks_after, processes_after = _read_ticks(root), _read_processes(root)
    passed = [after - before for before, after in zip(ticks, ticks_after, strict=True)]
    used = [
        Busy(pid, name, (after - processes[pid][1]) / _TICKS_PER_S / look_s)
        for pid, (name, after) in processes_after.items()
        if pid != own and pid in processes and after > processes[pid][1]
    ]
    idle = sum(passed[place] for place in _IDLE) if passed else 0
    stolen = passed[_STEAL] if passed else 0
    words = (_read_line(root / "proc/loadavg") or "").split()
    return Activity(
        load_average=(float(words[0]), float(words[1]), float(words[2])) if words else None,
        steal_ratio_since_boot=_share(ticks, _STEAL),
        look_s=look_s,
        steal_ratio=_share(passed, _STEAL),
        busy_cpus=(sum(passed) - idle - stolen) / _TICKS_PER_S / look_s if passed else None,
        busiest=tuple(sorted(used, key=lambda busy: (-busy.cpus, busy.pid))[:BUSIEST]),
    )


def _share(ticks: list[int], place: int) -> float | None:
    total = sum(ticks)
    return ticks[place] / total if total > 0 else None


def _read_ticks(root: Path) -> list[int]:
    """Read the times of all CPUs together, in ticks."""
    return [int(word) for word in (_read_lines(root / "proc/stat") or [""])[0].split()[1:9]]


def _read_processes(root: Path) -> dict[int, tuple[str, int]]:
    """Read the name and the CPU ticks of every process, by pid."""
    found = {}
    for folder in (root / "proc").glob("[0-9]*"):
        head, parenthesis, tail = (_read_text(folder / "stat") or "").rpartition(")")
        if parenthesis:
            fields = tail.split()
            found[int(folder.name)] = (head.partition("(")[2], int(fields[11]) + int(fields[12]))
    return found


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _read_mhz(path: Path) -> float | None:
    khz = _read_number(path)
    return None if khz is None else khz / 1000


def _read_cpu_list(path: Path) -> tuple[int, ...] | None:
    text = _read_line(path)
    return tuple(sorted(cpus.parse_list(text))) if text else None


def _read_number(path: Path) -> int | None:
    """Read the first word of a file; None if it is not a whole number."""
    words = (_read_line(path) or "").split()
    return int(words[0]) if words and words[0].lstrip("-").isdecimal() else None


def _read_id(path: Path) -> int | None:
    """Read the number of a part of the machine; None where the kernel knows none, which it writes as -1."""
    number = _read_number(path)
    return None if number == -1 else number


def _read_pairs(path: Path, separator: str = ":") -> Mapping[str, str]:
    """Read lines `key: value`; of several lines with one key, the first counts."""
    pairs: dict[str, str] = {}
    for line in _read_lines(path):
        key, found, value = line.partition(separator)
        if found:
            pairs.setdefault(key.strip(), value.strip())
    return pairs


def _read_line(path: Path) -> str | None:
    return (_read_text(path) or "").strip() or None


def _read_lines(path: Path) -> list[str]:
    return (_read_text(path) or "").splitlines()


def _read_text(path: Path) -> str | None:
    """Read a file; None if it does not exist or may not be read."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return None
