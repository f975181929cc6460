"""Servers in a network namespace behind a link: how far it reaches, what it loses, and what is left of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import psutil
import pytest

from harness.host.sockets import find_holders, list_listeners
from harness.hosts.link import LiveLink
from harness.hosts.namespace import Namespace, NamespaceHost, make_namespace
from harness.model.errors import LoadError, UsageError
from harness.model.link import NEAR, Distance
from harness.run.calibration import link as calibration
from tests.command import HARNESS, QUICK, SOUND, harness, records_of, summary_of
from tests.fault_table import Fault

pytestmark = pytest.mark.hosts

FAR = Distance(0.05)
RIGHT = "harness: --netns: expected the right to make network namespaces and devices"
ECHO = """
import socket, sys
listener = socket.create_server((sys.argv[1], 9000))
print("ready", flush=True)
while True:
    peer, _ = listener.accept()
    while data := peer.recv(65536):
        peer.sendall(data)
"""
ENDED = "the process that holds it has ended"
WITHIN_S, RUN_S = 30.0, 90.0
"""More than a step of these tests, and a run, takes on a slow machine."""


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    """One that can be at a distance; without the right to make it, the test is skipped."""
    try:
        with make_namespace(frozenset(os.sched_getaffinity(0)), distant=True) as made:
            yield made
    except UsageError as error:
        pytest.skip(str(error))


@pytest.fixture
def connection(namespace: Namespace) -> Iterator[socket.socket]:
    """A connection to a program in the namespace that sends back what it gets."""
    argv = [*namespace.network.enter, sys.executable, "-c", ECHO, namespace.address]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as echo:
        assert echo.stdout is not None
        echo.stdout.readline()
        with socket.create_connection((namespace.address, 9000), WITHIN_S) as connected:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            yield connected
        echo.kill()


def exchange(connection: socket.socket) -> float:
    """Send a byte and wait for it to come back; how long that took."""
    began_s = time.monotonic()
    connection.sendall(b"x")
    assert connection.recv(1) == b"x"
    return time.monotonic() - began_s


def await_(condition: Callable[[], object]) -> None:
    until_s = time.monotonic() + RUN_S
    while not condition():
        assert time.monotonic() < until_s
        time.sleep(0.02)


def devices() -> set[str]:
    return {name for _, name in socket.if_nameindex()}


def test_a_packet_takes_half_of_the_rtt_each_way_and_the_connection_stays_when_that_changes(
    namespace: Namespace, connection: socket.socket
) -> None:
    for distance in (FAR, NEAR, Distance(2 * FAR.rtt_s), NEAR):
        namespace.set_distance(distance)
        assert min(exchange(connection) for _ in range(3)) >= distance.rtt_s


def test_what_is_lost_is_sent_again_and_makes_requests_slower(namespace: Namespace, connection: socket.socket) -> None:
    lossy = Distance(0.001, 0.15)
    namespace.set_distance(lossy)
    times_s = [exchange(connection) for _ in range(40)]
    # TCP waits for an acknowledgement for 200 ms at least (TCP_RTO_MIN in Linux), less some ticks for a probe.
    assert max(times_s) > 0.1
    if namespace.delayed_by == "delay line":
        namespace.set_distance(NEAR)
        carried = namespace.carried[lossy]
        assert carried.lost > 0
        assert carried.refused == 0
        assert carried.carried >= 2 * len(times_s)


def test_a_large_transfer_over_a_lossy_link_is_complete(namespace: Namespace, connection: socket.socket) -> None:
    namespace.set_distance(Distance(0.002, 0.01))
    sent = os.urandom(200_000)
    Thread(target=connection.sendall, args=(sent,)).start()
    received = bytearray()
    while len(received) < len(sent):
        received += connection.recv(65536)
    assert received == sent


def test_nothing_is_left_of_a_namespace_and_who_listens_in_it_is_known(
    namespace: Namespace, connection: socket.socket
) -> None:
    assert connection.getpeername() == (namespace.address, 9000)
    (listener,) = list_listeners(namespace.network)
    assert (listener.address, listener.port) == (namespace.address, 9000)
    (pids,) = find_holders([listener.inode]).values()
    assert [psutil.Process(pid).cmdline()[-1] for pid in pids] == [namespace.address]


def test_devices_and_process_go_with_the_block() -> None:
    try:
        with make_namespace(frozenset(os.sched_getaffinity(0)), distant=True) as namespace:
            assert namespace.interface in devices()
    except UsageError as error:
        pytest.skip(str(error))
    assert namespace.interface not in devices()
    assert not psutil.pid_exists(namespace.pid)


def test_a_delay_line_that_has_ended_is_told_in_a_line(namespace: Namespace) -> None:
    if namespace.delayed_by != "delay line":
        pytest.skip("this kernel has netem, which does not end")
    namespace._holder.kill()
    namespace._holder.wait()
    with pytest.raises(LoadError, match=rf"^expected a link with 50 ms RTT and 0 % loss, found: {ENDED}$"):
        namespace.set_distance(FAR)


def test_the_link_is_measured_against_the_null_server_over_there(namespace: Namespace) -> None:
    cpus = frozenset(os.sched_getaffinity(0))
    host = NamespaceHost(cpus, namespace)
    shape = ("tc", "qdisc", "add", "dev", "veth0", "root", "tbf", "rate", "40mbit", "burst", "16kb", "latency", "50ms")
    subprocess.run([*namespace.network.enter, *shape], check=True)
    found = calibration.measure_link(LiveLink(host.address, namespace), host, [FAR], "token")
    near, far = found.speeds
    assert (near.distance, far.distance) == (NEAR, FAR)
    assert far.least_rtt_s >= FAR.rtt_s
    # 40 Mbit/s are 5 MB/s; the burst is there once.
    assert near.throughput_bytes_per_s is not None
    assert 0 < near.throughput_bytes_per_s <= 5e6 + 16e3 / calibration.DURATION_S
    assert near.requests_per_s
    assert near.packets_per_s
    assert (found.kind, found.interface.mtu_bytes, found.delayed_by) == ("namespace", 1500, namespace.delayed_by)


@pytest.fixture
def can_make_namespaces(namespace: Namespace) -> None:
    """Skips the test where none can be made."""


@pytest.mark.usefixtures("can_make_namespaces")
def test_each_comparison_is_measured_at_each_rtt(tmp_path: Path) -> None:
    options = ("--servers", "granian", "--scenarios", "plaintext", "--protocols", "h1,h2c", "--no-control")
    options += ("--netns", "--rtt", "0,20ms", "--loss", "0.01%", *QUICK, "--duration", "400ms", "--out", ".")
    done = harness("run", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (folder,) = tmp_path.glob("20*")
    summary = summary_of(folder)
    cases = {(each["case"]["protocol"], each["case"].get("rtt_s")): each for each in summary["cases"]}
    assert cases.keys() == {(protocol, rtt_s) for protocol in ("h1", "h2c") for rtt_s in (0.0, 0.02)}
    assert {each["verdict"] for each in cases.values()} <= SOUND
    for (_, rtt_s), each in cases.items():
        if (p50 := each["latency_us"]["p50"]) is not None:
            assert p50["median"] >= 1e6 * rtt_s
    info = json.loads((folder / "run.json").read_text())
    assert [each["distance"]["rtt_s"] for each in info["link"]["speeds"]] == [0.0, 0.0, 0.02]
    assert all(each["least_rtt_s"] >= each["distance"]["rtt_s"] for each in info["link"]["speeds"])
    assert {record["case"]["rtt_s"] for record in records_of(folder)} == {0.0, 0.02}
    assert (folder / "charts" / "distance.svg").exists()
    assert "Distance is made by" in (folder / "report.md").read_text()
    assert info["link"]["interface"]["name"] not in devices()


@pytest.mark.fault
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("can_make_namespaces")
def test_nothing_is_left_of_a_run_that_was_killed(tmp_path: Path, fault: Fault) -> None:
    options = ("--servers", "uvicorn", "--scenarios", "plaintext", "--protocols", "h1", "--no-control", "--out", ".")
    argv = [*HARNESS, "run", *options, "--netns", "--rtt", "5ms", *QUICK, "--rounds", "100"]
    with subprocess.Popen(
        argv, cwd=tmp_path, env=fault.environment, stdout=subprocess.DEVNULL, start_new_session=True
    ) as run:
        await_(lambda: any(tmp_path.glob("20*/trials.jsonl")))
        os.kill(run.pid, signal.SIGKILL)
    (folder,) = tmp_path.glob("20*")
    name = json.loads((folder / "run.json").read_text())["link"]["interface"]["name"]
    left = fault.left(WITHIN_S)
    await_(lambda: name not in devices())
    assert left == "nothing"
    kept = len(records_of(folder))
    fault.report(
        name="the command killed (SIGKILL) while servers ran in a network namespace",
        happened="guard and pipe ended servers, delay line and namespace; the devices went with it",
        lost=f"nothing: {kept} trials are in the file",
        left=left,
        told="by the shell: Killed",
    )


@pytest.mark.fault
@pytest.mark.timeout(300)
def test_a_run_whose_delay_line_is_killed_says_so_and_ends(tmp_path: Path, fault: Fault, namespace: Namespace) -> None:
    if namespace.delayed_by != "delay line":
        pytest.skip("this kernel has netem, which does not end")
    options = ("--servers", "uvicorn", "--scenarios", "plaintext", "--protocols", "h1", "--no-control", "--out", ".")
    argv = [*HARNESS, "run", *options, "--netns", "--rtt", "5ms", *QUICK, "--rounds", "4", "--request-timeout", "1s"]
    with subprocess.Popen(argv, cwd=tmp_path, env=fault.environment, stdout=subprocess.DEVNULL) as run:
        await_(lambda: [path for path in tmp_path.glob("20*/trials.jsonl") if path.read_text()])
        lines = [each for each in psutil.Process(run.pid).children() if "delay_line.py" in " ".join(each.cmdline())]
        assert len(lines) == 1
        lines[0].kill()
        run.wait(RUN_S)
    (folder,) = tmp_path.glob("20*")
    failed = [each for each in records_of(folder) if each["verdict"] == "failed"]
    assert failed
    reasons = [reason for each in failed for reason in each["reasons"]]
    assert all(ENDED in reason for reason in reasons), reasons
    left = fault.left(WITHIN_S)
    assert left == "nothing"
    fault.report(
        name="the process killed that carries the packets of a network namespace",
        happened="all later measurements failed",
        lost="these measurements; those before are in the file",
        left=left,
        told=reasons[0],
    )


@pytest.mark.usefixtures("can_make_namespaces")
@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (
            ("setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"),
            f"{RIGHT}, found: Operation not permitted; root lacks CAP_SYS_ADMIN, CAP_NET_ADMIN or /dev/net/tun",
        ),
        (
            ("env", "PATH=/nowhere"),
            "harness: --netns: expected the command ip, found none; install iproute2",
        ),
    ],
    ids=["no right", "no iproute2"],
)
def test_what_is_missing_is_told_in_a_line(tmp_path: Path, before: tuple[str, ...], expected: str) -> None:
    if shutil.which(before[0]) is None:
        pytest.skip(f"to take the right away takes {before[0]}")
    if os.geteuid() != 0 and before[0] == "setpriv":
        pytest.skip("only root has the right that is taken away")
    argv = [*before, *HARNESS, "run", "--netns", "--out", "."]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr.strip()) == (2, expected)
    assert not list(tmp_path.iterdir())
