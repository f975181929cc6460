"""Addresses with a port, as options name them."""

from __future__ import annotations

import re
import socket
from contextlib import contextmanager
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from harness.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLACE = re.compile(r"(?P<host>[A-Za-z0-9][\w.-]*):(?P<port>\d{1,5})", re.ASCII)
_LAST_PORT = 65_535


def parse(text: str, option: str) -> tuple[str, int]:
    """Host and port of `10.0.0.1:5557`; raises `UsageError` for anything else."""
    if "::" in text or "[" in text:
        raise UsageError(f"{option}: expected an IPv4 address and a port such as 10.0.0.1:5557, found {text!r}")
    found = _PLACE.fullmatch(text.strip())
    if found is None or not 0 < int(found["port"]) <= _LAST_PORT:
        raise UsageError(f"{option}: expected an address and a port such as 10.0.0.1:5557, found {text!r}")
    return found["host"], int(found["port"])


def check_own(host: str, port: int, option: str) -> None:
    """Raise `UsageError` unless it is one address of this host, whose port is free."""
    try:
        if IPv4Address(socket.gethostbyname(host)).is_unspecified:
            raise UsageError(f"{option}: expected one address of this host, found {host}, which means all of them")
        with socket.socket() as held:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.bind((host, port))
            held.listen()
        with reserve(host, port, option):
            pass
    except OSError as error:
        found = f"{host}:{port} ({error.strerror or error})"
        raise UsageError(f"{option}: expected an address of this host with a free port, found {found}") from None


@contextmanager
def reserve(host: str, port: int, option: str) -> Iterator[None]:
    """Hold an address of this host for one run as long as the block lasts; raises `UsageError` if another run has it.

    Between measurements nobody listens there, and another run would take its load workers.
    """
    with socket.socket(socket.AF_UNIX) as held:
        try:
            # A name without a file (unix(7), abstract): of this network, as a port is, and gone with the process.
            held.bind(f"\0asgi-harness {socket.gethostbyname(host)}:{port}")
        except OSError:
            expected = "an address that no other run uses"
            raise UsageError(f"{option}: expected {expected}, found {host}:{port}; choose another port") from None
        yield
