"""How much the parsers accept from a server, so that none can fill the memory of a load process.

What exceeds a bound is a failure of kind `too large`, and its connection is closed.
"""

from __future__ import annotations

TOO_LARGE = "too large"
"""The kind of the failure."""
OVERHEAD_BYTES = 256 * 1024
"""How much may arrive in a row that is no content: headers, interim answers, extensions of chunks, control frames.

Servers limit the headers that they accept to 8 to 64 KiB, and send shorter ones.
"""
_PER_CONTENT = 16
"""The overhead that each byte of content may have: a chunk of one byte takes 6 bytes, a frame of HTTP/2 10."""


def add_overhead(overhead_bytes: int, arrived_bytes: int, content_bytes: int) -> int:
    """The overhead after more has arrived, of which some is content; more than `OVERHEAD_BYTES` is too much."""
    return max(0, overhead_bytes + arrived_bytes - _PER_CONTENT * content_bytes)


def describe_body(max_body_bytes: int) -> str:
    """What a body is called that exceeds its bound."""
    return f"a body of more than {max_body_bytes} bytes (--max-body)"


def describe_overhead(what: str) -> str:
    """What overhead is called that exceeds its bound."""
    return f"more than {OVERHEAD_BYTES} bytes of {what}"
