"""A distance on an interface that the user names: what meets it, what does not, and what is left of it.

Hosts are network namespaces, and tc is real. Where the kernel has no netem, there is a refusal to see, and no more.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.command import ALONE, SOUND, records_of, summary_of
from tests.fault_table import MARKER, Fault
from tests.hosts.commands import WITHIN_S, Command, await_load, harness_on
from tests.hosts.namespaces import Host, connected
from tests.hosts.sshd import ROOT, Way, sshd_on

pytestmark = pytest.mark.hosts

LACKS = "--interface: expected a kernel with "
MODULES = ("sch_netem", "sch_prio", "sch_ingress", "cls_u32", "act_mirred", "ifb")
FAR_S = 0.04
RUN_S = 300.0
"""More than a run takes, also in a user-mode Linux."""
PORTS = (9001, 9002)
ECHO = """
import socket, sys, threading
def serve(listener):
    while True:
        peer, _ = listener.accept()
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := peer.recv(65536):
            peer.sendall(data)
for port in sys.argv[2:]:
    threading.Thread(target=serve, args=(socket.create_server((sys.argv[1], int(port))),)).start()
print("ready", flush=True)
"""
EXCHANGE = """
import socket, sys, time
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 30) as there:
    there.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for _ in range(5):
        began_s = time.monotonic()
        there.sendall(b"x")
        there.recv(1)
        print(time.monotonic() - began_s)
"""
HOLD = """
import sys
from harness.hosts.own_interface import open_interface
from harness.model.errors import HarnessError
from harness.model.link import Distance
address, side, rtt_s, *ports = sys.argv[1:]
try:
    with open_interface("eth0", address, servers_here=side == "here") as own:
        print("keeper", own.pid, flush=True)
        with own.at(Distance(float(rtt_s)), list(map(int, ports))):
            print("far", flush=True)
            sys.stdin.readline()
        print("near", flush=True)
        sys.stdin.readline()
except HarnessError as error:
    print(error, flush=True)
print("ended", flush=True)
"""
"""Servers at these ports are far, until a line comes; then near, until another one comes."""


def list_own(host: Host) -> list[Any]:
    """The interfaces of a host, their queueing disciplines, and the filters at that of the tests."""
    commands = (("ip", "link", "show"), ("tc", "qdisc", "show"), ("tc", "filter", "show", "dev", "eth0"))
    found = [
        json.loads(subprocess.check_output([*host.enter, program, "-json", *words]) or "[]")
        for program, *words in commands
    ]
    disciplines = [{**each, "refcnt": None} for each in found[1]]
    return [sorted(each["ifname"] for each in found[0]), disciplines, found[2]]


def can(host: Host, *argv: str) -> bool:
    """Does the kernel do that on a device which is made for it?"""
    commands = [("ip", "link", "add", "trial", "type", "bridge"), argv]
    done = [subprocess.run([*host.enter, *each], capture_output=True, check=False).returncode for each in commands]
    subprocess.run([*host.enter, "ip", "link", "delete", "trial"], check=True)
    return done == [0, 0]


def check_refusal(host: Host, said: str, before: list[Any]) -> None:
    """It is in one line, it is right, and nothing is left."""
    assert said.count("\n") == 0
    named = {each for each in MODULES if re.search(rf"\b{each}\b", said.partition(", found")[0])}
    root = ("tc", "qdisc", "add", "dev", "trial", "root")
    assert ("sch_netem" in named) is not can(host, *root, "netem", "delay", "1ms")
    assert ("sch_prio" in named) is not can(host, *root, "prio")
    assert named
    assert list_own(host) == before


@contextmanager
def holding(host: Host, address: str, side: str, *ports: int) -> Iterator[Command]:
    """Servers at these ports are far from, or on, this host; skips the test where the kernel cannot, which is checked.

    The skip has the words of the harness.
    """
    before = list_own(host)
    argv = [*host.enter, sys.executable, "-c", HOLD, address, side, str(FAR_S), *map(str, ports)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    command = Command(process)
    try:
        first = command.await_line(" ")
        if first.startswith(LACKS):
            check_refusal(host, first, before)
            pytest.skip(first)
        command.await_line("far")
        yield command
    finally:
        process.kill()
        process.wait()
        assert process.stdin is not None
        process.stdin.close()


def await_(condition: Callable[[], bool]) -> None:
    until_s = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < until_s
        time.sleep(0.02)


def tell(command: Command) -> None:
    assert command.process.stdin is not None
    command.process.stdin.write("\n")
    command.process.stdin.flush()


def await_end_of_keeper(command: Command) -> None:
    """The process that takes everything back has ended."""
    number = int(command.await_line("keeper").split()[1])
    try:
        psutil.Process(number).wait(WITHIN_S)
    except psutil.NoSuchProcess:
        return


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    with connected("here", "there") as (here, there):
        yield here, there


@pytest.fixture(params=["servers there", "servers here"])
def sides(request: pytest.FixtureRequest, hosts: tuple[Host, Host]) -> Iterator[tuple[Host, Host, str]]:
    """The hosts of load and of servers, which listen on all ports; the interface is always that of the first host."""
    here, there = hosts
    load, servers, side = (here, there, "there") if request.param == "servers there" else (there, here, "here")
    argv = [*servers.enter, sys.executable, "-c", ECHO, servers.address, *map(str, PORTS)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as echo:
        assert echo.stdout is not None
        echo.stdout.readline()
        yield load, servers, side
        echo.kill()


def exchange(load: Host, servers: Host, port: int) -> list[float]:
    """The times in s from a byte to its return."""
    argv = [*load.enter, sys.executable, "-c", EXCHANGE, servers.address, str(port)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=WITHIN_S)
    return [float(each) for each in done.stdout.split()]


def test_servers_that_are_measured_are_far_and_all_others_are_not(
    hosts: tuple[Host, Host], sides: tuple[Host, Host, str]
) -> None:
    load, servers, side = sides
    before = list_own(hosts[0])
    with holding(hosts[0], servers.address, side, PORTS[0]) as command:
        assert min(exchange(load, servers, PORTS[0])) >= FAR_S
        # The port beside it stands for ssh and for Locust's master.
        assert min(exchange(load, servers, PORTS[1])) < FAR_S
        tell(command)
        command.await_line("near")
        assert min(exchange(load, servers, PORTS[0])) < FAR_S
        tell(command)
        command.await_line("ended")
        await_end_of_keeper(command)
    assert list_own(hosts[0]) == before


def test_what_takes_another_way_is_no_result(hosts: tuple[Host, Host], sides: tuple[Host, Host, str]) -> None:
    load, servers, side = sides
    with holding(hosts[0], servers.address, side, PORTS[0]) as command:
        exchange(load, servers, PORTS[1])
        tell(command)
        said = command.await_line("expected")
    assert said == ("expected packets between load and servers to leave by eth0, found that they go another way")


@pytest.mark.parametrize("killed", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_on_an_interface_when_the_harness_is_killed(
    hosts: tuple[Host, Host], killed: signal.Signals
) -> None:
    here, there = hosts
    before = list_own(here)
    with holding(here, there.address, "there", *PORTS) as command:
        assert list_own(here) != before
        command.process.send_signal(killed)
        command.process.wait(WITHIN_S)
        await_end_of_keeper(command)
        assert list_own(here) == before


def test_what_takes_it_back_may_be_killed_too(hosts: tuple[Host, Host], sides: tuple[Host, Host, str]) -> None:
    load, servers, side = sides
    before = list_own(hosts[0])
    with holding(hosts[0], servers.address, side, *PORTS) as command:
        exchange(load, servers, PORTS[0])
        psutil.Process(int(command.await_line("keeper").split()[1])).kill()
        tell(command)
        said = command.await_line("expected")
        assert said == "expected eth0 as it was before the run, found prio 4840: on it"
        command.await_line("ended")
    assert list_own(hosts[0]) == before


def test_what_two_kills_have_left_is_told_with_the_commands_that_remove_it(hosts: tuple[Host, Host]) -> None:
    here, there = hosts
    before = list_own(here)
    with holding(here, there.address, "there", *PORTS) as command:
        for each in (command.process.pid, int(command.await_line("keeper").split()[1])):
            os.kill(each, signal.SIGKILL)
        command.process.wait(WITHIN_S)
    said = refused(here, there, "eth0")
    assert "found prio 4840: on it; if no other run goes on: " in said
    subprocess.run([*here.enter, "sh", "-c", said.partition("goes on: ")[2]], check=False, capture_output=True)
    assert list_own(here) == before


def test_only_one_run_at_a_time_has_an_interface(hosts: tuple[Host, Host], sides: tuple[Host, Host, str]) -> None:
    here, there = hosts
    load, servers, side = sides
    with holding(here, servers.address, side, *PORTS) as command:
        assert "if no other run goes on: " in refused(here, there, "eth0")
        exchange(load, servers, PORTS[0])
        tell(command)
        command.await_line("near")
        assert "expected no other run at eth0, found its device har-ifb" in refused(here, there, "eth0")
        tell(command)
        command.await_line("ended")


def refused(host: Host, servers: Host, interface: str, *before: str) -> str:
    """What the harness says about an interface."""
    program = HOLD.replace('"eth0"', repr(interface))
    argv = [*host.enter, *before, sys.executable, "-c", program, servers.address, "there", "0.02", "9001"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=WITHIN_S, env=environment
    )
    said, ended = done.stdout.splitlines()
    assert ended == "ended"
    return said


def test_an_interface_that_will_not_do_is_refused_in_a_line(hosts: tuple[Host, Host]) -> None:
    here, there = hosts
    before = list_own(here)
    assert re.fullmatch(
        r"--interface: expected an interface of this host \(eth0 and port0\), found eth7", refused(here, there, "eth7")
    )
    assert "found lo, the loopback; --netns makes a distance" in refused(here, there, "lo")
    assert f"the interface that leads to {there.address} (eth0), found port0" in refused(here, there, "port0")
    assert f"found that {here.address} is one of this host" in refused(here, here, "eth0")
    assert list_own(here) == before


def test_what_somebody_has_set_up_is_left_alone(hosts: tuple[Host, Host]) -> None:
    here, there = hosts
    for argv, name in ((("root", "handle", "1:", "tbf"), "tbf 1:"), (("ingress",), "ingress ffff:")):
        shape = ("rate", "1gbit", "burst", "1mb", "latency", "50ms") if "tbf" in argv else ()
        subprocess.run([*here.enter, "tc", "qdisc", "add", "dev", "eth0", *argv, *shape], check=True)
        before = list_own(here)
        expected = (
            f"expected eth0 as the kernel sets it up, found {name} on it; take it away, or name another interface"
        )
        assert refused(here, there, "eth0") == f"--interface: {expected}"
        assert list_own(here) == before
        subprocess.run([*here.enter, "tc", "qdisc", "del", "dev", "eth0", argv[0]], check=True)


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="to take the right away takes setpriv")
def test_without_the_right_nothing_is_done(hosts: tuple[Host, Host]) -> None:
    here, there = hosts
    before = list_own(here)
    said = refused(here, there, "eth0", "setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin")
    right = "expected the right to change eth0 (CAP_NET_ADMIN), found: Operation not permitted; run it as root"
    assert said == f"--interface: {right}"
    assert list_own(here) == before


OPTIONS = (
    *("--servers", "granian", "--scenarios", "plaintext", "--protocols", "h1"),
    *("--rtt", "0,40ms", "--duration", "1s"),
)
"""At a distance there are few requests in a shorter time, and then no percentile."""


def options_of(way: Way) -> tuple[str, ...]:
    own = ("--server-host", way.url, "--bind", way.host.address, "--server-python", sys.executable)
    return (*own, "--interface", "eth0", *OPTIONS)


def is_refused(host: Host, status: int, said: str, before: list[Any], folder: Path) -> bool:
    """Was a run refused for lack of modules, before anything was measured?"""
    if LACKS not in said:
        return False
    check_refusal(host, said, before)
    assert status == 2
    assert not (folder / "results").exists()
    return True


def check_run(folder: Path) -> None:
    """Each comparison was measured at each RTT, and none was faster."""
    info = json.loads((folder / "run.json").read_text())
    cases = {each["case"].get("rtt_s", 0.0): each for each in summary_of(folder)["cases"]}
    assert cases.keys() == {0.0, FAR_S}
    for record in records_of(folder):
        assert record["verdict"] in SOUND, record["reasons"]
    assert cases[FAR_S]["latency_us"]["p50"]["median"] >= 1e6 * FAR_S
    assert (info["link"]["kind"], info["link"]["delayed_by"]) == ("network", "netem")
    assert info["link"]["interface"]["name"] == "eth0"
    assert "Distance is made by the kernel's netem" in (folder / "report.md").read_text()


@pytest.mark.timeout(2 * RUN_S)
def test_servers_on_another_host_are_measured_at_each_rtt(hosts: tuple[Host, Host], tmp_path: Path) -> None:
    here, there = hosts
    before = list_own(here)
    with sshd_on(there, tmp_path) as way:
        arguments = ("run", *ALONE, *options_of(way))
        with harness_on(here, *arguments, cwd=tmp_path, environment=way.environment()) as command:
            status = command.end(RUN_S)
        if is_refused(here, status, command.text, before, tmp_path):
            return
        assert status == 0, command.text
        folder = tmp_path / "results" / "latest"
        check_run(folder)
        speeds = json.loads((folder / "run.json").read_text())["link"]["speeds"]
        assert [each["distance"]["rtt_s"] for each in speeds] == [0.0, FAR_S]
        assert all(each["least_rtt_s"] >= each["distance"]["rtt_s"] for each in speeds)
    assert list_own(here) == before


@pytest.mark.timeout(2 * RUN_S)
def test_servers_here_are_far_from_load_workers_on_another_host(hosts: tuple[Host, Host], tmp_path: Path) -> None:
    here, there = hosts
    before = list_own(here)
    master = f"{here.address}:5557"
    arguments = ("--load-workers", "1", "--listen", master, "--interface", "eth0", *OPTIONS)
    with (
        harness_on(here, "run", *ALONE, *arguments, cwd=tmp_path) as command,
        harness_on(there, "worker", "--master", master, "--name", "gen", cwd=tmp_path),
    ):
        status = command.end(RUN_S)
    if is_refused(here, status, command.text, before, tmp_path):
        return
    assert status == 0, command.text
    folder = tmp_path / "results" / "latest"
    check_run(folder)
    assert "The link was not measured, since load came from other hosts." in (folder / "report.md").read_text()
    assert list_own(here) == before


@pytest.mark.fault
@pytest.mark.timeout(2 * RUN_S)
def test_nothing_is_left_of_a_run_that_was_killed_at_a_distance(
    hosts: tuple[Host, Host], tmp_path: Path, fault: Fault
) -> None:
    here, there = hosts
    before = list_own(here)
    marked = {name: fault.environment[name] for name in (MARKER, "TMPDIR")}
    with sshd_on(there, tmp_path, marked) as way:
        arguments = ("run", *ALONE, *options_of(way), "--rtt", "40ms", "--duration", "20s")
        with harness_on(here, *arguments, cwd=tmp_path, environment=way.environment(fault.environment)) as command:
            if LACKS in (told := command.await_line("")):
                assert is_refused(here, command.end(), command.text, before, tmp_path)
                fault.report(
                    name="an interface of the user's is to be at a distance, on a kernel without netem",
                    happened="exit 2 before anything was measured",
                    lost="nothing",
                    left=fault.left(WITHIN_S),
                    told=told,
                )
                return
            await_load(there)
            assert list_own(here) != before
            command.process.send_signal(signal.SIGKILL)
            command.end()
            way.await_nothing(WITHIN_S)
        left = fault.left(WITHIN_S)
        assert left == "nothing"
    await_(lambda: list_own(here) == before)
    fault.report(
        name="the command killed (SIGKILL) while an interface of the user's was at a distance",
        happened="a process that waits at its pipe took everything back from the interface",
        lost="the trial",
        left=left,
        told="nobody is left to tell it",
    )
