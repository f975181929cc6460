"""HTTP/1.1: requests that would make another protocol of the connection, by CONNECT or by Upgrade."""

from __future__ import annotations

from typing import TYPE_CHECKING

from h2.connection import H2Connection
from h2.events import DataReceived, StreamEnded, StreamReset
from h2.exceptions import H2Error

from harness.check.cases.malformed_http1 import all_refused
from harness.check.clients.connection import Cut
from harness.check.clients.http1 import Http1, request
from harness.check.clients.transcript import shown
from harness.check.model import ANY_APP, HTTP1_CLEAR, Family, Finding, passed

if TYPE_CHECKING:
    from harness.check.target import Target

CHECKS = Family(HTTP1_CLEAR)

SWITCHING = 101
SUCCESSES = range(200, 300)
UPGRADE = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")


def _connect(port: str) -> bytes:
    return f"CONNECT example.com{port} HTTP/1.1\r\nHost: example.com\r\n\r\n".encode()


CHECKS.add(
    "connect-port",
    "CONNECT to an invalid port",
    "A server MUST reject CONNECT with an empty or invalid port. The app, which would answer 200, is not asked.",
    "RFC 9110 §9.3.6",
    all_refused({f"CONNECT example.com{port}": _connect(port) for port in (":", ":99999", ":http", "")}),
    quote="A server MUST reject a CONNECT request that targets an empty or invalid port number, typically by "
    "responding with a 400 (Bad Request) status code.",
    consequence="Apps that answer every path take a request for a tunnel for one of theirs.",
)


@CHECKS.check(
    "connect",
    "CONNECT answered by the app",
    "RFC 9110 §8.6, §9.3.6, RFC 9112 §6.1",
    quote="A server MUST NOT send a Content-Length header field in any 2xx (Successful) response to a CONNECT request "
    "(Section 9.3.6).",
    consequence="A proxy takes 200 for an open tunnel, through which the next requests pass without its rules.",
    danger="forges",
)
def connect(target: Target) -> Finding:
    """A server MUST NOT send Content-Length or Transfer-Encoding in a 2xx to CONNECT, which opens a tunnel.

    Refusing CONNECT passes, as servers of apps have no tunnels.
    """
    connection = Http1(target)
    connection.send(_connect(":443"))
    try:
        head = connection.head()
    except Cut as cut:
        return passed(str(cut))
    framing = [name.decode() for name in (b"content-length", b"transfer-encoding") if head.all(name)]
    right = head.status not in SUCCESSES or not framing
    return connection.finding(right, f"CONNECT: {head.status} {'with ' + ' and '.join(framing) if framing else ''}")


@CHECKS.check(
    "upgrade-h2c",
    "Upgrade: h2c",
    "RFC 9110 §7.8, RFC 9113 §3.1",
    level="expected",
    interfaces=ANY_APP,
    consequence="Java's HTTP client and curl --http2 offer h2c with their first request, which then fails.",
)
def upgrade_h2c(target: Target) -> Finding:
    """A server answers a request that offers h2c in HTTP/1.1, or switches to HTTP/2 and answers it there.

    The upgrade is deprecated, and a server may ignore it.
    """
    connection = Http1(target)
    connection.send(request(target, "/hello", *UPGRADE))
    status, body = _read_answer(connection)
    return connection.finding(body == b"hello", f"{status}, {shown(body)}")


@CHECKS.check(
    "upgrade-h2c-body",
    "Body of a request with Upgrade: h2c",
    "RFC 9112 §6.3, RFC 9110 §7.8",
    interfaces=ANY_APP,
    quote="If a valid Content-Length header field is present without Transfer-Encoding, its decimal value defines the "
    "expected message body length in octets.",
    consequence="Java's HTTP client offers h2c with its first request: an upload is lost, and the app sees no error.",
    danger="loses",
)
def upgrade_h2c_body(target: Target) -> Finding:
    """A server gives the app the whole body of a request that offers h2c, or refuses the request."""
    connection = Http1(target)
    lines = (*UPGRADE, "Content-Length: 5")
    connection.send(request(target, "/echo", *lines, method="POST", body=b"hello"))
    status, body = _read_answer(connection)
    refused = status.startswith("4")
    return connection.finding(refused or body == b"hello", f"{status}, the app got {shown(body)}")


def _read_answer(connection: Http1) -> tuple[str, bytes]:
    """The status and the body of the response, in HTTP/1.1 or in HTTP/2."""
    head = connection.next_head()
    if head.status == SWITCHING:
        return "101, then HTTP/2", _answer_in_http2(connection)
    return f"{head.status} in HTTP/1.1", b"".join(connection.body(head))


def _answer_in_http2(connection: Http1) -> bytes:
    """The body of the response on stream 1, which is the request that offered the upgrade."""
    http2, body, ended = H2Connection(), b"", False
    http2.initiate_upgrade_connection()
    connection.send(http2.data_to_send())
    try:
        while not ended and (data := connection.more()):
            for event in http2.receive_data(data):
                body += event.data if isinstance(event, DataReceived) else b""
                ended = ended or isinstance(event, StreamEnded | StreamReset)
            connection.send(http2.data_to_send())
    except H2Error as error:
        raise connection.fault(f"no HTTP/2 after 101: {error!r}") from error
    return body
