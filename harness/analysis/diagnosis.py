"""What on this machine makes numbers unreliable: each fact with its level, the right value and the fix. Pure.

Each limit is a constant: from the noted value on a fact is a note, from the limit on it is a problem.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from harness.analysis.verdict import DISTURBED_FROM
from harness.model.machine import format_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.model.machine import Limits, Machine, Placement, Processor

Level = Literal["ok", "note", "problem"]
"""How serious a fact is: `ok`, `note` (keep it in mind when reading numbers), `problem` (numbers are unreliable)."""

BUSY_NOTED, BUSY_LIMIT = 0.05, 0.25
"""CPUs that other processes keep busy, in CPUs."""
BUSY_NOTED_SHARE, BUSY_LIMIT_SHARE = 0.01, 0.05
"""The same as a share of all CPUs; the larger of both counts, since a large machine has CPUs to spare."""
FEW_CPUS = 4
"""With fewer CPUs, several workers or several load processes compete with each other."""
STEAL_SEEN = 0.005
"""Below this share of the CPU time, steal says nothing about other virtual machines on the host."""
MEMORY_NOTED, MEMORY_LIMIT = 2 << 30, 1 << 30
"""Available memory in bytes: less than the first is a note, less than the second a problem."""
SWAP_NOTED = 64 << 20
"""More memory swapped out than this, in bytes, is a note."""
OPEN_FILES_NOTED, OPEN_FILES_LIMIT = 4096, 1024
"""The soft limit of open files; a connection needs one in the generator and one in the server."""
PORTS_NOTED = 10_000
"""Fewer local ports than this are a note."""
TIME_WAIT_NOTED, TIME_WAIT_LIMIT = 0.25, 0.75
"""The share of the local ports that are in TIME_WAIT."""
BACKLOG_NOTED = 1024
"""A lower limit of the listen backlog is a note: that many users may connect at once."""
SPEEDS_APART = 1.05
"""If the highest frequencies of two CPUs differ by more than this factor, they are cores of different kinds."""

_UNKNOWN = "unknown: the kernel does not say"


@dataclass(frozen=True)
class Check:
    """One fact and its level; unless it is `ok`, also the right value and how to get there."""

    name: str
    level: Level
    found: str
    wanted: str = ""
    fix: str = ""


def diagnose(machine: Machine, placement: Placement) -> tuple[Check, ...]:
    """Check every fact that matters, in the order in which problems are best fixed."""
    return (
        _check_other_load(machine),
        _check_cpus(machine, placement),
        _check_affinity(machine),
        _check_hyper_threads(machine, placement),
        _check_speeds(machine.processor),
        _check_governor(machine.processor),
        _check_turbo(machine.processor),
        _check_virtual(machine),
        _check_quota(machine.limits),
        _check_memory(machine),
        _check_power(machine),
        _check_open_files(machine.limits),
        _check_ports(machine),
        _check_backlog(machine),
        _check_python(machine),
    )


def find_worst(checks: Sequence[Check]) -> Level:
    """Return the worst level among the checks."""
    return max((check.level for check in checks), key=get_args(Level).index, default="ok")


def _check_other_load(machine: Machine) -> Check:
    activity, count = machine.activity, len(machine.processor.cpus) or 1
    if activity.busy_cpus is None:
        return Check("other load", "ok", _UNKNOWN)
    level = _judge_above(
        activity.busy_cpus, max(BUSY_NOTED, BUSY_NOTED_SHARE * count), max(BUSY_LIMIT, BUSY_LIMIT_SHARE * count)
    )
    who = ", ".join(f"{busy.name} ({busy.pid}) {busy.cpus:.2f}" for busy in activity.busiest)
    average = f"; load average {activity.load_average[0]:.2f}" if activity.load_average else ""
    found = f"{activity.busy_cpus:.2f} of {_count(count, 'CPU')} busy{f', mostly by {who}' if who else ''}{average}"
    return Check("other load", level, found, "an idle machine", "stop the other processes, or wait until they end")


def _check_cpus(machine: Machine, placement: Placement) -> Check:
    usable = len(machine.limits.affinity) or len(machine.processor.cpus)
    found = f"server on {format_list(placement.server)}, load on {format_list(placement.load)}"
    if not placement.disjoint:
        shared = format_list(placement.server & placement.load)
        fix = "use a machine with two CPUs or more" if usable == 1 else "give each its own: --server-cpus, --load-cpus"
        return Check("CPUs", "problem", f"{found}: both on {shared}", "separate CPUs for each", fix)
    if usable < FEW_CPUS:
        fix = "use one worker and one load process here; more of them need a larger machine"
        return Check("CPUs", "note", found, f"{FEW_CPUS} CPUs or more", fix)
    return Check("CPUs", "ok", found)


def _check_affinity(machine: Machine) -> Check:
    limits = machine.limits
    online = {cpu.number for cpu in machine.processor.cpus}
    if not limits.may_pin:
        fix = "allow sched_setaffinity in the container's seccomp profile"
        return Check("affinity", "problem", "cannot set CPU affinity", "permission to call sched_setaffinity", fix)
    if online - set(limits.affinity):
        found = f"this process may use {format_list(limits.affinity)} of {format_list(online)}"
        why = "a container's cpuset" if limits.cpuset == limits.affinity else "taskset or a service's CPUAffinity"
        return Check("affinity", "note", found, "all CPUs, unless this is intended", f"check {why} of this process")
    return Check("affinity", "ok", f"this process may use {format_list(limits.affinity)}")


def _check_hyper_threads(machine: Machine, placement: Placement) -> Check:
    name, smt = "hyper-threads", machine.processor.smt
    if placement.shares_cores:
        return Check(
            name,
            "problem",
            "server and load share a core and slow each other down",
            "whole cores for each",
            "--server-cpus and --load-cpus by core (lscpu -e), or: "
            "echo off | sudo tee /sys/devices/system/cpu/smt/control",
        )
    found = {None: _UNKNOWN, False: "one thread per core", True: "on; server and load have whole cores"}[smt]
    return Check(name, "ok", found)


def _check_speeds(processor: Processor) -> Check:
    speeds = [cpu.max_mhz for cpu in processor.cpus if cpu.max_mhz]
    if speeds and max(speeds) > SPEEDS_APART * min(speeds):
        found = f"CPUs of {min(speeds):,.0f} to {max(speeds):,.0f} MHz"
        fix = "choose cores of one kind: --server-cpus and --load-cpus (lscpu -e shows MAXMHZ)"
        return Check("kinds of core", "note", found, "cores of one kind for all servers", fix)
    return Check("kinds of core", "ok", "one" if speeds else _UNKNOWN)


def _check_governor(processor: Processor) -> Check:
    name, fix = "governor", "sudo cpupower frequency-set -g performance"
    if not processor.governors:
        return Check(name, "ok", f"{_UNKNOWN} (as usual in virtual machines)")
    found = f"{', '.join(processor.governors)}{f' ({processor.driver})' if processor.driver else ''}"
    if processor.governors == ("performance",):
        return Check(name, "ok", found)
    slow = "powersave" in processor.governors and "pstate" not in (processor.driver or "")
    return Check(name, "problem" if slow else "note", found, "performance", fix)


def _check_turbo(processor: Processor) -> Check:
    if processor.turbo:
        low_level = "echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo"
        boost = "echo 0 | sudo tee /sys/devices/system/cpu/cpufreq/boost"
        fix = low_level if processor.driver in {"intel_pstate", "intel_cpufreq"} else boost
        return Check("turbo", "note", "on: speed depends on temperature and on how many cores are busy", "off", fix)
    return Check("turbo", "ok", _UNKNOWN if processor.turbo is None else "off")


def _check_virtual(machine: Machine) -> Check:
    activity, name = machine.activity, "virtual machine"
    now, since = activity.steal_ratio or 0.0, activity.steal_ratio_since_boot or 0.0
    virtual = machine.system.hypervisor or since > 0
    if not virtual:
        return Check(name, "ok", "no sign of one" if machine.system.hypervisor is False else _UNKNOWN)
    product = f" ({machine.system.product})" if machine.system.product else ""
    found = f"yes{product}; the host took {now:.1%} of the CPU just now, {since:.2%} since boot"
    level: Level = "problem" if now >= DISTURBED_FROM else "note"
    fix = "a dedicated host, or more rounds; read intervals, not single numbers"
    if level == "note" and max(now, since) < STEAL_SEEN:
        fix = "rely on intervals: frequency and other virtual machines cannot be seen from inside"
    return Check(name, level, found, "a physical machine without other users", fix)


def _check_quota(limits: Limits) -> Check:
    name = "CPU quota"
    if limits.quota_cpus is None:
        return Check(name, "ok", "none")
    found = f"{limits.quota_cpus:g} CPUs over {_count(len(limits.affinity), 'CPU')}"
    if limits.quota_cpus >= len(limits.affinity):
        return Check(name, "ok", found)
    fix = "start the container with --cpuset-cpus instead of --cpus (Kubernetes: static CPU manager, whole CPUs)"
    return Check(name, "problem", f"{found}: once used up, paused until the next period", "whole CPUs", fix)


def _check_memory(machine: Machine) -> Check:
    sizes = [size for size in (machine.ram.available_bytes, machine.limits.memory_bytes) if size is not None]
    if not sizes:
        return Check("memory", "ok", _UNKNOWN)
    room, swapped = min(sizes), machine.ram.swap_used_bytes or 0
    found = f"{room / 1e9:.1f} GB available, {swapped / 1e6:,.0f} MB swapped out"
    level: Level = "problem" if room < MEMORY_LIMIT else "note" if room < MEMORY_NOTED or swapped > SWAP_NOTED else "ok"
    return Check(
        "memory", level, found, f"{MEMORY_NOTED / 1e9:.0f} GB, nothing swapped out", "stop the processes that use it"
    )


def _check_power(machine: Machine) -> Check:
    power = machine.power
    if power.on_battery:
        left = f", {power.battery_ratio:.0%} left" if power.battery_ratio is not None else ""
        return Check("power", "problem", f"on battery{left}: the processor saves power", "mains", "plug it in")
    return Check("power", "ok", "no battery" if power.on_battery is None else "mains")


def _check_open_files(limits: Limits) -> Check:
    soft, hard = limits.open_files, limits.open_files_hard
    found = "unlimited or unknown" if soft is None else f"{soft:,}"
    level: Level = "ok" if soft is None else _judge_below(soft, OPEN_FILES_NOTED, OPEN_FILES_LIMIT)
    wanted = 65536 if hard is None else min(65536, hard)
    fix = f"ulimit -n {wanted}" if soft is not None and wanted > soft else "raise nofile in /etc/security/limits.conf"
    return Check("open files", level, found, f"{OPEN_FILES_NOTED:,} or more", fix)


def _check_ports(machine: Machine) -> Check:
    network, name = machine.network, "local ports"
    if network.ports is None:
        return Check(name, "ok", _UNKNOWN)
    waiting = network.time_wait or 0
    found = f"{network.ports:,}, {waiting:,} of them in TIME_WAIT"
    wide = 'sudo sysctl net.ipv4.ip_local_port_range="16384 65535"'
    if network.tcp_tw_reuse == 0:
        # With other settings, ports on the loopback interface are reused after a second.
        level = _judge_above(waiting / network.ports, TIME_WAIT_NOTED, TIME_WAIT_LIMIT)
        if level != "ok":
            return Check(name, level, found, "most of them free", f"sudo sysctl net.ipv4.tcp_tw_reuse=2; {wide}")
    return Check(name, _judge_below(network.ports, PORTS_NOTED, 0), found, f"{PORTS_NOTED:,} or more", wide)


def _check_backlog(machine: Machine) -> Check:
    somaxconn = machine.network.somaxconn
    if somaxconn is None:
        return Check("backlog", "ok", _UNKNOWN)
    level = _judge_below(somaxconn, BACKLOG_NOTED, 0)
    fix = "sudo sysctl net.core.somaxconn=4096"
    return Check("backlog", level, f"somaxconn {somaxconn:,}", f"{BACKLOG_NOTED:,} or more", fix)


def _check_python(machine: Machine) -> Check:
    python = machine.python
    found = f"{python.implementation} {python.version}, {python.compiler}"
    if python.debug:
        return Check(
            "Python", "problem", f"{found}, a debug build", "a release build", "run the harness with another Python"
        )
    notes = [] if python.gil else ["without the GIL"]
    notes += ["built without --enable-optimizations"] if python.optimised is False else []
    if notes:
        fix = "unless you deploy this build, install Python from the distribution, python.org or uv"
        return Check("Python", "note", f"{found}, {' and '.join(notes)}", "the build that you deploy", fix)
    return Check("Python", "ok", found)


def _judge_above(value: float, noted: float, limit: float) -> Level:
    return "problem" if value >= limit else "note" if value >= noted else "ok"


def _judge_below(value: float, noted: float, limit: float) -> Level:
    return "problem" if value < limit else "note" if value < noted else "ok"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
