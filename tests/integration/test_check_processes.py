"""Each check of processes passes on a conformant server, and notices each fault of the index that it looks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faulty_servers import (
    CHECKS,
    FaultyServer,
    checks_with_faults,
    make_fixtures,
    names_in_index,
    names_in_script,
    noticed,
)

if TYPE_CHECKING:
    from harness.check.model import Check
    from harness.check.target import StartedServer
    from tests.faults import Fault

BY_NAME = {name: check for name, check in CHECKS.items() if name.startswith("process-")}

server, shared = make_fixtures("processes", frozenset({"h1"}), "h1", 0.5)


def test_every_check_passes_on_a_conformant_server(server: FaultyServer) -> None:
    server.assert_all_pass("h1", BY_NAME.values())


@pytest.mark.parametrize(("check", "fault"), noticed("processes", failing=True))
def test_a_check_fails_on_a_server_with_the_fault_that_it_looks_for(
    check: Check, fault: Fault, server: FaultyServer, shared: StartedServer
) -> None:
    server.assert_noticed(check, fault, shared)


def test_there_is_a_fault_for_every_check() -> None:
    assert checks_with_faults("processes") == set(BY_NAME)


def test_every_fault_of_the_server_is_in_the_index() -> None:
    assert names_in_script("processes") == names_in_index("processes")
