"""What on this machine will blur the numbers: each fact judged, with what would be right and how to get there. Pure.

The limits have names here; they say from where on a fact is noted, and from where on numbers suffer from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from harness.analysis.verdict import STEAL_NOTED
from harness.model.machine import format_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.model.machine import Limits, Machine, Placement, Processor

Level = Literal["ok", "note", "problem"]
"""Nothing to do · worth knowing when a number is read · numbers suffer."""

BUSY_NOTED, BUSY_LIMIT = 0.05, 0.25
"""CPUs that others keep busy."""
BUSY_NOTED_SHARE, BUSY_LIMIT_SHARE = 0.01, 0.05
"""The same of all CPUs: on a large machine others find room."""
FEW_CPUS = 4
"""Below, servers with several workers, or a generator of several processes, get in each other's way."""
STEAL_SEEN = 0.005
MEMORY_NOTED, MEMORY_LIMIT = 2 << 30, 1 << 30
SWAP_NOTED = 64 << 20
OPEN_FILES_NOTED, OPEN_FILES_LIMIT = 4096, 1024
"""A connection takes a file in the generator and one in the server."""
PORTS_NOTED = 10_000
TIME_WAIT_NOTED, TIME_WAIT_LIMIT = 0.25, 0.75
"""Of the ports."""
BACKLOG_NOTED = 1024
"""Users that connect at one time may be as many."""
SPEEDS_APART = 1.05
"""Fastest ÷ slowest CPU by their highest frequency: beyond, cores are of two kinds."""

_NOT_TOLD = "the kernel does not tell"


@dataclass(frozen=True)
class Check:
    """One fact, judged; where it is not ok, what would be right and how to get there."""

    name: str
    level: Level
    found: str
    wanted: str = ""
    fix: str = ""


def diagnose(machine: Machine, placement: Placement) -> tuple[Check, ...]:
    """Every fact that matters, in the order in which it is worth mending."""
    return (
        _other_load(machine),
        _cpus(machine, placement),
        _affinity(machine),
        _hyper_threads(machine, placement),
        _speeds(machine.processor),
        _governor(machine.processor),
        _turbo(machine.processor),
        _virtual(machine),
        _quota(machine.limits),
        _memory(machine),
        _power(machine),
        _open_files(machine.limits),
        _ports(machine),
        _backlog(machine),
        _python(machine),
    )


def worst(checks: Sequence[Check]) -> Level:
    """The gravest level among them."""
    return max((check.level for check in checks), key=get_args(Level).index, default="ok")


def _other_load(machine: Machine) -> Check:
    activity, count = machine.activity, len(machine.processor.cpus) or 1
    if activity.busy_cpus is None:
        return Check("other load", "ok", _NOT_TOLD)
    level = _above(
        activity.busy_cpus, max(BUSY_NOTED, BUSY_NOTED_SHARE * count), max(BUSY_LIMIT, BUSY_LIMIT_SHARE * count)
    )
    who = ", ".join(f"{busy.name} ({busy.pid}) {busy.cpus:.2f}" for busy in activity.busiest)
    average = f"; load average {activity.load_average[0]:.2f}" if activity.load_average else ""
    found = f"{activity.busy_cpus:.2f} of {_count(count, 'CPU')} busy{f', of it {who}' if who else ''}{average}"
    return Check("other load", level, found, "an idle machine", "stop what runs beside, or wait until it ends")


def _cpus(machine: Machine, placement: Placement) -> Check:
    usable = len(machine.limits.affinity) or len(machine.processor.cpus)
    found = f"server on {format_list(placement.server)}, load on {format_list(placement.load)}"
    if not placement.disjoint:
        shared = format_list(placement.server & placement.load)
        fix = "use a machine with two CPUs or more" if usable == 1 else "give each its own: --server-cpus, --load-cpus"
        return Check("CPUs", "problem", f"{found}: both on {shared}", "CPUs of its own for each", fix)
    if usable < FEW_CPUS:
        fix = "compare servers with one worker and one load process here; several need a larger machine"
        return Check("CPUs", "note", found, f"{FEW_CPUS} CPUs or more", fix)
    return Check("CPUs", "ok", found)


def _affinity(machine: Machine) -> Check:
    limits = machine.limits
    online = {cpu.number for cpu in machine.processor.cpus}
    if not limits.may_pin:
        fix = "allow sched_setaffinity in the container's seccomp profile"
        return Check("affinity", "problem", "processes may not be given CPUs", "leave to pin processes", fix)
    if online - set(limits.affinity):
        found = f"this process may use {format_list(limits.affinity)} of {format_list(online)}"
        why = "a container's cpuset" if limits.cpuset == limits.affinity else "taskset or a service's CPUAffinity"
        return Check(
            "affinity", "note", found, "all CPUs, unless it is meant so", f"look for {why} around this process"
        )
    return Check("affinity", "ok", f"this process may use {format_list(limits.affinity)}")


def _hyper_threads(machine: Machine, placement: Placement) -> Check:
    name, smt = "hyper-threads", machine.processor.smt
    if placement.shares_cores:
        return Check(
            name,
            "problem",
            "server and load share a core's hyper-threads and slow each other down",
            "whole cores for each",
            "--server-cpus and --load-cpus by core (lscpu -e), or: "
            "echo off | sudo tee /sys/devices/system/cpu/smt/control",
        )
    found = {None: _NOT_TOLD, False: "one thread to a core", True: "on; server and load have whole cores"}[smt]
    return Check(name, "ok", found)


def _speeds(processor: Processor) -> Check:
    speeds = [cpu.max_mhz for cpu in processor.cpus if cpu.max_mhz]
    if speeds and max(speeds) > SPEEDS_APART * min(speeds):
        found = f"CPUs of {min(speeds):,.0f} to {max(speeds):,.0f} MHz"
        fix = "choose cores of one kind: --server-cpus and --load-cpus (lscpu -e shows MAXMHZ)"
        return Check("kinds of core", "note", found, "cores of one kind for all servers", fix)
    return Check("kinds of core", "ok", "one" if speeds else _NOT_TOLD)


def _governor(processor: Processor) -> Check:
    name, fix = "governor", "sudo cpupower frequency-set -g performance"
    if not processor.governors:
        return Check(name, "ok", f"{_NOT_TOLD} (usual in virtual machines)")
    found = f"{', '.join(processor.governors)}{f' ({processor.driver})' if processor.driver else ''}"
    if processor.governors == ("performance",):
        return Check(name, "ok", found)
    slow = "powersave" in processor.governors and "pstate" not in (processor.driver or "")
    return Check(name, "problem" if slow else "note", found, "performance", fix)


def _turbo(processor: Processor) -> Check:
    if processor.turbo:
        low_level = "echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo"
        boost = "echo 0 | sudo tee /sys/devices/system/cpu/cpufreq/boost"
        fix = low_level if processor.driver in {"intel_pstate", "intel_cpufreq"} else boost
        return Check("turbo", "note", "on: speed follows heat and how many cores are busy", "off", fix)
    return Check("turbo", "ok", _NOT_TOLD if processor.turbo is None else "off")


def _virtual(machine: Machine) -> Check:
    activity, name = machine.activity, "virtual machine"
    now, since = activity.steal_ratio or 0.0, activity.steal_ratio_since_boot or 0.0
    virtual = machine.system.hypervisor or since > 0
    if not virtual:
        return Check(name, "ok", "no sign of one" if machine.system.hypervisor is False else _NOT_TOLD)
    product = f" ({machine.system.product})" if machine.system.product else ""
    found = f"yes{product}; the host took {now:.1%} of the CPU just now, {since:.2%} since boot"
    level: Level = "problem" if now >= STEAL_NOTED else "note"
    fix = "a dedicated host, or more rounds; read intervals, not single numbers"
    if level == "note" and max(now, since) < STEAL_SEEN:
        fix = "let intervals tell: frequency and neighbours cannot be seen from inside"
    return Check(name, level, found, "a machine of one's own", fix)


def _quota(limits: Limits) -> Check:
    name = "CPU quota"
    if limits.quota_cpus is None:
        return Check(name, "ok", "none")
    found = f"{limits.quota_cpus:g} CPUs over {_count(len(limits.affinity), 'CPU')}"
    if limits.quota_cpus >= len(limits.affinity):
        return Check(name, "ok", found)
    fix = "start the container with --cpuset-cpus in place of --cpus (Kubernetes: static CPU manager, whole CPUs)"
    return Check(name, "problem", f"{found}: held still for the rest of each period", "whole CPUs", fix)


def _memory(machine: Machine) -> Check:
    sizes = [size for size in (machine.ram.available_bytes, machine.limits.memory_bytes) if size is not None]
    if not sizes:
        return Check("memory", "ok", _NOT_TOLD)
    room, swapped = min(sizes), machine.ram.swap_used_bytes or 0
    found = f"{room / 1e9:.1f} GB to be had, {swapped / 1e6:,.0f} MB swapped out"
    level: Level = "problem" if room < MEMORY_LIMIT else "note" if room < MEMORY_NOTED or swapped > SWAP_NOTED else "ok"
    return Check("memory", level, found, f"{MEMORY_NOTED / 1e9:.0f} GB, nothing swapped out", "stop what holds it")


def _power(machine: Machine) -> Check:
    power = machine.power
    if power.on_battery:
        left = f", {power.battery_ratio:.0%} left" if power.battery_ratio is not None else ""
        return Check("power", "problem", f"battery{left}: the processor saves", "mains", "plug it in")
    return Check("power", "ok", "no battery" if power.on_battery is None else "mains")


def _open_files(limits: Limits) -> Check:
    soft, hard = limits.open_files, limits.open_files_hard
    found = "unlimited or not told" if soft is None else f"{soft:,}"
    level: Level = "ok" if soft is None else _below(soft, OPEN_FILES_NOTED, OPEN_FILES_LIMIT)
    wanted = 65536 if hard is None else min(65536, hard)
    fix = f"ulimit -n {wanted}" if soft is not None and wanted > soft else "raise nofile in /etc/security/limits.conf"
    return Check("open files", level, found, f"{OPEN_FILES_NOTED:,} or more", fix)


def _ports(machine: Machine) -> Check:
    network, name = machine.network, "local ports"
    if network.ports is None:
        return Check(name, "ok", _NOT_TOLD)
    waiting = network.time_wait or 0
    found = f"{network.ports:,}, {waiting:,} of them in TIME_WAIT"
    wide = 'sudo sysctl net.ipv4.ip_local_port_range="16384 65535"'
    if network.tcp_tw_reuse == 0:
        # Elsewhere the loopback takes them again after a second.
        level = _above(waiting / network.ports, TIME_WAIT_NOTED, TIME_WAIT_LIMIT)
        if level != "ok":
            return Check(name, level, found, "most of them free", f"sudo sysctl net.ipv4.tcp_tw_reuse=2; {wide}")
    return Check(name, _below(network.ports, PORTS_NOTED, 0), found, f"{PORTS_NOTED:,} or more", wide)


def _backlog(machine: Machine) -> Check:
    somaxconn = machine.network.somaxconn
    if somaxconn is None:
        return Check("backlog", "ok", _NOT_TOLD)
    level = _below(somaxconn, BACKLOG_NOTED, 0)
    fix = "sudo sysctl net.core.somaxconn=4096"
    return Check("backlog", level, f"somaxconn {somaxconn:,}", f"{BACKLOG_NOTED:,} or more", fix)


def _python(machine: Machine) -> Check:
    python = machine.python
    found = f"{python.implementation} {python.version}, {python.compiler}"
    if python.debug:
        return Check("Python", "problem", f"{found}, a debug build", "a release build", "run harness by another Python")
    notes = [] if python.gil else ["without the GIL"]
    notes += ["built without --enable-optimizations"] if python.optimised is False else []
    if notes:
        fix = "install Python from the distribution, python.org or uv, if those who read the numbers use such a one"
        return Check("Python", "note", f"{found}, {' and '.join(notes)}", "the build that you deploy", fix)
    return Check("Python", "ok", found)


def _above(value: float, noted: float, limit: float) -> Level:
    return "problem" if value >= limit else "note" if value >= noted else "ok"


def _below(value: float, noted: float, limit: float) -> Level:
    return "problem" if value < limit else "note" if value < noted else "ok"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
