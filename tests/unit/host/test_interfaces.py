from __future__ import annotations

import socket
from pathlib import Path

import pytest

from harness.host.interfaces import read_counters, read_interface
from harness.hosts.link import LinkSampler
from harness.model.link import Interface

NONE = "no-such-device"


def test_what_the_kernel_says_of_the_loopback_is_read() -> None:
    found = read_interface("lo")
    assert found.mtu_bytes == int(Path("/sys/class/net/lo/mtu").read_text())
    assert (found.driver, found.speed_mbps) == (None, None)


def test_of_an_interface_that_is_not_there_nothing_is_known() -> None:
    assert read_interface(NONE) == Interface(NONE, None, None, None)
    with pytest.raises(OSError, match=NONE):
        read_counters(NONE)
    with LinkSampler(NONE) as sampler:
        pass
    assert sampler.samples == []


def test_the_counters_of_the_loopback_grow_with_what_it_carries() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        LinkSampler("lo") as sampler,
        socket.create_connection(listener.getsockname()) as sender,
        listener.accept()[0] as receiver,
    ):
        sender.sendall(bytes(10_000))
        left = 10_000
        while left:
            left -= len(receiver.recv(left))
    first, last = sampler.samples[0], sampler.samples[-1]
    assert last.received_bytes - first.received_bytes >= 10_000
    assert last.sent_packets > first.sent_packets
    assert last.at_ns > first.at_ns
