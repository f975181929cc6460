"""Frozen data and literals that pass between the rooms, and nothing that acts.

What server files need is exported here. Units stand in the names: `_s` seconds, `_us` microseconds, `_ns` nanoseconds
of the monotonic clock, `_bytes`, `_rps` requests per second.
"""

from harness.model.protocols import PROTOCOLS, EventLoop, Interface, Protocol
from harness.model.targets import App, Launch, Scenario, Server, Tls

__all__ = ["PROTOCOLS", "App", "EventLoop", "Interface", "Launch", "Protocol", "Scenario", "Server", "Tls"]
