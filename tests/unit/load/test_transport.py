"""Endpoints from the URLs of servers; the connections are tested with the clients that use them."""

from __future__ import annotations

import pytest

from harness.load.transport import Endpoint


@pytest.mark.parametrize(
    ("url", "authority", "prefix", "encrypted"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1:8000", "", False),
        ("http://localhost/", "localhost:80", "", False),
        ("http://localhost/api/v1/", "localhost:80", "/api/v1", False),
        ("https://localhost", "localhost:443", "", True),
        ("http://[::1]:8000", "[::1]:8000", "", False),
    ],
)
def test_an_endpoint_is_made_from_the_address_of_a_server(
    url: str, authority: str, prefix: str, encrypted: bool
) -> None:
    endpoint = Endpoint.of(url)
    assert (endpoint.authority, endpoint.prefix, endpoint.context is not None) == (authority, prefix, encrypted)
    assert endpoint.base == authority + prefix


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://localhost", "http://", "", "http://localhost:99999"])
def test_what_is_no_address_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"expected a host|Port out of range"):
        Endpoint.of(url)
