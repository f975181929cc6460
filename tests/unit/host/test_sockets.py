from __future__ import annotations

import os
import socket

import pytest

from harness.host.sockets import find_holders, list_listeners


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "0.0.0.0"])
def test_a_listening_socket_is_found_with_its_address_and_who_has_it_open(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        listening = socket.create_server((address, 0), family=family)
    except OSError as error:
        pytest.skip(f"this machine has no {address}: {error}")
    with listening:
        port = listening.getsockname()[1]
        (found,) = [each for each in list_listeners() if each.port == port and each.address == address]
        assert os.getpid() in find_holders([found.inode])[found.inode]
    assert not [each for each in list_listeners() if each.inode == found.inode]


def test_a_socket_that_does_not_listen_is_not_found() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert bound.getsockname()[1] not in {each.port for each in list_listeners()}


def test_a_socket_that_nobody_has_has_no_holders() -> None:
    assert find_holders([]) == {}
    assert find_holders([1]) == {1: set()}
