"""What is read of machines that are given as files, and of the one that this runs on."""

from __future__ import annotations

import os
import platform
import resource
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from harness.host.facts import read_machine
from harness.model.machine import Busy, Machine
from harness.model.results import Environment
from harness.run.info import environment
from tests import fake_machines as fake

if TYPE_CHECKING:
    from collections.abc import Mapping


def read(root: Path, files: Mapping[str, str], meanwhile: Mapping[str, str] | None = None) -> Machine:
    fake.write(root, files)
    return read_machine(root, look_s=1.0, wait=fake.later(root, meanwhile or {}))


def test_a_laptop_on_battery_tells_of_its_frequencies_and_hyper_threads(tmp_path: Path) -> None:
    machine = read(tmp_path, fake.laptop())
    processor = machine.processor
    assert [(cpu.number, cpu.core, cpu.siblings) for cpu in processor.cpus] == [
        (0, 0, (0, 2)),
        (1, 1, (1, 3)),
        (2, 0, (0, 2)),
        (3, 1, (1, 3)),
    ]
    assert processor.smt
    assert processor.turbo
    assert (processor.model, processor.driver, processor.governors) == (
        "Example 9000",
        "acpi-cpufreq",
        ("powersave",),
    )
    assert (processor.current_mhz, processor.min_mhz, processor.max_mhz) == (950, 400, 4200)
    assert machine.power.on_battery
    assert machine.power.battery_ratio == 0.42
    assert machine.system.hypervisor is False
    assert (machine.limits.cgroup, machine.limits.quota_cpus, machine.limits.memory_bytes) == (2, None, None)


def test_mains_are_told_from_battery(tmp_path: Path) -> None:
    charging = {"sys/class/power_supply/AC/online": "1\n", "sys/class/power_supply/BAT0/status": "Charging\n"}
    assert read(tmp_path, fake.laptop() | charging).power.on_battery is False


def test_a_charger_on_usb_is_mains_too(tmp_path: Path) -> None:
    plugged = {
        "sys/class/power_supply/BAT0/status": "Not charging\n",
        "sys/class/power_supply/ucsi/type": "USB\n",
        "sys/class/power_supply/ucsi/online": "1\n",
    }
    assert read(tmp_path, fake.laptop() | plugged).power.on_battery is False


@pytest.mark.parametrize(
    ("files", "turbo"),
    [
        ({"sys/devices/system/cpu/intel_pstate/no_turbo": "1\n"}, False),
        ({"sys/devices/system/cpu/intel_pstate/no_turbo": "0\n"}, True),
        ({"sys/devices/system/cpu/cpufreq/boost": "0\n"}, False),
    ],
)
def test_turbo_has_two_switches(tmp_path: Path, files: Mapping[str, str], turbo: bool) -> None:
    assert read(tmp_path, {**fake.common(), **fake.cpus(2), **files}).processor.turbo is turbo


def test_a_virtual_machine_tells_what_its_host_took(tmp_path: Path) -> None:
    files = fake.cloud() | {"proc/stat": fake.stat(user=1000, idle=8800, steal=200)}
    machine = read(tmp_path, files, {"proc/stat": fake.stat(user=1090, idle=8900, steal=210)})
    assert machine.system.hypervisor
    assert machine.system.product == "m5.large"
    assert machine.activity.steal_ratio_since_boot == 0.02
    assert machine.activity.steal_ratio == 0.05
    assert machine.activity.busy_cpus == pytest.approx(90 / os.sysconf("SC_CLK_TCK"))
    assert machine.activity.load_average == (0.5, 0.25, 0.12)
    limits = machine.limits
    assert (limits.cgroup, limits.quota_cpus, limits.memory_bytes, limits.cpuset) == (1, None, None, (0, 1))


def test_the_tightest_limit_of_nested_groups_holds(tmp_path: Path) -> None:
    limits = read(tmp_path, fake.container()).limits
    assert (limits.cgroup, limits.quota_cpus, limits.memory_bytes) == (2, 2.5, 1 << 30)
    assert limits.cpuset == limits.affinity == (0, 1, 2, 3)
    assert (limits.open_files, limits.open_files_hard) == (1024, 524288)


def test_a_container_that_sees_its_own_part_of_version_1_alone_is_read(tmp_path: Path) -> None:
    limits = read(tmp_path, fake.docker_v1()).limits
    assert (limits.cgroup, limits.quota_cpus, limits.memory_bytes, limits.cpuset) == (1, 1.5, 512 << 20, (1,))


def test_the_busiest_of_the_others_are_named_by_what_they_used_meanwhile(tmp_path: Path) -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    before = {**fake.process(77, "python", 0), **fake.process(5, "idle", 900), **fake.process(9, "gone", 3)}
    before |= {**fake.process(6, "db (main)", 100), **fake.process(7, "b", 0), **fake.process(8, "c", 0)}
    after = {**fake.process(77, "python", ticks), **fake.process(6, "db (main)", 100 + ticks // 2)}
    after |= {**fake.process(7, "b", ticks), **fake.process(8, "c", 1), **fake.process(10, "new", 50)}
    machine = read(tmp_path, fake.common() | before | {"proc/self/stat": "77 (python) S 1\n"}, after)
    assert machine.activity.busiest == (Busy(7, "b", 1.0), Busy(6, "db (main)", 0.5), Busy(8, "c", 1 / ticks))


def test_nodes_and_packages_are_told_apart(tmp_path: Path) -> None:
    processor = read(tmp_path, {**fake.common(), **fake.cpus(8, threads=2, nodes=2)}).processor
    assert {cpu.number: (cpu.package, cpu.node) for cpu in processor.cpus} == {
        **dict.fromkeys((0, 1, 4, 5), (0, 0)),
        **dict.fromkeys((2, 3, 6, 7), (1, 1)),
    }


def test_what_the_kernel_does_not_tell_is_none(tmp_path: Path) -> None:
    machine = read(tmp_path, {})
    facts = msgspec.to_builtins(machine)
    assert facts.pop("python")
    assert facts["activity"].pop("look_s") == 1.0
    assert facts["limits"].pop("may_pin") is not None
    told = {
        f"{part}.{name}": value
        for part, names in facts.items()
        for name, value in names.items()
        if value is not None and len(value) > 0
    }
    assert told == {}


def test_network_memory_and_system_are_read(tmp_path: Path) -> None:
    machine = read(tmp_path, fake.cloud())
    assert machine.network.ports == 28_232
    assert (machine.network.time_wait, machine.network.tcp_tw_reuse, machine.network.somaxconn) == (128, 2, 4096)
    assert (machine.ram.available_bytes, machine.ram.swap_used_bytes) == (12_000_000 * 1024, 1500 * 1024)
    assert (machine.system.kernel, machine.system.os) == ("6.8.0", "Debian GNU/Linux 12 (bookworm)")


@pytest.fixture(scope="module")
def here() -> Machine:
    return read_machine(look_s=0.05)


def test_this_machine_says_what_the_process_knows_too(here: Machine) -> None:
    assert here.limits.affinity == tuple(sorted(os.sched_getaffinity(0)))
    assert {cpu.number for cpu in here.processor.cpus} >= set(here.limits.affinity)
    assert here.system.kernel == platform.release()
    assert here.ram.total_bytes == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert here.limits.open_files == (None if soft == resource.RLIM_INFINITY else soft)
    assert here.python.version == platform.python_version()
    assert here.activity.steal_ratio_since_boot is not None
    assert os.getpid() not in {busy.pid for busy in here.activity.busiest}


def test_a_machine_travels_in_the_environment(here: Machine) -> None:
    where = environment(here, [0], [1], {}, Path(__file__).parent)
    assert msgspec.json.decode(msgspec.json.encode(where), type=Environment).machine == here
