"""Holds a network namespace, and carries packets between it and the one it was started in: late, and some of them not.

The namespace lasts as long as this process and the servers in it; with it goes all that was made in it. What is sent
into a TUN device of one namespace comes out of that of the other after half of the round-trip time, unless it is lost
(as mahimahi's mm-delay does it, for kernels without netem).

Usage: delay_line.py [TUN]: without the name of a device, it only holds the namespace. Each line of standard input,
`RTT_S LOSS`, sets the distance; it is answered with how many packets were carried, lost as asked, and refused by the
other side since the last one. The end of standard input ends it.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import random
import select
import struct
import sys
import time
from collections import deque

INNER = "tun0"
"""The name of the device in the namespace."""
MTU_BYTES = 1500
_CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_AT_ONCE = 64
"""So many packets are read before those that are due are written."""


class Direction:
    """What goes from one device to the other; a packet never overtakes another."""

    def __init__(self, source: int, sink: int) -> None:
        self._source, self._sink = source, sink
        self._waiting: deque[tuple[float, bytes]] = deque()
        self.delay_s = 0.0
        self.loss = 0.0
        self.carried = self.lost = self.refused = 0

    def take(self) -> None:
        """Read what has been sent. The time is taken after it, so that no packet is early."""
        packets: list[bytes] = []
        try:
            while len(packets) < _AT_ONCE:
                packets.append(os.read(self._source, MTU_BYTES + 1))
        except BlockingIOError:
            pass
        due_s = time.monotonic() + self.delay_s
        for packet in packets:
            if self.loss and random.random() < self.loss:  # noqa: S311 - no secret
                self.lost += 1
            else:
                self._waiting.append((due_s, packet))

    def deliver(self) -> float | None:
        """Write what is due; how long the next packet has to wait, or None if there is none."""
        waiting = self._waiting
        while waiting:
            left_s = waiting[0][0] - time.monotonic()
            if left_s > 0:
                return left_s
            _, packet = waiting.popleft()
            try:
                os.write(self._sink, packet)
                self.carried += 1
            except OSError:
                self.refused += 1
        return None


def open_tun(name: str) -> int:
    """Make a TUN device in the namespace of this process; it lasts as long as the file is open."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    return device


def enter_new_namespace() -> None:
    """Leave the network namespace for a new one; `os.unshare` is there from Python 3.12 on."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def carry(directions: dict[int, Direction]) -> None:
    """Carry packets and do what standard input says, until it ends."""
    orders = sys.stdin.fileno()
    while True:
        left = [each for way in directions.values() if (each := way.deliver()) is not None]
        ready, _, _ = select.select([orders, *directions], [], [], min(left, default=None))
        for each in ready:
            if each != orders:
                directions[each].take()
            elif line := sys.stdin.buffer.readline():
                obey(line, directions)
            else:
                return


def obey(line: bytes, directions: dict[int, Direction]) -> None:
    """Set the distance, and answer with what was carried at the last one."""
    rtt_s, loss = map(float, line.split())
    ways = directions.values()
    print(sum(way.carried for way in ways), sum(way.lost for way in ways), sum(way.refused for way in ways), flush=True)
    for way in ways:
        way.delay_s, way.loss = rtt_s / 2, loss
        way.carried = way.lost = way.refused = 0


def main() -> None:
    """Make devices and namespace, say `ready` or why not, and serve."""
    try:
        outer = [open_tun(name) for name in sys.argv[1:]]
        enter_new_namespace()
        inner = [open_tun(INNER) for _ in outer]
    except OSError as error:
        print(error.strerror or error, flush=True)
        sys.exit(1)
    print("ready", flush=True)
    directions = {
        one: Direction(one, other) for a, b in zip(outer, inner, strict=True) for one, other in ((a, b), (b, a))
    }
    carry(directions)


if __name__ == "__main__":
    main()
