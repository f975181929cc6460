"""The protocols between clients and servers, and the interfaces between servers and apps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

Protocol = Literal["h1", "h1-tls", "h2", "h2c", "ws", "ws-tls", "h3"]
"""HTTP/1.1 in clear text and over TLS, HTTP/2 over TLS (by ALPN) and in clear text (by prior knowledge), WebSocket in
clear text and over TLS, HTTP/3 (over QUIC, which includes TLS)."""

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
"""Each protocol's name in reports."""

Method = Literal["get", "post", "put", "patch", "delete"]
"""HTTP methods of the requests that may be sent to a user app."""

METHODS: tuple[Method, ...] = get_args(Method)

SAFE_METHODS: tuple[Method, ...] = ("get",)
"""Methods that change nothing that the app stores (RFC 9110, section 9.2.1)."""

Interface = Literal["asgi", "wsgi"]
"""The interface through which a server calls an app."""

EventLoop = Literal["asyncio", "trio"]
"""The event loop on which a server runs an ASGI app; to the app, uvloop and other loops of its kind are asyncio."""
