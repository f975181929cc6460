"""What the kernel says of a network interface, without ethtool, which is not everywhere."""

from __future__ import annotations

import fcntl
import socket
import struct
from array import array
from pathlib import Path

from harness.model.link import Interface

_CLASS = Path("/sys/class/net")
_SIOCETHTOOL = 0x8946
_OFFLOADS = {"rx-checksum": 0x14, "tx-checksum": 0x16, "tso": 0x1E, "gso": 0x23, "gro": 0x2B}
"""Commands of `ETHTOOL_G…` in linux/ethtool.h that answer with a flag."""
_COUNTERS = ("rx_bytes", "tx_bytes", "rx_packets", "tx_packets")


def read_interface(name: str) -> Interface:
    """Read what the kernel says of an interface in the network of this process."""
    driver = _CLASS / name / "device" / "driver"
    # Without a device, the speed is made up.
    speed = _read_number(name, "speed") if driver.exists() else None
    return Interface(
        name,
        mtu_bytes=_read_number(name, "mtu"),
        speed_mbps=speed if speed is not None and speed > 0 else None,
        driver=driver.resolve().name if driver.exists() else None,
        offloads=tuple(offload for offload, command in _OFFLOADS.items() if _is_on(name, command)),
    )


def read_counters(name: str) -> tuple[int, int, int, int]:
    """Bytes received and sent, and packets, since the interface was made; raises `OSError` if there is none."""
    received, sent, received_packets, sent_packets = (
        int((_CLASS / name / "statistics" / each).read_text()) for each in _COUNTERS
    )
    return received, sent, received_packets, sent_packets


def _read_number(name: str, file: str) -> int | None:
    try:
        return int((_CLASS / name / file).read_text())
    except (OSError, ValueError):
        return None  # the driver does not say


def _is_on(name: str, command: int) -> bool:
    """Ask the driver for a flag; one that does not know the question has none."""
    value = array("B", struct.pack("II", command, 0))
    address, _ = value.buffer_info()
    request = struct.pack("16sP8x", name.encode(), address)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            fcntl.ioctl(asked, _SIOCETHTOOL, request)
        except OSError:
            return False
    _, flag = struct.unpack("II", value)
    return bool(flag)
