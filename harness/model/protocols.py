"""What a server and a client can speak, and how an app is called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

Protocol = Literal["h1", "h1-tls", "h2", "h2c", "ws", "ws-tls", "h3"]
"""HTTP/1.1 in clear and over TLS, HTTP/2 over TLS (ALPN) and in clear (prior knowledge), WebSocket in clear or TLS,
HTTP/3 (over QUIC, which has TLS in it)."""

PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)

TLS_PROTOCOLS: frozenset[Protocol] = frozenset({"h1-tls", "h2", "ws-tls", "h3"})

WEBSOCKET_PROTOCOLS: frozenset[Protocol] = frozenset({"ws", "ws-tls"})

HTTP2_PROTOCOLS: frozenset[Protocol] = frozenset({"h2", "h2c"})

PROTOCOL_NAMES: Mapping[Protocol, str] = {
    "h1": "HTTP/1.1",
    "h1-tls": "HTTP/1.1 with TLS",
    "h2": "HTTP/2 with TLS",
    "h2c": "HTTP/2 in clear",
    "ws": "WebSocket",
    "ws-tls": "WebSocket with TLS",
    "h3": "HTTP/3",
}
"""What people call them."""

Method = Literal["get", "post", "put", "patch", "delete"]
"""What an app of one's own may be asked by."""

METHODS: tuple[Method, ...] = get_args(Method)

SAFE_METHODS: tuple[Method, ...] = ("get",)
"""Those that change nothing that the app stores (RFC 9110, 9.2.1)."""

Interface = Literal["asgi", "wsgi"]
"""What a server calls an app by."""

EventLoop = Literal["asyncio", "trio"]
"""What a server runs an ASGI app on; uvloop and its like are asyncio to the app."""
