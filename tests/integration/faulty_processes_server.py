"""A small server with worker processes that is conformant, except for the faults that a file names.

    python faulty_processes_server.py HOST PORT MODULE:APP FILE WORKERS

It answers `/scope` with its process, and any other request with `ready`. The file is read once, at the start.
`tests/faults.py` says what each fault does.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import socket
import sys
import time
from pathlib import Path

POLL_S = 0.02


class Supervisor:
    def __init__(self, listener: socket.socket, workers: int, faults: set[str]) -> None:
        self.listener, self.faults = listener, faults
        self.parents_end, self.kept = os.pipe()
        """The parent keeps the other end of a pipe open as long as it lives."""
        self.workers = {self.start() for _ in range(workers)}
        signal.signal(signal.SIGTERM, self.stop)
        if "no-reload" not in faults:
            signal.signal(signal.SIGHUP, self.reload)

    def start(self) -> int:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            os.close(self.kept)
            asyncio.run(self.work())
            os._exit(0)
        return pid

    async def work(self) -> None:
        server = await asyncio.start_server(self.answer, sock=self.listener)
        alone = asyncio.Event()
        if "orphans" not in self.faults:
            asyncio.get_running_loop().add_reader(self.parents_end, alone.set)
        await alone.wait()
        server.close()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        body = b'{"pid": %d}' % os.getpid() if head.startswith(b"GET /scope ") else b"ready"
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        writer.close()

    def run(self) -> None:
        while True:
            pid, _ = os.wait()
            self.workers.discard(pid)
            if "ends-with-worker" in self.faults:
                self.stop()
            if "replaces-none" not in self.faults:
                self.workers.add(self.start())

    def reload(self, *_: object) -> None:
        for pid in self.workers:
            os.kill(pid, signal.SIGTERM)  # each is replaced when it has ended

    def stop(self, *received: object) -> None:
        for pid in self.workers:
            os.kill(pid, signal.SIGTERM)
        sys.exit(0 if received else 1)


def main(host: str, port: str, target: str, file: str, workers: str) -> None:
    faults = set(Path(file).read_text().split())
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if "shares-port" in faults:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((host, int(port)))
    try:
        importlib.import_module(target.partition(":")[0])
    except ImportError as error:
        print(error, flush=True)
        while "tries-again" in faults:
            time.sleep(POLL_S)
        sys.exit(0 if "exits-0" in faults else 1)
    listener.listen(128)
    Supervisor(listener, int(workers), faults).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
