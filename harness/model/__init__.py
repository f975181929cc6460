"""Frozen data and literals that pass between the rooms; nothing here acts.

The names in `__all__` are what a file of `harness/servers/` imports: `from harness.model import Launch, Server`. All
other names of this package are internal.

Names end in their units: `_s` seconds, `_us` microseconds, `_ns` nanoseconds of the monotonic clock, `_bytes`, `_rps`
requests per second.
"""

from harness.model.protocols import PROTOCOLS, EventLoop, Interface, Protocol
from harness.model.targets import App, Launch, Scenario, Server, Tls

__all__ = ["PROTOCOLS", "App", "EventLoop", "Interface", "Launch", "Protocol", "Scenario", "Server", "Tls"]
