"""A server that sends without end costs its own numbers, and neither time nor the memory of the load process."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.catalog import listing
from harness.host import guard
from harness.host.cpus import available
from harness.model.blocks import BlockOrder, Turn
from harness.model.protocols import Protocol
from harness.run import trial
from harness.run.load_process import ForkServer
from tests.endless import ENDLESS
from tests.fault_table import Fault
from tests.integration.endless_server import sending_endlessly

MOST_BYTES = 200_000_000


@pytest.mark.parametrize(
    ("target", "protocol", "scenario"),
    [("http1", "h1", "plaintext"), ("http2", "h2c", "plaintext"), ("websocket", "ws", "ws_echo")],
)
def test_an_answer_without_end_is_too_large_and_closed(
    target: str, protocol: Protocol, scenario: str, tmp_path: Path, fault: Fault
) -> None:
    kinds = ENDLESS[target]
    file = listing.folder("scenarios") / f"{scenario}.py"
    with guard.guard() as token, ForkServer(token) as fork_server, sending_endlessly(target, kinds) as urls:
        turns = tuple(Turn(number, users=1) for number in range(len(urls)))
        block = BlockOrder(tuple(urls.values()), turns, 0.1, 0.2, 0.2, request_timeout_s=20.0, seed=0)
        order = trial.Order(block, file, protocol, 1, None, available(), tmp_path / "log", 1, fork_server)
        results = trial.run(order)
        fork_server.__exit__()
        left = guard.processes_of(token)
    for name, result in zip(urls, results, strict=True):
        assert set(result.errors.by_kind) == {"too large"}, name
        assert result.started == result.finished
        assert not result.checked
    most_bytes = max(result.memory_bytes for result in results)
    assert most_bytes < MOST_BYTES
    assert left == []
    fault.report(
        name=f"{', '.join(kinds)} without end over {protocol}",
        happened=f"each is an error and its connection is closed; the load process used {most_bytes / 1e6:.0f} MB",
        lost="nothing",
        left="nothing",
        told=next(iter(results[0].errors.examples.values())),
    )
