"""Addresses with a port, as options name them."""

from __future__ import annotations

import socket

import pytest

from harness.host import addresses
from harness.model.errors import UsageError


@pytest.mark.parametrize(
    ("text", "place"),
    [("10.0.0.1:5557", ("10.0.0.1", 5557)), (" gen-1.lan:1 ", ("gen-1.lan", 1)), ("a:65535", ("a", 65535))],
)
def test_an_address_and_a_port_are_read(text: str, place: tuple[str, int]) -> None:
    assert addresses.parse(text, "--listen") == place


@pytest.mark.parametrize("text", ["", "10.0.0.1", ":5557", "10.0.0.1:", "a:0", "a:65536", "a:b", "tcp://a:1", "-a:1"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--listen: expected an address and a port such as 10\.0\.0\.1:5557, found"):
        addresses.parse(text, "--listen")


@pytest.mark.parametrize("text", ["[fd00::1]:5557", "fd00::1", "[::1]:5557", "::1:5557"])
def test_ipv6_is_refused_by_name(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--listen: expected an IPv4 address and a port such as 10\.0\.0\.1:5557"):
        addresses.parse(text, "--listen")


def test_an_address_that_another_run_holds_is_refused_until_it_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (
        addresses.reserve("127.0.0.1", port, "--listen"),
        pytest.raises(UsageError, match=f"no other run uses, found localhost:{port}; choose another port"),
    ):
        addresses.check_own("localhost", port, "--listen")
    addresses.check_own("localhost", port, "--listen")


def test_an_address_of_this_host_with_a_free_port_is_accepted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"found 127.0.0.1:{port} \\(Address already in use\\)"):
            addresses.check_own("127.0.0.1", port, "--listen")
    addresses.check_own("127.0.0.1", port, "--listen")


@pytest.mark.parametrize(
    ("host", "why"),
    [("0.0.0.0", "means all of them"), ("192.0.2.1", "Cannot assign requested address"), ("nowhere.invalid", "")],
)
def test_all_addresses_those_of_others_and_unknown_names_are_refused(host: str, why: str) -> None:
    with pytest.raises(UsageError, match=f"^--listen: expected .* found .*{why}"):
        addresses.check_own(host, 5557, "--listen")
