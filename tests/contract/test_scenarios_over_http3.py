"""The HTTP scenarios against the reference app over HTTP/3: right, whole, and over QUIC."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.analysis import verdict
from harness.catalog import listing
from harness.host import certificates, guard, process
from harness.host.cpus import available
from harness.model.blocks import BlockOrder, Turn
from harness.model.targets import HOST, Launch
from harness.run import trial
from harness.run.load_process import ForkServer

SERVER = "hypercorn-h3"
USERS = 2


@dataclass
class Served:
    launch: Launch
    fork_server: ForkServer


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    (entry,) = listing.choose("servers", listing.servers(), [SERVER])
    (app,) = listing.choose("apps", listing.apps(), ["asgi"])
    log = tmp_path_factory.mktemp("log") / "server.log"
    with guard.guard() as token, certificates.issue() as tls, ForkServer(token) as fork_server:
        launch = Launch(HOST, process.free_port(HOST), app.target, tls=tls, python=sys.executable)
        with process.start(entry, app, launch, cpus=available(), log=log, token=token):
            yield Served(launch, fork_server)


@pytest.mark.parametrize(("name", "streams"), [("plaintext", 1), ("json", 2), ("echo", 1), ("stream", 1), ("items", 2)])
def test_every_answer_is_right_over_http3(name: str, streams: int, served: Served, tmp_path: Path) -> None:
    (scenario,) = listing.choose("scenarios", listing.scenarios(), [name])
    assert served.launch.tls is not None
    block = BlockOrder((f"https://{served.launch.address}",), (Turn(0, USERS),), 0.05, 0.3, None, 10.0, seed=0)
    authority, log = served.launch.tls.authority, tmp_path / "load.log"
    order = trial.Order(block, scenario.path, "h3", streams, authority, available(), log, 1, served.fork_server)
    (result,) = trial.run(order)
    assert result.errors.examples == {}
    assert result.checked
    assert result.requests > 0
    assert result.started == result.finished + result.abandoned
    assert (result.abandoned, result.unanswered) == (0, 0)
    assert result.connections.opened == USERS // streams + result.connections.reopened
    assert result.connections.negotiated == f"TLSv1.3 {verdict.AGREED['h3']}"
