"""The null server answers every protocol, and the commands that the generator is compared with can be read."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from harness import calibrate, peers
from harness.host import certificates, guard
from harness.host.cpus import available, place
from harness.model.protocols import Protocol


@pytest.fixture(scope="module")
def generator() -> Iterator[calibrate.Generator]:
    with guard.guard() as token, certificates.issue() as tls:
        yield calibrate.Generator(sys.executable, place(available()), tls, token, users=4, window_s=0.2)


@pytest.mark.parametrize("protocol", sorted(calibrate.NULL.protocols))
def test_the_null_server_answers_right_in_every_protocol(generator: calibrate.Generator, protocol: Protocol) -> None:
    (result,) = calibrate.results(generator, calibrate.smallest(protocol), protocol, tries=1)
    assert result.errors.examples == {}
    assert result.answers > 0
    assert result.memory_bytes > 0


def test_a_protocol_that_the_null_server_does_not_speak_has_no_ceiling(generator: calibrate.Generator) -> None:
    assert calibrate.ceilings(generator, ["h3"], tries=1) == {}


def test_the_null_server_answers_many_streams_of_one_connection(generator: calibrate.Generator) -> None:
    with peers.null_target(generator) as target:
        result = peers.ours(peers.Side(users=8, streams=4), "h2c", target.url("h2c"), generator)
    assert (result.errors.examples, result.connections.opened) == ({}, 2)


@pytest.mark.parametrize("file", ["fasthttp_user.py", "websocket_client_user.py"])
def test_locusts_own_users_are_right_too(generator: calibrate.Generator, file: str) -> None:
    protocol: Protocol = "ws" if file.startswith("websocket") else "h1"
    with peers.null_target(generator) as target:
        assert peers.rate_rps(peers.Side(users=2, file=file), protocol, target, generator) > 0


@pytest.mark.parametrize("tool", ["wrk", "h2load"])
def test_a_tool_that_is_installed_gives_a_rate(generator: calibrate.Generator, tool: str) -> None:
    if peers.missing({tool}):
        pytest.skip(f"{tool} is a program of its own, which comparing with it needs and nothing else does")
    with peers.null_target(generator) as target:
        assert peers.rate_rps(peers.Side(users=2, tool=tool), "h1" if tool == "wrk" else "h2c", target, generator) > 0


def test_ratios_are_taken_pair_by_pair() -> None:
    outcome = peers.Outcome(peers.COMPARISONS[0], "null", (10.0, 30.0, 20.0), (10.0, 10.0, 10.0))
    assert (outcome.ratios, outcome.ratio) == ((1.0, 3.0, 2.0), 2.0)
