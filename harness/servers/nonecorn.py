"""nonecorn, a fork of hypercorn that keeps its module, its command and its defaults."""

from __future__ import annotations

from dataclasses import replace

from harness.servers import hypercorn

_STOCK = hypercorn.SERVERS[0]

SERVERS = (
    replace(
        _STOCK,
        name="nonecorn",
        requires=("nonecorn",),
        unsupported={"h3": "HTTP/3 is off in stock nonecorn"},
        version="0.18.0",
        displaces=_STOCK.name,
    ),
)
