"""Who listens where, in the network of this process or in another namespace of the machine."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_LISTENING = "0A"
_IPV4_BYTES = 4
_SOCKET = re.compile(r"socket:\[(\d+)\]")


@dataclass(frozen=True)
class Network:
    """The network that a server is started in."""

    tables: Path = Path("/proc/self/net")
    """Where the kernel tells of its sockets."""
    enter: tuple[str, ...] = ()
    """What stands before a command that is to run in it; nothing for that of this process."""


OWN = Network()


class Listener(NamedTuple):
    """A TCP socket that waits for connections."""

    address: str
    port: int
    inode: int


def list_listeners(network: Network = OWN) -> Iterator[Listener]:
    """Every listening TCP socket of a network (proc_net_tcp in the kernel's documentation)."""
    for table in ("tcp", "tcp6"):
        with suppress(OSError):  # a kernel without IPv6
            for line in (network.tables / table).read_text().splitlines()[1:]:
                _, local, _, state, *_, inode = line.split()[:10]
                address, _, port = local.partition(":")
                if state == _LISTENING:
                    yield Listener(_read_address(address), int(port, 16), int(inode))


def find_holders(inodes: Collection[int]) -> dict[int, set[int]]:
    """The processes that have each of these sockets open, as far as this user may inspect them."""
    found: dict[int, set[int]] = {inode: set() for inode in inodes}
    for entry in os.scandir("/proc") if inodes else ():
        if entry.name.isdecimal():
            with suppress(OSError), os.scandir(f"{entry.path}/fd") as files:
                for file in files:
                    with suppress(OSError):
                        socket = _SOCKET.fullmatch(os.readlink(file.path))  # noqa: PTH115 - many files
                        if socket and (inode := int(socket[1])) in found:
                            found[inode].add(int(entry.name))
    return found


def _read_address(text: str) -> str:
    """An address as the kernel writes it: words of 32 bits in hexadecimal, each in the order of the machine's bytes."""
    words = b"".join(int(text[at : at + 8], 16).to_bytes(4, "little") for at in range(0, len(text), 8))
    return str(IPv4Address(words) if len(words) == _IPV4_BYTES else IPv6Address(words))
