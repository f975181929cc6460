"""Clients that share a connection, one stream each: what their tests share."""

from __future__ import annotations

import gevent

from harness.load.exchange import Request, get


def together(*work: gevent.Greenlet) -> None:
    """Wait for all; raises what one of them raised."""
    with gevent.Timeout(60):
        for greenlet in gevent.joinall(work):
            greenlet.get()


def echoed(path: str) -> Request:
    """A request to a server that answers a path with itself."""
    return get(path, expected_body=path.encode())
