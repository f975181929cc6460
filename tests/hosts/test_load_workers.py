"""Load from workers on other hosts, which are network namespaces; Locust, servers and links are real."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import harness
from tests.command import QUICK, SOUND, records_of, summary_of
from tests.fault_table import Fault
from tests.hosts.commands import Command, await_load, harness_on
from tests.hosts.namespaces import Host, connected, other_clock

pytestmark = pytest.mark.hosts

LARGE = """
from harness.load import HttpScenario, get

class Large(HttpScenario):
    tasks = [get("/")]

    def on_start(self):
        self.ballast = b"1" * (200 << 20)
        super().on_start()
"""
"""A Locust file whose users need much memory."""
RUN = ("run", *QUICK, "--no-control", "--servers", "uvicorn", "--scenarios", "plaintext", "--protocols", "h1")


@pytest.fixture
def hosts() -> Iterator[tuple[Host, ...]]:
    """The host of servers, and two that send load."""
    with connected("server", "gen1", "gen2") as found:
        yield found


def master_of(host: Host) -> str:
    return f"{host.address}:5557"


def worker(host: Host, *arguments: str, server: Host) -> tuple[str, ...]:
    return ("worker", "--master", master_of(server), "--name", host.name, *arguments)


def load_from(server: Host, workers: int) -> tuple[str, ...]:
    return ("--load-workers", str(workers), "--listen", master_of(server))


def who_sent(record: Any) -> list[str]:
    """The hosts that load came from."""
    return sorted(name.rpartition("-")[0] for name in record["result"]["load_workers"])


def find_load_process(command: Command) -> psutil.Process:
    """The process that sends load: started by the worker, which the command has started."""
    (worker,) = (
        each for each in psutil.Process(command.process.pid).children() if "harness.load.worker" in each.cmdline()
    )
    (sender,) = worker.children()
    return sender


def copy_harness(folder: Path) -> Path:
    """Another version of the harness: its load engine has one more comment."""
    package = Path(harness.__file__).parent
    shutil.copytree(package, folder / "harness", ignore=shutil.ignore_patterns("__pycache__"))
    with (folder / "harness" / "load" / "exchange.py").open("a") as file:
        file.write("# another version\n")
    return folder


def test_two_generators_send_the_load_of_one_and_no_clock_agrees(hosts: tuple[Host, ...], tmp_path: Path) -> None:
    """One worker is of another version and is refused, one is late, one has another monotonic clock."""
    server, gen1, gen2 = hosts
    other = {**os.environ, "PYTHONPATH": str(copy_harness(tmp_path / "other"))}
    clock = other_clock()
    options = ("--servers", "uvicorn,granian", "--users", "5", "--scenarios", "plaintext,echo")
    with harness_on(server, *RUN, *options, *load_from(server, 2), cwd=tmp_path) as run:
        with harness_on(gen1, *worker(gen1, server=server), cwd=tmp_path, environment=other) as refused:
            assert refused.end() == 2
        why = refused.await_line("expected harness")
        assert run.await_line("! ") == f"! {why}"
        with harness_on(gen1, *worker(gen1, server=server), cwd=tmp_path, before=clock) as one:
            run.await_line("gen1-")
            with harness_on(gen2, *worker(gen2, server=server), cwd=tmp_path) as two:
                assert run.end() in {0, 3}, run.text  # one round ranks nobody
                assert (one.end(), two.end()) == (0, 0)
    records = records_of(tmp_path / "results" / "latest")
    assert len(records) == 4
    for record in records:
        assert record["verdict"] in SOUND, record["reasons"]
        assert who_sent(record) == ["gen1", "gen2"]
        assert record["result"]["connections"]["opened"] == 5
        assert all(each["users"] == 5 for each in record["result"]["slices"])
        samples = [each["at_ns"] for each in record["samples"]]
        # On the clock of the host where servers were sampled.
        assert all(
            samples[0] <= each["opened_ns"] <= each["drained_ns"] <= samples[-1] for each in record["result"]["slices"]
        )
        assert all(cpu_s > 0 for cpu_s in record["slice_cpu_s"])
    about = summary_of(tmp_path / "results" / "latest")["run"]["load_workers"]
    assert [each["host"] for each in about] == ["gen1", "gen2"]
    assert len({each["harness"] for each in about}) == 1


def test_a_generator_that_is_cut_off_ends_the_run_with_its_name(
    hosts: tuple[Host, ...], tmp_path: Path, fault: Fault
) -> None:
    server, gen1, gen2 = hosts
    options = ("--rounds", "9", "--duration", "4s")
    with (
        harness_on(gen1, *worker(gen1, server=server), cwd=tmp_path, environment=fault.environment) as one,
        harness_on(gen2, *worker(gen2, "--wait", "12s", server=server), cwd=tmp_path) as two,
        harness_on(server, *RUN, *options, *load_from(server, 2), cwd=tmp_path, environment=fault.environment) as run,
    ):
        run.await_line("[1/")
        await_load(gen2)
        gen2.unplug()
        assert run.end() == 3, run.text
        assert one.end() == 0
        assert two.end() == 3
    first, *others = records_of(tmp_path / "results" / "latest")
    assert first["verdict"] in SOUND
    assert [each["verdict"] for each in others] == ["invalid", "invalid"]
    told = others[0]["reasons"][0]
    assert "gen2-" in told
    assert "sent no heartbeat" in told
    last = run.lines[-1]
    assert "missing: gen2-" in others[1]["reasons"][0]
    assert "missing: gen2-" in last
    assert "--allow-missing-workers" in last
    assert "expected a run at" in two.text
    fault.report(
        name="a load generator is cut off in mid-trial (ip link down)",
        happened="its trial is invalid, and the run ends when it does not come back",
        lost="the trials concerned",
        left=fault.left(),
        told=last,
    )


def test_a_generator_that_is_cut_off_for_seconds_takes_part_in_the_next_trial(
    hosts: tuple[Host, ...], tmp_path: Path
) -> None:
    server, gen1, gen2 = hosts
    options = ("--rounds", "3", "--duration", "4s")
    with (
        harness_on(gen1, *worker(gen1, server=server), cwd=tmp_path),
        harness_on(gen2, *worker(gen2, server=server), cwd=tmp_path),
        harness_on(server, *RUN, *options, *load_from(server, 2), cwd=tmp_path) as run,
    ):
        run.await_line("[1/")
        await_load(gen2)
        gen2.unplug()
        run.await_line("[2/")
        gen2.plug()
        assert run.end() in {0, 3}, run.text
    first, second, third = records_of(tmp_path / "results" / "latest")
    assert (first["verdict"] in SOUND, second["verdict"], third["verdict"] in SOUND) == (True, "invalid", True)
    assert "load worker gen2-" in second["reasons"][0]
    assert who_sent(third) == ["gen1", "gen2"]


def test_workers_of_one_name_and_equal_processes_are_two_and_one_that_uses_too_much_memory_is_ended(
    hosts: tuple[Host, ...], tmp_path: Path
) -> None:
    """As in containers: each has processes of its own, with equal ids, and perhaps the host's name."""
    server, gen1, gen2 = hosts
    own = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
    name, little = ("--name", "container"), ("--memory", "160MiB")
    (tmp_path / "large.py").write_text(LARGE)
    options = ("--servers", "uvicorn", "--rounds", "2", "--locustfile", "large.py", "--protocols", "h1")
    with (
        harness_on(gen1, *worker(gen1, *name, server=server), cwd=tmp_path, before=own),
        harness_on(gen2, *worker(gen2, *name, *little, server=server), cwd=tmp_path, before=own) as two,
        harness_on(server, "run", *QUICK, "--duration", "3s", *options, *load_from(server, 2), cwd=tmp_path) as run,
    ):
        two.await_line("(--memory)")
        run.await_line("[1/")
    told = records_of(tmp_path / "results" / "latest")[0]["reasons"][0]
    assert "load worker container-" in told
    assert "was killed by SIGKILL: expected at most 160 MiB of memory (--memory), found " in told


def test_a_worker_that_dies_comes_back_and_one_that_is_gone_is_left_out(
    hosts: tuple[Host, ...], tmp_path: Path, fault: Fault
) -> None:
    server, gen1, gen2 = hosts
    options = ("--rounds", "5", "--duration", "2s", "--allow-missing-workers")
    with (
        harness_on(gen1, *worker(gen1, server=server), cwd=tmp_path, environment=fault.environment) as one,
        harness_on(gen2, *worker(gen2, server=server), cwd=tmp_path, environment=fault.environment) as two,
        harness_on(server, *RUN, *options, *load_from(server, 2), cwd=tmp_path, environment=fault.environment) as run,
    ):
        run.await_line("[1/")
        await_load(gen2)
        find_load_process(two).kill()
        run.await_line("[2/")
        run.await_line("[3/")
        await_load(gen2)
        two.process.send_signal(signal.SIGKILL)
        assert run.end() in {0, 3}, run.text  # too many of its trials are invalid for a rank
        assert one.end() == 0
    records = records_of(tmp_path / "results" / "latest")
    assert [each["verdict"] in SOUND for each in records] == [True, False, True, False, True]
    assert "gen2-" in records[1]["reasons"][0]
    assert "was killed by SIGKILL" in records[1]["reasons"][0]
    assert who_sent(records[2]) == ["gen1", "gen2"]
    assert "gen2-" in records[3]["reasons"][0]
    assert who_sent(records[4]) == ["gen1"]
    note = next(each for each in records[4]["reasons"] if "1 of 2 load workers" in each)
    assert "missing: gen2-" in note
    fault.report(
        name="a load worker is killed, once its process of the trial, once all of it (--allow-missing-workers)",
        happened="its trial is invalid; it comes back, or the run goes on without it",
        lost="the trials concerned",
        left=fault.left(),
        told=note,
    )


def test_workers_end_by_themselves_when_the_run_is_killed(
    hosts: tuple[Host, ...], tmp_path: Path, fault: Fault
) -> None:
    server, gen1, _ = hosts
    marked = fault.environment
    with (
        harness_on(gen1, *worker(gen1, "--wait", "12s", server=server), cwd=tmp_path, environment=marked) as one,
        harness_on(server, *RUN, *load_from(server, 1), "--duration", "20s", cwd=tmp_path, environment=marked) as run,
    ):
        run.await_line("gen1-")
        await_load(gen1, 3000)
        run.process.kill()
        assert one.end() == 3
    told = one.lines[-1]
    assert told.startswith("gen1-")
    assert f"expected a run at {master_of(server)} within 12 s (--wait), found none" in told
    fault.report(
        name="the host of a run with load from other hosts dies",
        happened="the workers there end within --wait",
        lost="the trial",
        left=fault.left(),
        told=told,
    )
