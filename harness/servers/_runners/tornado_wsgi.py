"""A command line for Tornado's WSGI container, which has none.

`python tornado_wsgi.py HOST PORT WORKERS MODULE:ATTRIBUTE [CERTIFICATE KEY]`

The app runs in the event loop's thread, as it does in the container by default.
"""

from __future__ import annotations

import asyncio
import importlib
import ssl
import sys
from typing import TYPE_CHECKING

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.process import fork_processes
from tornado.wsgi import WSGIContainer

if TYPE_CHECKING:
    import socket


def main(host: str, port: str, workers: str, target: str, *tls: str) -> None:
    """Serve until a signal ends the process; with several workers, the first process restarts those that die."""
    sockets = bind_sockets(int(port), host)
    if int(workers) > 1:
        fork_processes(int(workers))
    asyncio.run(serve(sockets, target, tls))


async def serve(sockets: list[socket.socket], target: str, tls: tuple[str, ...]) -> None:
    """Serve in one worker."""
    context = None
    if tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*tls)
    module, _, attribute = target.partition(":")
    application = getattr(importlib.import_module(module), attribute)
    HTTPServer(WSGIContainer(application), ssl_options=context).add_sockets(sockets)
    await asyncio.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
