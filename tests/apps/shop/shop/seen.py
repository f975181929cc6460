"""What the app saw: for each request its monotonic time in ns, method, path, and the status of the answer."""

import time
from pathlib import Path

_LOG = Path("seen.log").open("ab", buffering=0)  # noqa: SIM115 - open as long as the process runs


class SeenLog:
    """ASGI middleware; lines of several processes do not mix, since each is written at once."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        came_ns, status = time.monotonic_ns(), 0

        async def keep_status(message):
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, keep_status)
        finally:
            _LOG.write(f"{came_ns} {scope['method']} {scope['path']} {status}\n".encode())
