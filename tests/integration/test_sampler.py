"""Samples of real process trees, compared with what the processes themselves report."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import textwrap
import time
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from harness.catalog import listing
from harness.host import cgroups, process
from harness.host.guard import guard
from harness.host.proc import machine_time, tree, tree_memory_bytes
from harness.host.sampler import INTERVAL_S, Sampler
from harness.model.targets import HOST, Launch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.model.records import Sample

TOLERANCE_S = 0.03
"""The CPU time of children that were waited for is known in hundredths of a second, for user and system each."""

PROGRAM = textwrap.dedent("""
    import mmap, os, resource, signal, sys, threading, time

    def burn(seconds=0.15):
        until = time.process_time() + seconds
        while time.process_time() < until: os.stat("/")

    def stay(seconds):
        burn(seconds)
        signal.pause()

    def used():
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.process_time() + children.ru_utime + children.ru_stime

    def fork(target, *args):
        pid = os.fork()
        if pid == 0:
            target(*args)
            os._exit(0)
        return pid

    def grow():
        global ballast
        ballast = os.urandom(1 << 25)

    def share(size):
        global shared
        shared = mmap.mmap(-1, size)  # shared with the children that are forked from now on
        shared.write(os.urandom(size))

    def read_shared():
        for at in range(0, len(shared), mmap.PAGESIZE): shared[at]
        signal.pause()

    def fork_and_stay():
        children.append(fork(stay, 0))
        forked.set()
        signal.sigwait([signal.SIGUSR1])

    def switch(times):
        for _ in range(times): time.sleep(5e-4)  # a shorter one may be over before it began

    def switch_in_a_thread(times):
        thread = threading.Thread(target=switch, args=(times,))
        thread.start()
        thread.join()

    def switches():
        used = resource.getrusage(resource.RUSAGE_SELF)
        return used.ru_nvcsw + used.ru_nivcsw

    def from_a_thread():
        threading.Thread(target=fork_and_stay, daemon=True).start()
        forked.wait()

    children = []
    forked = threading.Event()
    print(flush=True)
    for line in sys.stdin:
        exec(line)
        print(used(), *children, flush=True)
""")


class Subject:
    """A process that executes statements, and answers with the CPU seconds that it has used and its children's pids."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0
        )
        self.pid = self._process.pid
        self._line()

    def do(self, statement: str = "") -> tuple[float, list[int]]:
        assert self._process.stdin
        print(statement, file=self._process.stdin, flush=True)
        used_s, *children = self._line().split()
        return float(used_s), [int(pid) for pid in children]

    def _line(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline()

    def end(self) -> None:
        os.killpg(self.pid, 9)
        self._process.communicate()


@pytest.fixture
def subject() -> Iterator[Subject]:
    subject = Subject()
    yield subject
    subject.end()


def sampled(sampler: Sampler, condition: Callable[[Sample], bool], within_s: float = 20) -> Sample:
    deadline = time.monotonic() + within_s
    while not condition(sample := sampler.samples[-1]):
        assert time.monotonic() < deadline, sampler.samples
        time.sleep(0.01)
    return sample


def never_falls(samples: tuple[Sample, ...]) -> bool:
    return all(left.at_ns < right.at_ns and left.cpu_s <= right.cpu_s for left, right in pairwise(samples))


def test_cpu_time_is_what_the_process_reports(subject: Subject) -> None:
    with Sampler(subject.pid) as sampler:
        at_least_s, _ = subject.do("burn()")
    at_most_s, _ = subject.do()
    assert at_least_s <= sampler.samples[-1].cpu_s <= at_most_s
    assert never_falls(sampler.samples)


def test_the_cpu_time_of_a_child_counts_once_before_and_after_it_was_waited_for(subject: Subject) -> None:
    with Sampler(subject.pid) as sampler:
        _, (child,) = subject.do("children.append(fork(stay, 0.15))")
        sampled(sampler, lambda sample: sample.cpu_s >= 0.15 and sample.processes == 2)
        at_least_s, _ = subject.do(f"os.kill({child}, 9); os.waitpid({child}, 0)")
        sampled(sampler, lambda sample: sample.processes == 1)
    at_most_s, _ = subject.do()
    assert at_least_s - TOLERANCE_S <= sampler.samples[-1].cpu_s <= at_most_s + TOLERANCE_S


def test_the_processes_of_a_control_group_are_one_tree(subject: Subject, tmp_path: Path) -> None:
    group = tmp_path / "pod" / "container"
    group.mkdir(parents=True)
    (tmp_path / "pod" / "cgroup.procs").write_text("")
    (group / "cgroup.procs").write_text(f"{subject.pid}\n")
    with Sampler(lambda: cgroups.list_processes(tmp_path)) as sampler:
        at_least_s, _ = subject.do("burn()")
    at_most_s, _ = subject.do()
    assert at_least_s <= sampler.samples[-1].cpu_s <= at_most_s
    assert sampler.samples[-1].processes == 1


def test_without_processes_only_the_machine_is_sampled() -> None:
    with Sampler(tuple) as sampler:
        pass
    for sample in sampler.samples:
        assert (sample.processes, sample.memory_bytes, sample.switches) == (0, None, None)
        assert sample.machine is not None


def test_cpu_time_is_told_apart_by_program(subject: Subject) -> None:
    loop = "while :; do :; done"
    _, (child,) = subject.do(f"import subprocess; children.append(subprocess.Popen(['sh', '-c', '{loop}']).pid)")
    subject.do("fork(stay, 0.15)")  # the same program as its parent
    with Sampler(subject.pid) as sampler:
        sampled(sampler, lambda sample: sample.cpu_s_by_program.get("sh", 0.0) > 0.3)
        psutil.Process(child).suspend()
        used_s = sum(psutil.Process(child).cpu_times()[:2])
        subject.do(f"os.kill({child}, 9); os.waitpid({child}, 0)")
        sampled(sampler, lambda sample: sample.processes == 2)
    last = sampler.samples[-1]
    assert last.cpu_s_by_program.keys() == {Path(sys.executable).name, "sh"}
    assert sum(last.cpu_s_by_program.values()) == pytest.approx(last.cpu_s)
    assert last.cpu_s_by_program["sh"] == pytest.approx(used_s, abs=TOLERANCE_S + INTERVAL_S)
    assert never_falls(sampler.samples)


def test_a_child_that_started_and_ended_between_two_samples_counts(subject: Subject) -> None:
    with Sampler(subject.pid) as sampler:
        at_least_s, _ = subject.do("os.waitpid(fork(burn, 0.05), 0)")
    assert sampler.samples[-1].cpu_s >= at_least_s - TOLERANCE_S


def test_a_child_that_is_not_waited_for_counts_with_its_last_sampled_time(subject: Subject) -> None:
    subject.do("signal.signal(signal.SIGCHLD, signal.SIG_IGN)")
    with Sampler(subject.pid) as sampler:
        _, (child,) = subject.do("children.append(fork(stay, 0.15))")
        seen = sampled(sampler, lambda sample: sample.cpu_s >= 0.15 and sample.processes == 2)
        os.kill(child, 9)
        after = sampled(sampler, lambda sample: sample.processes == 1)
    assert after.cpu_s >= seen.cpu_s
    assert never_falls(sampler.samples)


def test_a_worker_still_counts_after_its_parent_was_killed(subject: Subject) -> None:
    with Sampler(subject.pid) as sampler:
        _, (parent,) = subject.do("children.append(fork(lambda: (fork(stay, 0), signal.pause())))")
        sampled(sampler, lambda sample: sample.processes == 3)
        subject.do(f"os.kill({parent}, 9); os.waitpid({parent}, 0)")
        sampled(sampler, lambda sample: sample.processes == 2)
    assert never_falls(sampler.samples)


@pytest.mark.parametrize("reaped", [True, False])
def test_a_worker_that_ended_and_one_that_came_are_told(subject: Subject, reaped: bool) -> None:
    _, (worker, other) = subject.do("children.append(fork(stay, 0)); children.append(fork(stay, 0))")
    with Sampler(subject.pid) as sampler:
        reap = f"os.waitpid({worker}, 0)" if reaped else f"os.waitid(os.P_PID, {worker}, os.WEXITED | os.WNOWAIT)"
        subject.do(f"os.kill({worker}, 9); {reap}; children.append(fork(stay, 0))")
    assert (sampler.ended_workers, sampler.new_workers) == ((worker,), 1)
    with Sampler(subject.pid) as sampler:
        pass
    assert (sampler.ended_workers, sampler.new_workers) == ((), 0)
    assert other


def test_the_cpu_time_of_a_tree_that_ended_is_kept(subject: Subject) -> None:
    with Sampler(subject.pid) as sampler:
        used_s, _ = subject.do("burn()")
        sampled(sampler, lambda sample: sample.cpu_s >= used_s)
        subject.do("children.append(fork(stay, 0))")
        sampled(sampler, lambda sample: sample.processes == 2)
        os.killpg(subject.pid, 9)
        subject._process.wait()
        sampled(sampler, lambda sample: sample.memory_bytes == 0)  # the child may end later
    last = sampler.samples[-1]
    assert last.cpu_s >= used_s
    assert last.memory_bytes == 0
    assert never_falls(sampler.samples)


def test_children_of_every_thread_and_their_children_belong_to_the_tree(subject: Subject) -> None:
    assert tree(subject.pid) == [subject.pid]
    subject.do("children.append(fork(stay, 0))")
    _, children = subject.do("from_a_thread()")
    assert sorted(tree(subject.pid)) == sorted([subject.pid, *children])
    assert set(children) < set(tree(os.getpid()))


def test_memory_grows_when_a_process_writes_to_more_of_it(subject: Subject) -> None:
    grown = 1 << 25  # an interpreter alone has less
    assert 0 < tree_memory_bytes(subject.pid) < grown
    with Sampler(subject.pid) as sampler:
        subject.do("grow()")
    assert tree_memory_bytes(subject.pid) >= grown
    first, last = sampler.samples[0].memory_bytes, sampler.samples[-1].memory_bytes
    assert first is not None
    assert last is not None
    assert first < grown <= last


def test_memory_that_processes_of_a_tree_share_counts_once(subject: Subject) -> None:
    size = 1 << 25
    before = tree_memory_bytes(subject.pid)
    subject.do(f"share({size})")
    for _ in range(3):
        subject.do("children.append(fork(read_shared))")
    with Sampler(subject.pid) as sampler:
        sampled(sampler, lambda sample: sample.processes == 4 and mapped(subject.pid, size))
    assert size <= tree_memory_bytes(subject.pid) - before < 1.5 * size


def mapped(pid: int, size: int) -> bool:
    """Have all processes of the tree as much memory as this?"""
    return all(psutil.Process(each).memory_info().rss >= size for each in tree(pid))


def test_the_memory_of_a_server_is_the_same_alone_and_beside_three_others(tmp_path: Path) -> None:
    uvicorn, asgi = listing.find("servers", listing.servers(), "uvicorn"), listing.find("apps", listing.apps(), "asgi")

    def start(token: str) -> process.Running:
        launch = Launch(HOST, process.free_port(HOST), asgi.target, python=sys.executable)
        log = tmp_path / f"{launch.port}.log"
        return process.start(uvicorn, asgi, launch, cpus=frozenset(os.sched_getaffinity(0)), log=log, token=token)

    def memory_of(server: process.Running) -> float:
        return statistics.median(tree_memory_bytes(server.pid) for _ in range(5))

    with guard() as token, ExitStack() as stack:
        server = stack.enter_context(start(token))
        alone = memory_of(server)
        for _ in range(3):
            stack.enter_context(start(token))
        assert memory_of(server) == pytest.approx(alone, rel=0.02)


def test_context_switches_are_what_the_process_reports(subject: Subject) -> None:
    _, (at_least,) = subject.do("switch(100); children[:] = [switches()]")
    with Sampler(subject.pid) as sampler:
        _, (before, after) = subject.do("before = switches(); switch(300); children[:] = [before, switches()]")
    _, (at_most,) = subject.do("children[:] = [switches()]")
    first, last = sampler.samples[0].switches, sampler.samples[-1].switches
    assert first is not None
    assert last is not None
    assert at_least <= first <= before
    assert after <= last <= at_most
    assert after - before >= 200


def test_context_switches_of_every_thread_and_child_count(subject: Subject) -> None:
    subject.do("threading.Thread(target=lambda: (switch(200), signal.pause()), daemon=True).start()")
    subject.do("fork(lambda: (switch(400), signal.pause()))")
    with Sampler(subject.pid) as sampler:
        sampled(sampler, lambda each: (each.switches or 0) >= 600)
    assert sampler.samples[-1].processes == 2


def test_context_switches_never_fall_when_a_process_ends(subject: Subject) -> None:
    with Sampler(subject.pid) as sampler:
        _, (child,) = subject.do("children.append(fork(lambda: (switch(300), signal.pause())))")
        sampled(sampler, lambda each: (each.switches or 0) >= 300)
        subject.do(f"os.kill({child}, 9); os.waitpid({child}, 0)")
        sampled(sampler, lambda each: each.processes == 1)
    seen = [each.switches for each in sampler.samples if each.switches is not None]
    assert seen == sorted(seen)


def test_the_first_the_last_and_every_tenth_sample_are_full(subject: Subject) -> None:
    with Sampler(subject.pid) as sampler:
        sampled(sampler, lambda _: len(sampler.samples) > 21)
    *before, last = sampler.samples
    full = [number for number, each in enumerate(before) if each.switches is not None]
    assert full[:1] == [0]
    assert len(full) > 1
    assert all(number % 10 == 0 for number in full)
    assert last.switches is not None


def test_frequency_is_the_mean_of_the_cpus_that_have_one(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for cpu, khz in ((0, 3_000_000), (1, 1_000_000), (2, 5_000_000)):
        (tmp_path / str(cpu)).write_text(f"{khz}\n")
    monkeypatch.setattr("harness.host.sampler._FREQUENCY", f"{tmp_path}/{{}}")
    with Sampler(subject.pid, {0, 1, 7}) as sampler:
        pass
    assert sampler.samples[-1].frequency_mhz == 2000
    with Sampler(subject.pid, {7}) as sampler:
        pass
    assert sampler.samples[-1].frequency_mhz is None


def test_the_cpu_times_of_the_machine_are_within_each_other() -> None:
    cpus = os.sched_getaffinity(0)
    found = machine_time(cpus)
    assert 0 <= found.stolen_s <= found.total_s
    assert 0 <= found.used_s <= found.server_s <= found.total_s
    none = machine_time(())
    assert (none.server_s, none.used_s) == (0, 0)


def test_cpu_time_that_a_process_uses_counts_as_used_on_its_cpu(subject: Subject) -> None:
    cpu = max(os.sched_getaffinity(0))
    used_before_s, _ = subject.do(f"os.sched_setaffinity(0, {{{cpu}}})")
    before = machine_time({cpu})
    used_s, _ = subject.do("burn(0.4)")
    assert machine_time({cpu}).used_s - before.used_s >= used_s - used_before_s - 2 * TOLERANCE_S


def test_the_first_and_the_last_sample_have_the_machines_cpu_time(subject: Subject) -> None:
    with Sampler(subject.pid, os.sched_getaffinity(0)) as sampler:
        subject.do("burn(0.3)")
    first, *_, last = sampler.samples
    assert first.machine is not None
    assert last.machine is not None
    assert last.machine.used_s > first.machine.used_s
