"""Reads the facts about this machine from Linux's /proc and /sys, and from this process.

`root` is the folder that /proc, /sys and /etc are looked for in, so that any machine can be described by files.
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
"""Long enough to tell 1 % of a CPU, which the kernel counts in hundredths of a second."""
BUSIEST = 3
_ROOT = Path("/")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_STEAL = 7
_IDLE = (3, 4)
"""Places in a line of /proc/stat: user nice system idle iowait irq softirq steal."""


def read_machine(
    root: Path = _ROOT, *, look_s: float = LOOK_S, wait: Callable[[float], object] = time.sleep
) -> Machine:
    """All facts; takes `look_s` seconds, in which it `wait`s to see what the machine does meanwhile."""
    return Machine(
        processor=processor(root),
        system=_system(root),
        ram=_ram(root),
        limits=_limits(root),
        network=_network(root),
        power=_power(root),
        activity=_activity(root, look_s, wait),
        python=python(),
    )


def processor(root: Path = _ROOT) -> Processor:
    """CPUs that are online and what is told of their speed."""
    found = topology(root)
    folders = [root / f"sys/devices/system/cpu/cpu{cpu.number}/cpufreq" for cpu in found]
    control = root / "sys/devices/system/cpu"
    no_turbo = _number(control / "intel_pstate/no_turbo")
    boost = _number(control / "cpufreq/boost")
    turbo = no_turbo == 0 if no_turbo is not None else boost == 1 if boost is not None else None
    current = _known(_mhz(folder / "scaling_cur_freq") for folder in folders)
    return Processor(
        model=_model(root),
        cpus=found,
        smt=any(len(cpu.siblings) > 1 for cpu in found) if any(cpu.siblings for cpu in found) else None,
        driver=next((name for folder in folders if (name := _line(folder / "scaling_driver"))), None),
        governors=tuple(sorted({name for folder in folders if (name := _line(folder / "scaling_governor"))})),
        turbo=turbo,
        current_mhz=fmean(current) if current else None,
        min_mhz=min(_known(_mhz(folder / "cpuinfo_min_freq") for folder in folders), default=None),
        max_mhz=max((cpu.max_mhz for cpu in found if cpu.max_mhz is not None), default=None),
    )


def topology(root: Path = _ROOT) -> tuple[Cpu, ...]:
    """The CPUs that are online; none where the kernel does not tell."""
    base = root / "sys/devices/system"
    nodes = {
        number: int(folder.name.removeprefix("node"))
        for folder in sorted(base.glob("node/node[0-9]*"))
        for number in _cpu_list(folder / "cpulist") or ()
    }
    return tuple(
        Cpu(
            number=number,
            core=_number(folder / "topology/core_id"),
            package=_number(folder / "topology/physical_package_id"),
            node=nodes.get(number),
            siblings=_cpu_list(folder / "topology/thread_siblings_list") or (),
            max_mhz=_mhz(folder / "cpufreq/cpuinfo_max_freq"),
        )
        for number in _cpu_list(base / "cpu/online") or ()
        for folder in [base / f"cpu/cpu{number}"]
    )


def python() -> Python:
    """How the interpreter of this process was built."""
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


def _model(root: Path) -> str | None:
    """`Model` is how single-board computers name themselves; other ARM kernels name no processor."""
    named = {key: value for key, value in _pairs(root / "proc/cpuinfo").items() if key in {"model name", "Model"}}
    return next(iter(named.values()), None)


def _system(root: Path) -> System:
    flags = _pairs(root / "proc/cpuinfo").get("flags")
    xen = (root / "sys/hypervisor/type").exists()
    return System(
        kernel=_line(root / "proc/sys/kernel/osrelease"),
        os=_pairs(root / "etc/os-release", "=").get("PRETTY_NAME", "").strip("\"'") or None,
        hypervisor=True if xen else "hypervisor" in flags.split() if flags is not None else None,
        product=_line(root / "sys/class/dmi/id/product_name"),
    )


def _ram(root: Path) -> Ram:
    kib = {key: int(value.split()[0]) for key, value in _pairs(root / "proc/meminfo").items()}

    def size(key: str) -> int | None:
        return kib[key] * 1024 if key in kib else None

    swap, free = size("SwapTotal"), size("SwapFree")
    return Ram(
        total_bytes=size("MemTotal"),
        available_bytes=size("MemAvailable"),
        swap_total_bytes=swap,
        swap_used_bytes=None if swap is None or free is None else swap - free,
    )


def _limits(root: Path) -> Limits:
    groups = cgroups.read(root)
    allowed = _pairs(root / "proc/self/status").get("Cpus_allowed_list")
    files = next((line for line in _lines(root / "proc/self/limits") if line.startswith("Max open files")), "")
    soft, hard = (int(word) if word.isdecimal() else None for word in (files.split()[3:5] or ["", ""]))
    return Limits(
        affinity=tuple(sorted(cpus.parse_list(allowed))) if allowed else (),
        may_pin=_may_pin(),
        cgroup=groups.version,
        quota_cpus=groups.quota_cpus,
        cpuset=groups.cpuset,
        memory_bytes=groups.memory_bytes,
        open_files=soft,
        open_files_hard=hard,
    )


def _may_pin() -> bool:
    """Some containers forbid the call; asking for the CPUs that it has changes nothing."""
    try:
        os.sched_setaffinity(0, os.sched_getaffinity(0))
    except OSError:
        return False
    return True


def _network(root: Path) -> Network:
    settings = root / "proc/sys/net"
    ports = [int(word) for word in (_line(settings / "ipv4/ip_local_port_range") or "").split()]
    tcp = _pairs(root / "proc/net/sockstat").get("TCP", "").split()
    return Network(
        first_port=ports[0] if ports else None,
        last_port=ports[1] if ports else None,
        time_wait=int(tcp[tcp.index("tw") + 1]) if "tw" in tcp else None,
        tcp_tw_reuse=_number(settings / "ipv4/tcp_tw_reuse"),
        somaxconn=_number(settings / "core/somaxconn"),
    )


def _power(root: Path) -> Power:
    """Batteries of mice and the like have the scope `Device`."""
    supplies = [
        folder for folder in sorted((root / "sys/class/power_supply").glob("*")) if _line(folder / "scope") != "Device"
    ]
    batteries = [folder for folder in supplies if _line(folder / "type") == "Battery"]
    mains = _known(_number(folder / "online") for folder in supplies if _line(folder / "type") in {"Mains", "USB"})
    discharging = any(_line(folder / "status") == "Discharging" for folder in batteries)
    percent = _known(_number(folder / "capacity") for folder in batteries)
    return Power(
        on_battery=(discharging or (bool(mains) and not any(mains))) if batteries else None,
        battery_ratio=fmean(percent) / 100 if percent else None,
    )


def _activity(root: Path, look_s: float, wait: Callable[[float], object]) -> Activity:
    own = _number(root / "proc/self/stat")
    ticks, processes = _ticks(root), _processes(root)
    wait(look_s)
    ticks_after, processes_after = _ticks(root), _processes(root)
    passed = [after - before for before, after in zip(ticks, ticks_after, strict=True)]
    used = [
        Busy(pid, name, (after - processes[pid][1]) / _TICKS_PER_S / look_s)
        for pid, (name, after) in processes_after.items()
        if pid != own and pid in processes and after > processes[pid][1]
    ]
    idle = sum(passed[place] for place in _IDLE) if passed else 0
    stolen = passed[_STEAL] if passed else 0
    words = (_line(root / "proc/loadavg") or "").split()
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


def _ticks(root: Path) -> list[int]:
    """Of all CPUs together."""
    return [int(word) for word in (_lines(root / "proc/stat") or [""])[0].split()[1:9]]


def _processes(root: Path) -> dict[int, tuple[str, int]]:
    """Name and CPU ticks of every process, by its pid."""
    found = {}
    for folder in (root / "proc").glob("[0-9]*"):
        head, parenthesis, tail = (_text(folder / "stat") or "").rpartition(")")
        if parenthesis:
            fields = tail.split()
            found[int(folder.name)] = (head.partition("(")[2], int(fields[11]) + int(fields[12]))
    return found


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _mhz(path: Path) -> float | None:
    khz = _number(path)
    return None if khz is None else khz / 1000


def _cpu_list(path: Path) -> tuple[int, ...] | None:
    text = _line(path)
    return tuple(sorted(cpus.parse_list(text))) if text else None


def _number(path: Path) -> int | None:
    """The first word of a file, if it is a whole number."""
    words = (_line(path) or "").split()
    return int(words[0]) if words and words[0].lstrip("-").isdecimal() else None


def _pairs(path: Path, separator: str = ":") -> Mapping[str, str]:
    """Lines `key: value`; of a key that stands there several times, the first."""
    pairs: dict[str, str] = {}
    for line in _lines(path):
        key, found, value = line.partition(separator)
        if found:
            pairs.setdefault(key.strip(), value.strip())
    return pairs


def _line(path: Path) -> str | None:
    return (_text(path) or "").strip() or None


def _lines(path: Path) -> list[str]:
    return (_text(path) or "").splitlines()


def _text(path: Path) -> str | None:
    """None for what is not there, or may not be read."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return None
