"""What the options that name another machine may be."""

from __future__ import annotations

import pytest

from harness.hosts.remote_host import parse_address, parse_destination
from harness.model.errors import UsageError


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ssh://ann@10.0.0.2", "ann@10.0.0.2"),
        ("ssh://ann@10.0.0.2:2222", "ann@10.0.0.2"),
        ("ssh://bench-1.example.com", "bench-1.example.com"),
        ("ssh://lab_alias/", "lab_alias"),
        ("ssh://ann@[fd00::2]:22", "ann@[fd00::2]"),
    ],
)
def test_a_host_is_named_as_ssh_takes_it(text: str, name: str) -> None:
    found = parse_destination(text)
    assert found.name == name
    argv = found.ssh("python3", "-m", "harness", "a b")
    assert argv[-2:] == (text.rstrip("/"), "python3 -m harness 'a b'")
    assert "BatchMode=yes" in argv


@pytest.mark.parametrize(
    "text",
    [
        *("", "ssh://", "10.0.0.2", "ann@10.0.0.2", "http://10.0.0.2", "ssh://ann:secret@10.0.0.2"),
        *("ssh://10.0.0.2:0", "ssh://10.0.0.2:70000", "ssh://10.0.0.2/home", "ssh://10.0.0.2?x", "ssh://[::1"),
        *("ssh://-oProxyCommand=touch", "ssh://-l@10.0.0.2", "ssh://ann@10.0.0.2 -v", "ssh://a;b@10.0.0.2"),
    ],
)
def test_anything_else_is_refused_without_its_password(text: str) -> None:
    with pytest.raises(UsageError, match="expected ssh://USER@HOST") as caught:
        parse_destination(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["10.0.0.2", "127.0.0.1"])
def test_servers_listen_on_one_address(text: str) -> None:
    assert parse_address(text) == text


@pytest.mark.parametrize(
    "text", [None, "", "fd00::2", "0.0.0.0", "::", "224.0.0.1", "eth0", "bench-1", "10.0.0.2:80", "10.0.0/8"]
)
def test_they_listen_nowhere_else(text: str | None) -> None:
    with pytest.raises(UsageError, match="--bind: expected the IPv4 address"):
        parse_address(text)
