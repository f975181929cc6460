"""What the kernel says of a network interface in the network of this process, without ethtool, which is not everywhere.

It is asked directly: `/sys` may belong to another network namespace.
"""

from __future__ import annotations

import fcntl
import socket
import struct
from array import array
from pathlib import Path

from harness.model.link import Interface

_COUNTERS = Path("/proc/self/net/dev")
_SIOCGIFMTU = 0x8921
_SIOCETHTOOL = 0x8946
_GSET, _GDRVINFO = 0x01, 0x03
"""Commands of linux/ethtool.h: speed and driver."""
_OFFLOADS = {"rx-checksum": 0x14, "tx-checksum": 0x16, "tso": 0x1E, "gso": 0x23, "gro": 0x2B}
"""Commands that answer with a flag."""
_ANSWER_BYTES = 256
"""More than any of these answers has."""
_MADE_UP_SPEED = frozenset({"veth", "tun"})
"""Drivers without a device, and so without a speed."""
_UNKNOWN_MBPS = {0, 0xFFFF, 0xFFFFFFFF}


def read_interface(name: str) -> Interface:
    """Read what the kernel says of an interface."""
    drivers = _ask(name, _GDRVINFO)
    driver = drivers[4:36].rstrip(b"\0").decode(errors="replace") if drivers else None
    return Interface(
        name,
        mtu_bytes=_read_mtu(name),
        speed_mbps=None if driver in _MADE_UP_SPEED else _read_speed(name),
        driver=driver,
        offloads=tuple(
            offload for offload, command in _OFFLOADS.items() if (answer := _ask(name, command)) and any(answer[4:8])
        ),
    )


def read_counters(name: str) -> tuple[int, int, int, int]:
    """Bytes received and sent, and packets, since the interface was made; raises `OSError` if there is none."""
    for line in _COUNTERS.read_text().splitlines():
        device, _, values = line.partition(":")
        if device.strip() == name:
            counters = [int(each) for each in values.split()]
            return counters[0], counters[8], counters[1], counters[9]
    raise OSError(f"expected the counters of {name}, found none")


def _read_mtu(name: str) -> int | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            answer = fcntl.ioctl(asked, _SIOCGIFMTU, struct.pack("16s16x", name.encode()))
        except OSError:
            return None
    mtu: int = struct.unpack_from("16xi", answer)[0]
    return mtu


def _read_speed(name: str) -> int | None:
    """In Mbit/s, from the two halves of `struct ethtool_cmd`."""
    answer = _ask(name, _GSET)
    if answer is None:
        return None
    low, high = struct.unpack_from("12xH14xH", answer)
    speed: int = high << 16 | low
    return None if speed in _UNKNOWN_MBPS else speed


def _ask(name: str, command: int) -> bytes | None:
    """The answer of the driver, which begins with the command; None if it does not know that."""
    value = array("B", struct.pack("I", command) + bytes(_ANSWER_BYTES))
    address, _ = value.buffer_info()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            fcntl.ioctl(asked, _SIOCETHTOOL, struct.pack("16sP8x", name.encode(), address))
        except OSError:
            return None
    return value.tobytes()
