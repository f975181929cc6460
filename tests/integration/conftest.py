"""What tests with load processes share."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from harness.host import guard
from harness.run.load_process import ForkServer

ENDED_WITHIN_S = 5.0


@pytest.fixture(scope="session")
def token() -> Iterator[str]:
    """The token of all processes that tests share."""
    with guard.guard() as made:
        yield made


@pytest.fixture(scope="session")
def shared_fork_server(token: str) -> Iterator[ForkServer]:
    """As in a run, one for all: importing Locust takes as long as most trials here."""
    with ForkServer(f"{token}/load") as made:
        yield made


@pytest.fixture
def load_token(token: str) -> Iterator[str]:
    """The token of load processes, of which a test leaves none: one process is the fork server.

    What is killed with the group of a measurement may take a moment to end.
    """
    yield f"{token}/load"
    until_s = time.monotonic() + ENDED_WITHIN_S
    while len(left := guard.processes_of(f"{token}/load")) > 1 and time.monotonic() < until_s:
        time.sleep(0.02)
    assert len(left) <= 1


@pytest.fixture
def fork_server(load_token: str, shared_fork_server: ForkServer) -> ForkServer:  # noqa: ARG001 - it finds what is left
    return shared_fork_server
