"""A small ASGI server for HTTP/1.1 that is conformant, except for the faults that a file names.

    python faulty_http1_server.py HOST PORT MODULE:APP FILE

The file is read for every connection, and at the start for faults of the start-up, so that one process serves many
tests. `tests/faults.py` says what each fault does. It is written to be read beside the checks: no parser library, one
request at a time, nothing fast.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import re
import signal
import sys
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import unquote

HOST = re.compile(rb"[A-Za-z0-9._-]+(:[0-9]*)?")
TARGET = re.compile(rb"[!-~]+")
CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
LINE_LIMIT, HEAD_LIMIT = 16_384, 65_536
EXTENSIONS = tuple(f"http.response.{name}" for name in ("trailers", "early_hint", "pathsend", "made_up"))


class Refused(Exception):  # noqa: N818 - a word of the protocol
    """The request gets this status, and the connection ends."""


class Left(Exception):  # noqa: N818 - an event
    """The client is gone."""


def read(path: str) -> bytes:
    return Path(path).read_bytes()


class Server:
    def __init__(self, app: Any, file: Path) -> None:
        self.app, self.file = app, file
        self.state: dict[str, Any] = {}
        self.failed = False
        self.stopping = asyncio.Event()
        self.connections: set[Connection] = set()
        self.events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def faults(self) -> set[str]:
        return set(self.file.read_text().split())

    async def lifespan(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        if "lifespan-without-asgi" in self.faults():
            del scope["asgi"]
        try:
            await self.app(scope, self.events.get, self.told.put)
        except Exception:  # noqa: BLE001 - an app may raise what it likes
            await self.told.put({"type": "raised"})

    async def run(self, host: str, port: int) -> None:  # noqa: C901 - the faults are why
        faults, loop = self.faults(), asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stopping.set)
        if "no-interrupt" not in faults:
            loop.add_signal_handler(signal.SIGINT, self.stopping.set)
        answer, listener = "none", None
        if "no-lifespan" not in faults:
            task = asyncio.create_task(self.lifespan())
            if "serves-at-once" in faults:
                listener = await asyncio.start_server(self.connected, host, port)
            await self.events.put({"type": "lifespan.startup"})
            told = await self.told.get()
            answer = told["type"]
            if answer == "lifespan.startup.failed" and "serves-after-failure" not in faults:
                print(told["message"] if "hides-message" not in faults else "failed", flush=True)
                sys.exit(0 if "exits-0" in faults else 3)
            if answer == "raised" and "needs-lifespan" in faults:
                sys.exit(1)
        listener = listener or await asyncio.start_server(self.connected, host, port)
        await self.stopping.wait()
        if "short-grace" in faults:
            await self.abort_after_grace(listener)
        elif "accepts-while-stopping" not in faults:
            listener.close()
        for connection in list(self.connections):
            unread = connection.writer.transport.get_write_buffer_size() and "waits-for-readers" not in faults
            if "aborts" in faults or unread or (connection.idle and "keeps-idle" not in faults):
                connection.writer.transport.abort()
        while self.connections:
            await next(iter(self.connections)).over.wait()
        if answer == "lifespan.startup.complete" and "no-shutdown" not in faults:
            await self.events.put({"type": "lifespan.shutdown"})
            await asyncio.wait({task}, timeout=0.1 if "no-shutdown-wait" in faults else None)

    async def abort_after_grace(self, listener: asyncio.Server) -> None:
        """Breaks no rule: new connections wait in the queue, and requests in flight have 0.8 seconds."""
        for socket in listener.sockets:
            asyncio.get_running_loop().remove_reader(socket.fileno())
        tasks = [asyncio.create_task(connection.over.wait()) for connection in self.connections]
        await asyncio.wait(tasks, timeout=0.8)
        for connection in list(self.connections):
            connection.writer.transport.abort()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(self, reader, writer)
        self.connections.add(connection)
        with contextlib.suppress(Left, ConnectionError):
            await connection.serve()
        writer.close()
        self.connections.discard(connection)
        connection.over.set()


class Connection:
    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server, self.reader, self.writer = server, reader, writer
        self.faults = server.faults()
        self.data = bytearray()
        self.idle = True
        self.over = asyncio.Event()
        writer.transport.set_write_buffer_limits(65_536)

    async def more(self) -> None:
        data = await self.reader.read(65_536)
        if not data:
            raise Left
        self.data += data

    def take(self, length: int) -> bytes:
        data = bytes(self.data[:length])
        del self.data[:length]
        return data

    async def line(self) -> bytes:
        end = b"\n" if "lenient-chunk" in self.faults else b"\r\n"
        while (at := self.data.find(end)) < 0:
            await self.more()
        return self.take(at + len(end)).removesuffix(b"\n").removesuffix(b"\r")

    async def serve(self) -> None:
        again = True
        while again and not (
            self.server.stopping.is_set() and self.idle and "accepts-while-stopping" not in self.faults
        ):
            self.idle = True
            try:
                head = await self.head()
                self.idle = False
                again = await Request(self, *self.parsed(head)).serve() and not self.server.stopping.is_set()
            except Refused as refused:
                if "no-refusal" in self.faults:
                    return
                again = "stays-after-refusal" in self.faults
                await self.refuse(int(str(refused)), b"" if again else b"Connection: close\r\n")
                if again:
                    self.data.clear()

    async def refuse(self, status: int, last: bytes = b"Connection: close\r\n") -> None:
        self.writer.write(b"HTTP/1.1 %d \r\nContent-Length: 0\r\n" % status + last + b"\r\n")
        await self.writer.drain()

    async def head(self) -> bytes:
        while True:
            if "no-empty-line" not in self.faults:
                while self.data.startswith(b"\r\n"):
                    self.take(2)
            if (at := self.data.find(b"\r\n\r\n")) >= 0:
                head = self.take(at + 4)[:-2]
                self.measured(head)
                return head
            self.measured(bytes(self.data))
            if "whole-head-only" in self.faults and self.data:
                raise Refused(400)
            await self.more()

    def measured(self, head: bytes) -> None:
        if "no-limits" in self.faults:
            return
        line = head.partition(b"\r\n")[0]
        if len(line) > (LINE_LIMIT if "short-lines" not in self.faults else 4096):
            raise Refused(414)
        if len(head) > HEAD_LIMIT:
            raise Refused(431)

    def parsed(self, head: bytes) -> tuple[bytes, bytes, bytes, list[tuple[bytes, bytes]]]:
        first, _, rest = head.partition(b"\r\n")
        words = first.split() if "lenient-spaces" in self.faults else first.split(b" ")
        if "lenient-request-line" in self.faults:
            words = [b"GET", next((word for word in words if word.startswith(b"/")), b"/"), b"HTTP/1.1"]
        if len(words) != 3 or not TOKEN.fullmatch(words[0]) or not self.speaks(words[2]):
            raise Refused(400)
        if not TARGET.fullmatch(words[1]) and "raw-target" not in self.faults:
            raise Refused(400)
        if words[0] == b"CONNECT" and "connects" not in self.faults:
            raise Refused(501)
        return words[0], words[1], b"1.0" if words[2] == b"HTTP/1.0" else b"1.1", self.fields(rest)

    def speaks(self, version: bytes) -> bool:
        if "any-version" in self.faults:
            return version.startswith(b"HTTP/")
        pattern = rb"HTTP/1\.[01]" if "no-later-minor" in self.faults else rb"HTTP/1\.[0-9]"
        return re.fullmatch(pattern, version) is not None

    def fields(self, text: bytes) -> list[tuple[bytes, bytes]]:
        found: list[tuple[bytes, bytes]] = []
        for line in text.split(b"\r\n")[:-1]:
            name, colon, value = line.partition(b":")
            if line.startswith((b" ", b"\t")) and "keeps-fold" in self.faults:
                found[-1] = (found[-1][0], found[-1][1] + b"\r\n" + line)
                continue
            if "space-before-colon" in self.faults:
                name = name.rstrip()
            if "space-first" in self.faults:
                name = name.lstrip()
            if "lenient-field" not in self.faults and not (colon and TOKEN.fullmatch(name)):
                raise Refused(400)
            if any(octet in value and f"keeps-{octet}" not in self.faults for octet in (0, 10, 13)):
                raise Refused(400)
            found.append((name.lower(), value.strip(b" \t")))
        return found


class Request:
    def __init__(
        self, connection: Connection, method: bytes, target: bytes, version: bytes, fields: list[tuple[bytes, bytes]]
    ) -> None:
        self.connection, self.faults = connection, connection.faults
        self.method, self.target, self.version, self.fields = method, target, version, fields
        hosts = self.all(b"host")
        if version == b"1.1" and len(hosts) != 1 and "no-host-check" not in self.faults:
            raise Refused(400)
        if not all(map(HOST.fullmatch, hosts)) and "no-host-check" not in self.faults:
            raise Refused(400)
        if target.startswith(b"http://") and "refuses-absolute-form" in self.faults:
            raise Refused(400)
        if self.all(b"upgrade") and "refuses-upgrade" in self.faults:
            raise Refused(400)
        if target.startswith(b"http://") and "no-absolute-form" not in self.faults:
            host, slash, path = target.removeprefix(b"http://").partition(b"/")
            self.target = slash + path
            if "keeps-host" not in self.faults:
                self.fields = [(b"host", host), *(field for field in fields if field[0] != b"host")]
        self.keeps = version == b"1.1" and b"close" not in self.all(b"connection")
        self.keeps = self.keeps or "never-closes" in self.faults
        self.keeps = self.keeps and "always-closes" not in self.faults
        self.length, self.chunked = self.framing()
        if self.all(b"upgrade") and "drops-body" in self.faults:
            connection.data.clear()
            self.length = 0
        self.expects = b"100-continue" in self.all(b"expect")
        self.read = 0
        self.whole = not self.chunked and not self.length
        self.given = self.cancelled = False
        self.headers = [(self.name(name), value) for name, value in self.fields]
        self.started: dict[str, Any] | None = None
        self.head_sent = self.done = self.response_chunked = False
        self.sent = 0
        self.held = b""

    def all(self, name: bytes) -> list[bytes]:
        return [value for found, value in self.fields if found == name]

    def framing(self) -> tuple[int, bool]:
        lengths, codings = set(self.all(b"content-length")), self.all(b"transfer-encoding")
        if codings and "length-wins" not in self.faults:
            if codings != [b"chunked"] and "lenient-coding" not in self.faults:
                raise Refused(501)
            if lengths and "keeps-after-both" not in self.faults:
                self.keeps = False
            return 0, "no-chunks" not in self.faults
        if "first-length" in self.faults:
            lengths = set(re.split(rb", ", self.all(b"content-length")[0])[:1]) if lengths else lengths
        if "lenient-length" in self.faults:
            lengths = {b"5"} if lengths else lengths
        if len(lengths) > 1 or not all(re.fullmatch(rb"[0-9]+", value) for value in lengths):
            raise Refused(400)
        return int(lengths.pop()) if lengths else 0, False

    def scope(self) -> dict[str, Any]:
        faults = self.faults
        path, _, query = self.target.partition(b"?")
        sockets = self.connection.writer.get_extra_info
        ports: Any = str if "text-ports" in faults else int
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.5"} if "no-versions" not in faults else {},
            "http_version": self.version.decode() if "bare-version" not in faults else "1",
            "method": self.method.decode(),
            "scheme": "http" if "other-scheme" not in faults else "https",
            "path": unquote(path.decode()) if "raw-path" not in faults else path.decode(),
            "raw_path": path,
            "query_string": query.decode() if "text-query" in faults else query,
            "root_path": "" if "rooted" not in faults else "/root",
            "headers": self.headers,
            "client": (sockets("peername")[0], ports(sockets("peername")[1])),
            "server": (sockets("sockname")[0], ports(sockets("sockname")[1])),
            "extensions": self.extensions(),
            "state": self.connection.server.state if "one-state" in faults else dict(self.connection.server.state),
        }
        if "decoded-query" in faults:
            scope["query_string"] = unquote(query.decode()).encode()
        return scope

    def name(self, name: bytes) -> bytes | str:
        if "text-headers" in self.faults:
            return name.decode()
        return name.title() if "keeps-case" in self.faults else name

    def extensions(self) -> Any:
        if "odd-extensions" in self.faults:
            return ["http.response.trailers"]
        return {name: None if "odd-extension" in self.faults else {} for name in EXTENSIONS}

    async def serve(self) -> bool:  # noqa: C901 - the faults are why
        """Answer it; False when the connection has to end."""
        if self.expects and "no-expect" in self.faults:
            raise Refused(417)
        if "reads-ahead" in self.faults:
            while len(self.connection.data) < self.length:
                await self.connection.more()
        try:
            await self.connection.server.app(self.scope(), self.receive, self.send)
        except Refused as refused:
            raise Refused(500 if "500-for-chunks" in self.faults else str(refused)) from refused
        except Left:
            return False
        except Exception as error:  # noqa: BLE001 - an app may raise what it likes
            print(repr(error), flush=True)
            if "hangs-later" in self.faults and self.connection.server.failed:
                await self.left()
            self.connection.server.failed = self.started is not None
        if self.started and "completes" in self.faults and not self.done:
            await self.write(b"")
            await self.finish()
            return False
        if self.started is None or not self.head_sent:
            if "no-500" in self.faults:
                return False
            await self.connection.refuse(500)
            return False
        if not self.done:
            return False
        return self.keeps and (self.whole or "reparses-body" in self.faults)

    async def receive(self) -> dict[str, Any]:
        if self.cancelled:
            return {"type": "http.disconnect"}
        try:
            message = await self.next_message()
        except asyncio.CancelledError:
            self.cancelled = "forgets-cancelled" in self.faults
            raise
        if "bytearrays" in self.faults and "body" in message:
            message["body"] = bytearray(message["body"])
        return message

    async def next_message(self) -> dict[str, Any]:
        if self.done:
            if "request-after-answer" in self.faults:
                return {"type": "http.request", "body": b"", "more_body": False}
            return {"type": "http.disconnect"}
        if self.whole and self.given:
            return await self.left()
        if self.expects and not self.read:
            self.connection.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            body = b"" if self.whole else await (self.chunk() if self.chunked else self.part())
        except Left:
            if "half-is-complete" not in self.faults:
                return {"type": "http.disconnect"}
            body, self.whole = b"", True
        self.read += len(body)
        self.whole = self.whole or (not self.chunked and self.read == self.length)
        self.given = self.whole
        return {"type": "http.request", "body": body, "more_body": not self.whole}

    async def left(self) -> dict[str, Any]:
        with contextlib.suppress(Left, ConnectionError):
            while True:
                await self.connection.more()
        if "late-disconnect" in self.faults:
            await asyncio.sleep(2)
        return {"type": "http.disconnect"}

    async def part(self) -> bytes:
        if not self.connection.data:
            await self.connection.more()
        return self.connection.take(min(len(self.connection.data), self.length - self.read))

    async def chunk(self) -> bytes:
        line, _, extension = (await self.connection.line()).partition(b";")
        if extension and "no-chunk-extension" in self.faults:
            raise Refused(400)
        if CONTROL.search(extension) and "any-extension" not in self.faults:
            raise Refused(400)
        if "lenient-chunk" in self.faults:
            size = int((re.findall(rb"[0-9]", line) or [b"5"])[-1])
        elif re.fullmatch(rb"[0-9a-fA-F]{1,16}", line):
            size = int(line, 16)
        else:
            raise Refused(400)
        if not size:
            while trailer := await self.connection.line():
                self.trailer(trailer)
            self.whole = True
            return b""
        while len(self.connection.data) < size:
            await self.connection.more()
        body = self.connection.take(size)
        if await self.connection.line() and "lenient-chunk" not in self.faults:
            raise Refused(400)
        return body

    def trailer(self, line: bytes) -> None:
        if "no-trailers-in" in self.faults or (b"\n" in line and "keeps-10" not in self.faults):
            raise Refused(400)
        if "merges-trailers" in self.faults:
            name, _, value = line.partition(b": ")
            self.headers.append((name.lower(), value))

    async def send(self, message: dict[str, Any]) -> None:
        if self.connection.reader.at_eof():
            raise ValueError("gone") if "odd-error" in self.faults else BrokenPipeError("the client has left")
        kind = message["type"]
        if kind == "http.response.start":
            self.started = message
        elif kind == "http.response.early_hint":
            if "no-hints" not in self.faults:
                links = b"".join(b"Link: " + link + b"\r\n" for link in message["links"])
                self.connection.writer.write(b"HTTP/1.1 103 Early Hints\r\n" + links + b"\r\n")
        elif kind == "http.response.pathsend":
            await self.write(read(message["path"]) if "no-file" not in self.faults else b"")
            await self.finish()
        elif kind == "http.response.trailers":
            await self.finish(message["headers"] if "no-trailers" not in self.faults else [])
        else:
            await self.write(message.get("body", b""))
            if not message.get("more_body") and not (self.started or {}).get("trailers"):
                await self.finish()

    def head(self) -> bytes:
        assert self.started is not None
        status, faults = self.started["status"], self.faults
        has_date = any(name == b"date" for name, _ in self.started["headers"]) and "two-dates" not in faults
        lines = [b"HTTP/1.1 %d " % status]
        lines += [b"Date: " + formatdate(usegmt=True).encode()] * ("no-date" not in faults and not has_date)
        named = set()
        for name, value in self.started["headers"]:
            named.add(name.lower())
            if name.lower() == b"transfer-encoding" and "doubles-chunks" not in faults:
                continue
            if b"\r" in value and "injects" not in faults:
                raise ValueError("a line within a header")
            lines.append(name + b": " + value)
        bodiless = status in (204, 304)
        self.response_chunked = b"content-length" not in named and self.version == b"1.1" and not bodiless
        if "chunks-for-all" in faults and not bodiless:
            self.response_chunked = True
        if self.response_chunked:
            lines.append(b"Transfer-Encoding: chunked")
        elif b"content-length" not in named and not bodiless:
            self.keeps = False
        if bodiless and "length-for-204" in faults:
            lines.append(b"Content-Length: 0")
        if not self.keeps:
            lines.append(b"Connection: close")
        return b"\r\n".join(lines) + b"\r\n\r\n" + b"oops" * (bodiless and "body-for-304" in faults)

    @property
    def says(self) -> int | None:
        assert self.started is not None
        return next((int(value) for name, value in self.started["headers"] if name == b"content-length"), None)

    @property
    def has_body(self) -> bool:
        if self.method != b"HEAD":
            return True
        return "body-for-streamed-head" in self.faults if self.response_chunked else "body-for-head" in self.faults

    async def write(self, body: bytes) -> None:
        if not self.head_sent:
            self.held = self.head() if self.started else b""
            self.head_sent = True
        if "wrong-body" in self.faults:
            body = {b"first": b"other"}.get(body, body)
        if self.says is not None and "no-length-check" not in self.faults:
            body = body[: self.says - self.sent]
        self.sent += len(body)
        if not self.has_body:
            body = b""
        if self.response_chunked and body:
            wrong = "wrong-size" in self.faults
            body = b"%x\r\n" % (len(body) + wrong) + body + b"\r\n"
        self.held += body
        if "holds-back" not in self.faults:
            await self.flush()

    async def flush(self) -> None:
        self.connection.writer.write(self.held)
        self.held = b""
        if "no-drain" not in self.faults:
            await self.connection.writer.drain()

    async def finish(self, trailers: list[tuple[bytes, bytes]] | None = None) -> None:
        if self.response_chunked and self.has_body:
            self.held += b"0\r\n" + b"".join(b": ".join(pair) + b"\r\n" for pair in trailers or []) + b"\r\n"
        elif self.says is not None and self.sent < self.says and self.method != b"HEAD":
            if "completes" not in self.faults:
                return
            self.held += b"x" * (self.says - self.sent)
        await self.flush()
        self.done = True


async def main() -> None:
    host, port, target, file = sys.argv[1:]
    module, _, name = target.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    await Server(getattr(importlib.import_module(module), name), Path(file)).run(host, int(port))


if __name__ == "__main__":
    asyncio.run(main())
