"""The probe app for servers of WSGI apps: the routes of `app.py` that do not need ASGI.

`/scope` has the same form, and contains the headers only.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from .notes import Notes

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]

BLOCK_BYTES = 65_536
REASONS = {200: "OK", 204: "No Content", 304: "Not Modified", 401: "Unauthorized", 404: "Not Found"}

notes = Notes(Path(os.environ["PROBE_FOLDER"]))


def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Serve a request."""
    return _Exchange(environ, start_response).answer()


class _Exchange:
    """One request; `answer` calls the method that is named after the first part of the path."""

    def __init__(self, environ: Environ, start_response: StartResponse) -> None:
        self.environ, self.start_response = environ, start_response
        self.query = {key: values[0] for key, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
        self.marker = self.query.get("marker", "")

    def note(self, event: str, **details: Any) -> None:
        notes.record(self.marker, event, **details)

    def answer(self) -> Iterable[bytes]:
        path = self.environ["PATH_INFO"]
        self.note("http", path=path, method=self.environ["REQUEST_METHOD"])
        route = getattr(self, "get_" + path.strip("/").partition("/")[0].replace("-", "_"), None)
        found: Iterable[bytes] = route() if route else self.whole(b"no such route", 404)
        return found

    def start(self, status: int = 200, *headers: tuple[str, str]) -> None:
        self.start_response(f"{status} {REASONS[status]}", list(headers))

    def whole(self, data: bytes, status: int = 200) -> list[bytes]:
        self.start(status, ("Content-Type", "text/plain"), ("Content-Length", str(len(data))))
        return [data]

    def request_body(self) -> bytes:
        """The whole body, by its length or until the server says that it ends."""
        length = self.environ.get("CONTENT_LENGTH")
        data: bytes = self.environ["wsgi.input"].read(*([int(length)] if length else []))
        return data

    def get_ready(self) -> list[bytes]:
        return self.whole(b"ready")

    def get_hello(self) -> list[bytes]:
        return self.whole(b"hello")

    def get_echo(self) -> list[bytes]:
        data = self.request_body()
        whole = not self.environ.get("CONTENT_LENGTH") or len(data) == int(self.environ["CONTENT_LENGTH"])
        self.note("body", body=data[:4096].decode("latin-1") if whole else None)
        return self.whole(data)

    def get_count(self) -> list[bytes]:
        """Answer with the length of the body; the app waits at the gate `<marker>` before it reads."""
        notes.wait(self.marker)
        stream, total = self.environ["wsgi.input"], 0
        left = int(self.environ["CONTENT_LENGTH"])
        while left and (data := stream.read(min(left, BLOCK_BYTES))):
            left -= len(data)
            total += len(data)
        return self.whole(b"%d" % total)

    def get_refuse(self) -> list[bytes]:
        return self.whole(b"refused", 401)

    def get_scope(self) -> list[bytes]:
        """Answer with the headers, described as in `app.py`, and the process that answers."""
        names = [name for name in self.environ if name.startswith("HTTP_")]
        pairs = [[name[5:].lower().replace("_", "-"), self.environ[name]] for name in names]
        described = [{"type": "tuple", "value": [{"type": "bytes", "value": part} for part in pair]} for pair in pairs]
        headers = {"type": "list", "value": described}
        return self.whole(json.dumps({"type": "dict", "value": {"headers": headers}, "pid": os.getpid()}).encode())

    def get_scope_after_body(self) -> list[bytes]:
        self.request_body()
        return self.get_scope()

    def get_date_and_server(self) -> list[bytes]:
        date = "Sun, 06 Nov 1994 08:49:37 GMT"
        self.start(200, ("Date", date), ("Server", "probe"), ("Content-Length", "5"))
        return [b"hello"]

    def get_stream(self) -> Iterator[bytes]:
        self.start(200, ("Content-Type", "text/plain"))
        return self._parts()

    def _parts(self) -> Iterator[bytes]:
        yield b"one"
        for part, data in ((2, b"two"), (3, b"three")):
            if "gates" in self.query:
                notes.wait(f"{self.marker}-{part}")
            yield data

    def get_large(self) -> Iterator[bytes]:
        self.start(200, ("Content-Type", "application/octet-stream"))
        return self._blocks(int(self.query["bytes"]))

    def _blocks(self, total: int) -> Iterator[bytes]:
        block, sent = b"x" * BLOCK_BYTES, 0
        while sent < total:
            yield block
            sent += len(block)
            self.note("sent", bytes=sent)

    def get_status(self) -> list[bytes]:
        self.start(int(self.environ["PATH_INFO"].rpartition("/")[2]))
        return []

    def get_late(self) -> list[bytes]:
        notes.wait(self.marker)
        return self.whole(b"late")

    def get_raise(self) -> list[bytes]:
        raise RuntimeError("the probe raises before its answer")

    def get_raise_midway(self) -> Iterator[bytes]:
        length = self.query.get("length")
        self.start(200, *([("Content-Length", length)] if length else []))
        return self._begun()

    def _begun(self) -> Iterator[bytes]:
        yield b"begun"
        raise RuntimeError("the probe raises in its answer")

    def get_nothing(self) -> list[bytes]:
        """Return without calling start_response."""
        return []

    def get_length(self) -> list[bytes]:
        self.start(200, ("Content-Length", self.query["says"]))
        return [b"x" * int(self.query["sends"])]

    def get_injection(self) -> list[bytes]:
        self.start(200, ("Content-Length", "2"), ("X-User", "a\r\nX-Injected: yes"))
        return [b"ok"]
