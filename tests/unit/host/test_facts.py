"""Facts about machines that are described by files, and about the machine that runs the tests."""

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
from harness.model.run_info import Environment
from harness.run.info import environment
from tests import fake_machines as fake

if TYPE_CHECKING:
    from collections.abc import Mapping


def read(root: Path, files: Mapping[str, str], meanwhile: Mapping[str, str] | None = None) -> Machine:
    fake.write(root, files)
    return read_machine(root, look_s=1.0, wait=fake.later(root, meanwhile or {}))


def test_frequencies_hyper_threads_and_the_battery_of_a_laptop_are_read(tmp_path: Path) -> None:
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


def test_a_core_or_package_without_a_number_is_unknown(tmp_path: Path) -> None:
    folder = "sys/devices/system/cpu/cpu0/topology"
    unknown = {f"{folder}/core_id": "-1\n", f"{folder}/physical_package_id": "-1\n"}
    (cpu,) = read(tmp_path, {**fake.common(), **fake.cpus(1), **unknown}).processor.cpus
    assert (cpu.core, cpu.package) == (None, None)


def test_a_laptop_on_mains_is_not_on_battery(tmp_path: Path) -> None:
    charging = {"sys/class/power_supply/AC/online": "1\n", "sys/class/power_supply/BAT0/status": "Charging\n"}
    assert read(tmp_path, fake.laptop() | charging).power.on_battery is False


def test_a_charger_on_usb_counts_as_mains(tmp_path: Path) -> None:
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
def test_turbo_is_read_from_either_of_two_files(tmp_path: Path, files: Mapping[str, str], turbo: bool) -> None:
    assert read(tmp_path, {**fake.common(), **fake.cpus(2), **files}).processor.turbo is turbo


def test_steal_time_of_a_virtual_machine_is_read(tmp_path: Path) -> None:
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


def test_the_limits_of_a_container_are_those_of_its_control_groups_and_of_the_process(tmp_path: Path) -> None:
    limits = read(tmp_path, fake.container()).limits
    assert (limits.cgroup, limits.quota_cpus, limits.memory_bytes) == (2, 2.5, 1 << 30)
    assert limits.cpuset == limits.affinity == (0, 1, 2, 3)
    assert (limits.open_files, limits.open_files_hard) == (1024, 524288)


def test_the_busiest_other_processes_during_the_observation_are_named(tmp_path: Path) -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    before = {**fake.process(77, "python", 0), **fake.process(5, "idle", 900), **fake.process(9, "gone", 3)}
    before |= {**fake.process(6, "db (main)", 100), **fake.process(7, "b", 0), **fake.process(8, "c", 0)}
    after = {**fake.process(77, "python", ticks), **fake.process(6, "db (main)", 100 + ticks // 2)}
    after |= {**fake.process(7, "b", ticks), **fake.process(8, "c", 1), **fake.process(10, "new", 50)}
    machine = read(tmp_path, fake.common() | before | {"proc/self/stat": "77 (python) S 1\n"}, after)
    assert machine.activity.busiest == (Busy(7, "b", 1.0), Busy(6, "db (main)", 0.5), Busy(8, "c", 1 / ticks))


def test_each_cpu_has_its_node_and_its_package(tmp_path: Path) -> None:
    processor = read(tmp_path, {**fake.common(), **fake.cpus(8, threads=2, nodes=2)}).processor
    assert {cpu.number: (cpu.package, cpu.node) for cpu in processor.cpus} == {
        **dict.fromkeys((0, 1, 4, 5), (0, 0)),
        **dict.fromkeys((2, 3, 6, 7), (1, 1)),
    }


def test_facts_that_the_kernel_does_not_give_are_none(tmp_path: Path) -> None:
    machine = read(tmp_path, {})
    facts = msgspec.to_builtins(machine)
    assert facts.pop("python")
    assert facts["activity"].pop("look_s") == 1.0
    assert facts["limits"].pop("may_pin") is not None
    known = {
        f"{part}.{name}": value
        for part, names in facts.items()
        for name, value in names.items()
        if value is not None and len(value) > 0
    }
    assert known == {}


def test_network_memory_and_system_are_read(tmp_path: Path) -> None:
    machine = read(tmp_path, fake.cloud())
    assert machine.network.ports == 28_232
    assert (machine.network.time_wait, machine.network.tcp_tw_reuse, machine.network.somaxconn) == (128, 2, 4096)
    assert (machine.ram.available_bytes, machine.ram.swap_used_bytes) == (12_000_000 * 1024, 1500 * 1024)
    assert (machine.system.kernel, machine.system.os) == ("6.8.0", "Debian GNU/Linux 12 (bookworm)")


@pytest.fixture(scope="module")
def here() -> Machine:
    return read_machine(look_s=0.05)


def test_facts_about_this_machine_agree_with_what_the_process_knows(here: Machine) -> None:
    assert here.limits.affinity == tuple(sorted(os.sched_getaffinity(0)))
    assert {cpu.number for cpu in here.processor.cpus} >= set(here.limits.affinity)
    assert here.system.kernel == platform.release()
    assert here.ram.total_bytes == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert here.limits.open_files == (None if soft == resource.RLIM_INFINITY else soft)
    assert here.python.version == platform.python_version()
    assert here.activity.steal_ratio_since_boot is not None
    assert os.getpid() not in {busy.pid for busy in here.activity.busiest}


def test_a_machine_is_stored_in_the_environment(here: Machine) -> None:
    where = environment(here, [0], [1], {}, Path(__file__).parent)
    assert msgspec.json.decode(msgspec.json.encode(where), type=Environment).machine == here
