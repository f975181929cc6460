"""Every scenario against the reference app under one server: right, whole and over the protocol that was asked for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.catalog import listing
from harness.host import certificates, guard, process
from harness.host.cpus import available
from harness.model.blocks import BlockOrder, Turn
from harness.model.protocols import TLS_PROTOCOLS, Protocol
from harness.model.results import LoadResult
from harness.model.targets import HOST, Launch, Scenario, Tls
from harness.run import trial
from harness.run.load_process import ForkServer

SERVER = "granian"
"""One that speaks every protocol but HTTP/3, and starts fast."""
USERS = 4
FAST = ("plaintext", "json", "echo", "stream", "items", "ws_echo")
"""Others take longer, or are only the same requests in another order."""


def list_scenarios() -> list[Any]:
    every = [each for each in listing.scenarios() if not each.name.endswith("hold")]  # granian cannot hold so many
    return [pytest.param(each, id=each.name, marks=() if each.name in FAST else pytest.mark.long) for each in every]


@pytest.fixture(scope="module")
def token() -> Iterator[str]:
    with guard.guard() as token:
        yield token


@pytest.fixture(scope="module")
def fork_server(token: str) -> Iterator[ForkServer]:
    with ForkServer(token) as fork_server:
        yield fork_server


@pytest.fixture(scope="module")
def tls() -> Iterator[Tls]:
    with certificates.issue() as tls:
        yield tls


@pytest.fixture(scope="module", params=[False, True], ids=["clear", "tls"])
def launch(
    request: pytest.FixtureRequest, token: str, tls: Tls, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Launch]:
    (entry,) = listing.choose("servers", listing.servers(), [SERVER])
    (app,) = listing.choose("apps", listing.apps(), ["asgi"])
    port = process.free_port(HOST)
    launch = Launch(HOST, port, app.target, tls=tls if request.param else None, python=sys.executable)
    log = tmp_path_factory.mktemp("log") / "server.log"
    with process.start(entry, app, launch, cpus=available(), log=log, token=token):
        yield launch


def measure(
    scenario: Scenario, protocol: Protocol, launch: Launch, fork_server: ForkServer, folder: Path, streams: int
) -> LoadResult:
    scheme = "https" if launch.tls else "http"
    block = BlockOrder((f"{scheme}://{launch.address}",), (Turn(0, USERS),), 0.05, 0.3, None, 10.0, seed=0)
    authority = launch.tls.authority if launch.tls else None
    log = folder / "load.log"
    order = trial.Order(block, scenario.path, protocol, streams, authority, available(), log, 1, fork_server)
    (result,) = trial.run(order)
    return result


@pytest.mark.parametrize("scenario", list_scenarios())
def test_every_answer_is_right_in_every_protocol(
    scenario: Scenario, launch: Launch, fork_server: ForkServer, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    (entry,) = listing.choose("servers", listing.servers(), [SERVER])
    for protocol in sorted(scenario.protocols & entry.protocols):
        if (protocol in TLS_PROTOCOLS) != (launch.tls is not None):
            continue
        with subtests.test(protocol):
            streams = 2 if protocol in {"h2", "h2c"} else 1
            result = measure(scenario, protocol, launch, fork_server, tmp_path, streams)
            assert result.errors.examples == {}
            assert result.checked
            assert result.requests > 0
            assert result.started == result.finished + result.abandoned
            assert (result.abandoned, result.unanswered) == (0, 0)
            connections = USERS // streams + result.connections.reopened
            if scenario.name in {"churn", "tokens"}:  # their users end connections
                assert result.connections.opened >= connections
            else:
                assert result.connections.opened == connections
            assert sum(each.requests for each in result.by_request) == result.requests
