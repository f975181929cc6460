"""The null server answers every protocol, and the output of the reference generators can be read."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from harness.host import certificates, guard
from harness.host.cpus import available, place
from harness.hosts.null import NULL
from harness.model.protocols import Protocol
from harness.run.calibration import ceiling, others
from harness.run.load_process import ForkServer


@pytest.fixture(scope="module")
def generator() -> Iterator[ceiling.Generator]:
    with guard.guard() as token, certificates.issue() as tls, ForkServer(token) as fork_server:
        yield ceiling.Generator(sys.executable, place(available()), tls, token, fork_server, users=4, duration_s=0.2)


@pytest.mark.parametrize("protocol", sorted(NULL.protocols))
def test_the_null_server_answers_right_in_every_protocol(generator: ceiling.Generator, protocol: Protocol) -> None:
    ((result, server_cpu_ratio),) = ceiling.run_trials(
        generator, ceiling.find_smallest_scenario(protocol), protocol, tries=1
    )
    assert result.errors.examples == {}
    assert result.answers > 0
    assert result.memory_bytes > 0
    assert server_cpu_ratio is not None
    assert 0 < server_cpu_ratio < 1.2


def test_a_protocol_that_the_null_server_does_not_speak_has_no_ceiling(generator: ceiling.Generator) -> None:
    assert ceiling.measure_ceilings(generator, ["h3"], tries=1) == {}


def test_the_null_server_answers_many_streams_of_one_connection(generator: ceiling.Generator) -> None:
    with others.start_null_server(generator) as target:
        result = others.run_locust(others.Side(users=8, streams=4), "h2c", target.url("h2c"), generator)
    assert (result.errors.examples, result.connections.opened) == ({}, 2)


@pytest.mark.parametrize("file", ["fasthttp_user.py", "websocket_client_user.py"])
def test_locusts_own_users_get_right_answers_too(generator: ceiling.Generator, file: str) -> None:
    protocol: Protocol = "ws" if file.startswith("websocket") else "h1"
    with others.start_null_server(generator) as target:
        assert others.measure_rate_rps(others.Side(users=2, file=file), protocol, target, generator) > 0


@pytest.mark.parametrize("tool", ["wrk", "h2load"])
def test_a_tool_that_is_installed_gives_a_rate(generator: ceiling.Generator, tool: str) -> None:
    if others.find_missing({tool}):
        pytest.skip(f"{tool} is not installed; it is only needed for comparing with it")
    with others.start_null_server(generator) as target:
        assert (
            others.measure_rate_rps(
                others.Side(users=2, tool=tool), "h1" if tool == "wrk" else "h2c", target, generator
            )
            > 0
        )


def test_ratios_are_taken_pair_by_pair() -> None:
    found = others.RateRatio(others.COMPARISONS[0], "null", (10.0, 30.0, 20.0), (10.0, 10.0, 10.0))
    assert (found.ratios, found.ratio) == ((1.0, 3.0, 2.0), 2.0)
