"""Diagnosis: a good machine with one fact changed at a time, and whole machines; and noise."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis import noise
from harness.analysis.diagnosis import Check, diagnose, find_worst
from harness.host.cpus import place
from harness.host.facts import read_machine
from harness.model.machine import (
    Activity,
    Busy,
    Cpu,
    Limits,
    Machine,
    Network,
    Placement,
    Power,
    Processor,
    Python,
    Ram,
    System,
)
from harness.model.records import Record
from tests import fake_machines as fake
from tests.builders import CASE, record

if TYPE_CHECKING:
    from pathlib import Path

GOOD = Machine(
    processor=Processor(
        model="Example 9000",
        cpus=tuple(Cpu(n, n, 0, 0, (n,), 4000.0) for n in range(8)),
        smt=False,
        driver="intel_pstate",
        governors=("performance",),
        turbo=False,
        current_mhz=3000.0,
        min_mhz=400.0,
        max_mhz=4000.0,
    ),
    system=System("6.8.0", "Debian", hypervisor=False, product="Example"),
    ram=Ram(32 << 30, 30 << 30, 0, 0),
    limits=Limits(tuple(range(8)), True, 2, None, None, None, 65536, 524288),
    network=Network(32768, 60999, 10, 2, 4096),
    power=Power(None, None),
    activity=Activity((0.0, 0.0, 0.0), 0.0, 1.0, 0.0, 0.01, ()),
    python=Python("CPython", "3.13.1", "GCC 14", optimised=True, lto=True, debug=False, gil=True),
)
APART = Placement(frozenset(range(7)), frozenset({7}))


def changed(part: str, **facts: Any) -> Machine:
    return replace(GOOD, **{part: replace(getattr(GOOD, part), **facts)})


def not_ok(checks: tuple[Check, ...]) -> dict[str, str]:
    return {check.name: check.level for check in checks if check.level != "ok"}


def test_a_good_machine_has_no_problem_and_no_note() -> None:
    assert not_ok(diagnose(GOOD, APART)) == {}
    assert find_worst(diagnose(GOOD, APART)) == "ok"


@pytest.mark.parametrize(
    ("part", "facts", "name", "level"),
    [
        ("activity", {"busy_cpus": 0.08}, "other load", "note"),
        ("activity", {"busy_cpus": 0.4}, "other load", "problem"),
        ("limits", {"may_pin": False}, "affinity", "problem"),
        ("limits", {"affinity": (0, 1, 2, 3)}, "affinity", "note"),
        ("processor", {"governors": ("powersave",)}, "governor", "note"),
        ("processor", {"governors": ("powersave",), "driver": "acpi-cpufreq"}, "governor", "problem"),
        ("processor", {"governors": ("ondemand", "performance")}, "governor", "note"),
        ("processor", {"turbo": True}, "turbo", "note"),
        ("processor", {"cpus": (Cpu(0, max_mhz=5000), Cpu(1, max_mhz=3800))}, "kinds of core", "note"),
        ("system", {"hypervisor": True}, "virtual machine", "note"),
        ("activity", {"steal_ratio": 0.02, "steal_ratio_since_boot": 0.02}, "virtual machine", "note"),
        ("activity", {"steal_ratio": 0.05, "steal_ratio_since_boot": 0.02}, "virtual machine", "problem"),
        ("limits", {"quota_cpus": 7.5}, "CPU quota", "problem"),
        ("limits", {"memory_bytes": 512 << 20}, "memory", "problem"),
        ("ram", {"available_bytes": 1500 << 20}, "memory", "note"),
        ("ram", {"swap_used_bytes": 1 << 30}, "memory", "note"),
        ("power", {"on_battery": True, "battery_ratio": 0.5}, "power", "problem"),
        ("limits", {"open_files": 1024}, "open files", "note"),
        ("limits", {"open_files": 256}, "open files", "problem"),
        ("network", {"first_port": 60000}, "local ports", "note"),
        ("network", {"time_wait": 10_000, "tcp_tw_reuse": 0}, "local ports", "note"),
        ("network", {"time_wait": 28_000, "tcp_tw_reuse": 0}, "local ports", "problem"),
        ("network", {"somaxconn": 128}, "backlog", "note"),
        ("python", {"debug": True}, "Python", "problem"),
        ("python", {"optimised": False}, "Python", "note"),
        ("python", {"gil": False}, "Python", "note"),
    ],
)
def test_one_bad_fact_is_reported_with_the_right_value_and_the_fix(
    part: str, facts: dict[str, Any], name: str, level: str
) -> None:
    checks = diagnose(changed(part, **facts), APART)
    assert not_ok(checks).get(name) == level
    (check,) = (check for check in checks if check.name == name)
    assert check.found
    assert check.wanted
    assert check.fix


@pytest.mark.parametrize(
    ("part", "facts"),
    [
        ("limits", {"quota_cpus": 8.0}),
        ("network", {"time_wait": 28_000, "tcp_tw_reuse": 2}),
        ("power", {"on_battery": False}),
        ("processor", {"governors": (), "turbo": None, "driver": None}),
        ("limits", {"open_files": None}),
        ("python", {"optimised": None}),
    ],
)
def test_harmless_and_unknown_facts_are_ok(part: str, facts: dict[str, Any]) -> None:
    assert not_ok(diagnose(changed(part, **facts), APART)) == {}


@pytest.mark.parametrize(
    ("placement", "name"),
    [
        (Placement(frozenset({0}), frozenset({0})), "CPUs"),
        (Placement(frozenset({0, 1}), frozenset({1})), "CPUs"),
        (Placement(frozenset({0}), frozenset({4}), shares_cores=True), "hyper-threads"),
    ],
)
def test_a_placement_in_which_load_and_server_share_a_core_is_a_problem(placement: Placement, name: str) -> None:
    assert not_ok(diagnose(GOOD, placement)) == {name: "problem"}


def test_a_large_machine_has_room_for_some_other_load() -> None:
    cpus = tuple(Cpu(n) for n in range(64))
    small, large = changed("activity", busy_cpus=0.5), changed("activity", busy_cpus=0.5)
    large = replace(large, processor=replace(large.processor, cpus=cpus), limits=replace(large.limits, affinity=()))
    assert not_ok(diagnose(small, APART))["other load"] == "problem"
    assert "other load" not in not_ok(diagnose(large, APART))


def test_the_process_that_keeps_the_machine_busy_is_named() -> None:
    machine = changed("activity", busy_cpus=0.9, busiest=(Busy(5, "updatedb", 0.8),))
    (check,) = (check for check in diagnose(machine, APART) if check.name == "other load")
    assert "updatedb (5) 0.80" in check.found


def whole(tmp_path: Path, files: fake.Files, meanwhile: fake.Files | None = None) -> tuple[Check, ...]:
    fake.write(tmp_path, files)
    machine = read_machine(tmp_path, wait=fake.later(tmp_path, meanwhile or {}))
    machine = replace(machine, python=GOOD.python, limits=replace(machine.limits, may_pin=True))
    return diagnose(machine, place(machine.limits.affinity, 1, machine.processor.cpus))


def test_on_a_laptop_battery_governor_and_turbo_are_reported(tmp_path: Path) -> None:
    assert not_ok(whole(tmp_path, fake.laptop())) == {
        "governor": "problem",
        "turbo": "note",
        "power": "problem",
        "open files": "note",
    }


def test_on_a_virtual_machine_steal_and_few_cpus_are_reported(tmp_path: Path) -> None:
    before, after = fake.stat(user=1000, idle=9000), fake.stat(user=1000, idle=9090, steal=10)
    checks = whole(tmp_path, fake.cloud() | {"proc/stat": before}, {"proc/stat": after})
    assert not_ok(checks) == {"CPUs": "note", "virtual machine": "problem", "open files": "note"}
    assert any("m5.large" in check.found and "10.0%" in check.found for check in checks)


def test_in_a_container_the_quota_and_the_cpus_are_reported(tmp_path: Path) -> None:
    checks = whole(tmp_path, fake.container())
    assert not_ok(checks) == {"affinity": "note", "CPU quota": "problem", "memory": "note", "open files": "note"}
    assert any(check.found.startswith("2.5 CPUs over 4 CPUs") for check in checks)


def test_a_machine_of_which_nothing_is_known_has_no_problem(tmp_path: Path) -> None:
    fake.write(tmp_path, {})
    machine = read_machine(tmp_path, look_s=1.0, wait=lambda _: None)
    machine = replace(machine, python=GOOD.python, limits=replace(machine.limits, may_pin=True))
    assert find_worst(diagnose(machine, APART)) == "note"  # for the CPUs only, of which there are none


def trial(number: int, rate_rps: float, cost_us: float = 100.0, *, control: bool = False) -> Record:
    """A trial with this many answers in one second."""
    answers = round(rate_rps)
    return record(replace(CASE, control=control), number, answers, cpu_s=answers * cost_us / 1e6)


def with_control(pairs: list[tuple[float, float]]) -> list[Record]:
    """Rounds of a server and its control, given the answers of both in one second."""
    return [
        trial(number, rate, control=control)
        for number, pair in enumerate(pairs)
        for control, rate in zip((False, True), pair, strict=True)
    ]


def test_noise_is_the_spread_and_the_false_difference() -> None:
    found = noise.estimate_noise(with_control([(1000, 1100), (1000, 1100), (800, 880)]), "a")
    assert (found.rounds, len(found.samples_rps), found.window_s) == (3, 6, 1.0)
    assert found.spread == pytest.approx(0.375)
    assert found.throughput is not None
    assert found.throughput.value == pytest.approx(1.1)
    assert found.resolves_throughput == pytest.approx(0, abs=1e-9)
    assert found.cpu is not None
    assert found.cpu.value == pytest.approx(1.0)
    assert noise.judge_noise(found).level == "ok"


def test_the_smallest_detectable_difference_follows_from_the_deviation_of_the_pairs() -> None:
    found = noise.estimate_noise(with_control([(1000, 1000 * math.exp(0.1)), (1000, 1000 * math.exp(-0.1))]), "a")
    deviation = 0.1 * math.sqrt(2)
    assert found.resolves_throughput == pytest.approx(math.expm1(1.68 * deviation), rel=0.02)
    assert noise.judge_noise(found).level == "problem"


@given(st.lists(st.tuples(st.integers(100, 10_000), st.integers(100, 10_000)), min_size=2, max_size=8))
def test_swapping_server_and_control_inverts_the_ratio_and_nothing_else(pairs: list[tuple[float, float]]) -> None:
    records = with_control(pairs)
    swapped = [replace(each, case=replace(each.case, control=not each.case.control)) for each in records]
    one, other = noise.estimate_noise(records, "a"), noise.estimate_noise(swapped, "a")
    assert one.resolves_throughput == pytest.approx(other.resolves_throughput)
    assert one.spread == other.spread
    assert one.throughput is not None
    assert other.throughput is not None
    assert one.throughput.value == pytest.approx(1 / other.throughput.value)


def test_a_round_that_failed_on_one_side_is_left_out_and_its_reason_is_reported() -> None:
    records = [*with_control([(1000, 1000), (1000, 1000)]), trial(2, 1000)]
    failed = Record(replace(CASE, control=True), 2, 0, "failed", ("it ended",))
    found = noise.estimate_noise([*records, failed], "a")
    assert (found.rounds, len(found.samples_rps)) == (2, 5)
    assert found.reasons == ("it ended",)


def test_without_two_valid_rounds_noise_is_a_problem_with_its_reason() -> None:
    failed = [Record(replace(CASE, control=each), 0, 0, "failed", ("no port",)) for each in (False, True)]
    for records in ([], failed, with_control([(1000, 1000)])):
        found = noise.estimate_noise(records, "a")
        check = noise.judge_noise(found)
        assert check.level == "problem"
        assert msgspec.json.encode(found)
    assert "no port" in noise.judge_noise(noise.estimate_noise(failed, "a")).found
