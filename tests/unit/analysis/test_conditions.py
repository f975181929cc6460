"""What must be equal in two runs, and which changes between them are reported."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.analysis.conditions import Contrast, find_changes, find_mismatches, find_resume_mismatches
from harness.model.loads import Rate
from harness.model.machine import Cpu
from harness.model.plan import ServerConfig
from harness.model.records import Active, ServerStart
from harness.model.run_info import RunInfo
from tests import builders
from tests.builders import MACHINE, run_info
from tests.fault_table import Fault
from tests.synthetic import under

ENVIRONMENT = replace(
    builders.ENVIRONMENT,
    packages={"asgi-harness": "0.1.0", "locust": "2.47.0", "gevent": "26.9.0", "uvloop": "0.22.0"},
    git_commit="3f2c1d0",
    server_versions={"uvicorn": "0.53.0", "granian": "2.8.5"},
)
INFO = replace(builders.RUN, environment=ENVIRONMENT)


def elsewhere(**changed: Any) -> RunInfo:
    return replace(INFO, environment=replace(ENVIRONMENT, **changed))


def on_other(part: str, **changed: Any) -> RunInfo:
    """A run on a machine that differs in one part."""
    return elsewhere(machine=replace(MACHINE, **{part: replace(getattr(MACHINE, part), **changed)}))


@pytest.mark.parametrize(
    ("other", "name", "ours", "theirs"),
    [
        (on_other("processor", model="Xeon"), "CPU model", "EPYC", "Xeon"),
        (on_other("processor", cpus=tuple(map(Cpu, range(4)))), "CPUs", "2", "4"),
        (on_other("ram", total_bytes=16 * 1024**3), "memory in bytes", str(8 * 1024**3), str(16 * 1024**3)),
        (on_other("system", kernel="6.2.0"), "kernel", "6.1.0", "6.2.0"),
        (on_other("python", implementation="PyPy"), "Python", "CPython 3.11.2", "PyPy 3.11.2"),
        (elsewhere(server_cpus=(0, 2)), "CPUs of the server", "0", "0, 2"),
        (elsewhere(load_cpus=(0,)), "CPUs of the load", "1", "0"),
        (elsewhere(packages={**ENVIRONMENT.packages, "locust": "2.48.0"}), "locust", "2.47.0", "2.48.0"),
        (elsewhere(packages={**ENVIRONMENT.packages, "gevent": "27.1.0"}), "gevent", "26.9.0", "27.1.0"),
        (elsewhere(packages={**ENVIRONMENT.packages, "asgi-harness": "0.2.0"}), "asgi-harness", "0.1.0", "0.2.0"),
        (under(INFO, rtt_s=(0.0, 0.02)), "RTT in s", "0.0", "0.0, 0.02"),
        (under(INFO, loss=0.001), "packet loss", "0.0", "0.001"),
        (
            under(INFO, netns=True),
            "layout",
            "servers on this machine, load from this machine",
            "servers in a network namespace, load from this machine",
        ),
        (replace(INFO, schema=3), "schema", "2", "3"),
        (run_info(INFO, load=Rate(500)), "load", "saturate", "rate=500"),
        (run_info(INFO, users=(64,)), "users", "32", "64"),
        (run_info(INFO, users=(8, 32)), "users", "32", "8, 32"),
        (run_info(INFO, together=1), "candidates together", "6", "1"),
        (run_info(INFO, slice_s=0.2), "slice in s", "auto", "0.2"),
        (run_info(INFO, request_timeout_s=5.0), "request timeout in s", "30.0", "5.0"),
        (run_info(INFO, streams=8), "streams", "1", "8"),
        (run_info(INFO, workers=(1, 2)), "workers", "1", "1, 2"),
        (run_info(INFO, warmup_s=1.0), "warm-up in s", "0.2", "1.0"),
        (run_info(INFO, duration_s=1.0), "duration in s", "2.0", "1.0"),
        (run_info(INFO, load_processes=2), "load processes", "1", "2"),
        (on_other("limits", quota_cpus=1.5), "machine limits quota_cpus", "2.0", "1.5"),
        (on_other("limits", quota_cpus=None), "machine limits quota_cpus", "2.0", "None"),
        (on_other("limits", memory_bytes=2**30), "machine limits memory_bytes", str(4 * 2**30), str(2**30)),
        (
            elsewhere(machine=replace(MACHINE, processor=replace(MACHINE.processor, governors=("powersave",)))),
            "machine processor governors",
            "performance",
            "powersave",
        ),
    ],
)
def test_a_condition_that_differs_is_named_with_both_values(other: RunInfo, name: str, ours: str, theirs: str) -> None:
    assert find_mismatches(INFO, other) == (Contrast("condition", name, ours, theirs),)
    assert find_mismatches(other, INFO) == (Contrast("condition", name, theirs, ours),)


@pytest.mark.parametrize(
    "other",
    [
        INFO,
        run_info(INFO, id="other", seed=8, rounds=10, started_at="2026-11-21T10:00:00+00:00", argv=("x",)),
        elsewhere(host="bench-2", git_commit="0000000", server_versions={"uvicorn": "0.54.0"}),
        elsewhere(packages={**ENVIRONMENT.packages, "uvloop": "0.23.0"}),
        on_other("ram", total_bytes=round(8 * 1024**3 * 0.9901)),
        elsewhere(machine=replace(MACHINE, activity=replace(MACHINE.activity, busy_cpus=1.5, busiest=()))),
        elsewhere(machine=replace(MACHINE, ram=replace(MACHINE.ram, available_bytes=1))),
        elsewhere(machine=replace(MACHINE, processor=replace(MACHINE.processor, current_mhz=1_800.0))),
        elsewhere(machine=replace(MACHINE, network=replace(MACHINE.network, time_wait=900))),
    ],
)
def test_what_may_differ_is_no_mismatch(other: RunInfo) -> None:
    assert find_mismatches(INFO, other) == find_mismatches(other, INFO) == ()


def test_the_interpreters_of_the_compared_servers_must_be_equal() -> None:
    old, new = "CPython 3.11.7 (main, Nov 1)", "CPython 3.12.1 (main, Nov 2)"
    before = elsewhere(interpreters={"uvicorn": old, "granian": old})
    after = elsewhere(interpreters={"uvicorn": new, "granian": old})
    name = "Python of the servers"
    assert find_mismatches(before, after) == (Contrast("condition", name, old, f"{old}; {new}"),)
    assert find_mismatches(before, after, ("uvicorn", "uvicorn")) == (Contrast("condition", name, old, new),)
    assert find_mismatches(before, after, ("uvicorn", "granian")) == ()
    assert find_mismatches(after, after, ("uvicorn", "granian")) == (Contrast("condition", name, new, old),)
    assert find_mismatches(INFO, after) == find_mismatches(INFO, after, ("uvicorn", "uvicorn")) == ()


def test_the_commit_of_a_user_app_may_differ_and_is_reported() -> None:
    before, after = elsewhere(app_commit="aaaa"), elsewhere(app_commit="bbbb-dirty")
    assert find_mismatches(before, after) == ()
    assert find_changes(before, after, BOTH, ([], [])) == (Contrast("app", "commit", "aaaa", "bbbb-dirty"),)


def test_several_mismatches_are_all_named() -> None:
    other = run_info(on_other("processor", cpus=tuple(map(Cpu, range(8)))), users=(8,))
    assert [each.name for each in find_mismatches(INFO, other)] == ["CPUs", "users"]


BOTH = [("uvicorn", "uvicorn"), ("granian", "granian")]


def test_changed_versions_and_the_changed_commit_are_reported() -> None:
    before = elsewhere(app_versions={"starlette": "0.50", "quart": "0.20"})
    after = elsewhere(
        server_versions={"uvicorn": "0.54.0", "granian": "2.8.5"},
        packages={"asgi-harness": "0.1.0", "locust": "2.48.0", "gevent": "26.9.0", "h11": "0.16.0"},
        app_versions={"starlette": "0.51"},
        git_commit="9999999",
    )
    assert find_changes(before, after, BOTH, ([], [])) == (
        Contrast("server", "uvicorn", "0.53.0", "0.54.0"),
        Contrast("app", "starlette", "0.50", "0.51"),
        Contrast("package", "h11", None, "0.16.0"),
        Contrast("package", "uvloop", "0.22.0", None),
        Contrast("harness", "commit", "3f2c1d0", "9999999"),
    )


def test_other_arguments_of_a_server_are_reported_and_keep_a_run_from_being_resumed() -> None:
    before, after = elsewhere(server_args={"granian": "--http 1"}), elsewhere(server_args={"uvicorn": "--ws none"})
    assert find_changes(before, after, BOTH, ([], [])) == (
        Contrast("arguments", "granian", "--http 1", None),
        Contrast("arguments", "uvicorn", None, "--ws none"),
    )
    assert {each.kind for each in find_resume_mismatches(before, after)} == {"arguments"}


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("git_commit", "9999999", "commit of the harness 9999999"),
        ("app_commit", "1234567-dirty", "commit of the app 1234567-dirty"),
        ("server_versions", {"uvicorn": "0.1"}, "uvicorn 0.1"),
        ("interpreters", {"uvicorn": "CPython 3.9"}, "Python of uvicorn CPython 3.9"),
    ],
)
def test_a_run_is_resumed_with_the_code_that_it_began_with(name: str, value: Any, told: str, fault: Fault) -> None:
    (mismatch,) = [each for each in find_resume_mismatches(INFO, elsewhere(**{name: value})) if each.b]
    assert f"{mismatch.name} {mismatch.b}" == told
    fault.report(
        name=f"--resume with another {name.replace('_', ' ')}",
        happened="refused by name",
        lost="nothing",
        left="nothing",
        told=f"expected {mismatch.name} {mismatch.a or 'none'}, found {mismatch.b}",
    )


def test_between_equal_runs_no_change_is_reported() -> None:
    assert find_changes(INFO, INFO, BOTH, ([], [])) == ()


def test_two_candidates_of_one_run_differ_in_their_servers_and_in_the_packages_of_their_environments() -> None:
    info = elsewhere(
        server_versions={"granian@2.8.5": "2.8.5", "granian@2.8.7": "2.8.7"},
        other_packages={
            "granian@2.8.5": {"granian": "2.8.5", "click": "8.1"},
            "granian@2.8.7": {"granian": "2.8.7", "click": "8.2"},
        },
    )
    assert find_changes(info, info, [("granian@2.8.5", "granian@2.8.7")], ([], [])) == (
        Contrast("server", "", "granian 2.8.5", "granian 2.8.7"),
        Contrast("package", "click", "8.1", "8.2"),
    )


def test_packages_that_a_servers_environment_does_not_need_are_no_change_from_the_environment_of_the_harness() -> None:
    packages = {**ENVIRONMENT.packages, "pytest": "9.2.0"}
    own = {"granian": {"granian": "2.8.5", "uvloop": "0.21.0", "click": "8.1"}}
    before, other = elsewhere(packages=packages), elsewhere(packages=packages, other_packages=own)
    assert find_changes(before, other, [("granian", "granian")], ([], [])) == (
        Contrast("package", "click", None, "8.1"),
        Contrast("package", "uvloop", "0.22.0", "0.21.0"),
    )


def test_another_event_loop_and_other_modules_are_reported() -> None:
    def seen(server: str, loop: str, *modules: str) -> list[ServerStart]:
        return [ServerStart(ServerConfig(server, "asgi", 1, False), 0, (), active=Active(loop, modules))]

    before, after = seen("uvicorn", "uvloop.Loop", "h11", "uvloop"), seen("uvicorn", "asyncio.Loop", "h11")
    assert find_changes(INFO, INFO, [("uvicorn", "uvicorn")], (before, after)) == (
        Contrast("event loop", "uvicorn", "uvloop.Loop", "asyncio.Loop"),
        Contrast("module", "uvicorn", "uvloop", None),
    )
    other = seen("granian", "rloop.Loop", "granian")
    assert find_changes(INFO, INFO, [("uvicorn", "granian")], (before, other))[1:] == (
        Contrast("event loop", "", "uvicorn uvloop.Loop", "granian rloop.Loop"),
    )


def test_a_run_is_not_resumed_with_other_tags_or_headers() -> None:
    before = replace(INFO, sources={"scenario own": "1"}, workloads={"own": "1"})
    (found,) = find_resume_mismatches(before, replace(before, workloads={"own": "2"}))
    assert found == Contrast("condition", "what users of own send", "as it was", "other tags or headers")
    (edited,) = find_resume_mismatches(before, replace(before, sources={"scenario own": "2"}, workloads={"own": "2"}))
    assert edited.name == "the source of scenario own", "said once"
