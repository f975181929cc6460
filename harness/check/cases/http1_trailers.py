"""HTTP/1.1: trailers of a chunked request, which must not become headers, nor hide the request that follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.check.cases.http1 import OK
from harness.check.cases.malformed_http1 import SILENCE, get, post, try_case
from harness.check.cases.scopes import header_values, read_scope
from harness.check.clients.http1 import Http1, request
from harness.check.model import ANY_APP, HTTP1_CLEAR, Attempt, Family, Finding, judge
from harness.check.target import new_marker

if TYPE_CHECKING:
    from harness.check.target import Target

CHECKS = Family(HTTP1_CLEAR, ANY_APP)

HEAD_S = 1.0
"""A server that calls the app for the head of a request alone has done so by then."""
NAMES = ("Host", "X-Forwarded-For", "Authorization")
"""What an app decides by: the tenant, the client and the user."""
FORGED = "forged.example"


@CHECKS.check(
    "trailer-headers",
    "Trailer that names a header",
    "RFC 9110 §6.5.1, RFC 9112 §7.1.2",
    quote="A recipient MUST NOT merge a trailer field into a header section unless the recipient understands the "
    "corresponding header field definition and that definition explicitly permits and defines how trailer field values "
    "can be safely merged.",
    consequence="A client forges what a proxy checks or sets, such as Host, X-Forwarded-For or Authorization, in a "
    "place where the proxy does not look.",
    danger="forges",
)
def trailer_headers(target: Target) -> Finding:
    """A server MUST NOT add trailers to the headers of the scope, whether they arrive with the head or later."""
    attempts = [_try(target, name, apart=apart) for name in NAMES for apart in (False, True)]
    return judge(attempts, "the trailer left out of the headers, or a refusal")


def _try(target: Target, name: str, *, apart: bool) -> Attempt:
    """Send the trailer with the head, or once the app has been called."""
    connection, marker = Http1(target), new_marker()
    path = f"/scope-after-body?marker={marker}"
    head = request(target, path, "Transfer-Encoding: chunked", f"Trailer: {name}", method="POST")
    rest = f"5\r\nhello\r\n0\r\n{name}: {FORGED}\r\n\r\n".encode()
    if apart:
        connection.send(head)
        target.await_event(marker, "http", min(HEAD_S, target.timeout_s))
        connection.send(rest)
    else:
        connection.send(head + rest)
    response = connection.response()
    values = header_values(read_scope(response.body), name.lower()) if response.status == OK else []
    found = f"the app got {values}" if response.status == OK else str(response.status)
    words = f"{name} in {'several segments' if apart else 'one segment'}: {found}"
    return Attempt(words, FORGED not in values, str(connection.transcript))


@CHECKS.check(
    "trailer-bare-lf",
    "Trailer ended by LF",
    "RFC 9110 §5.5, RFC 9112 §2.2",
    quote="a recipient of CR, LF, or NUL within a field value MUST either reject the message or replace each of those "
    "characters with SP before further processing or forwarding of that message.",
    consequence="A proxy and the server see the end of a request in different places: request smuggling.",
    danger="smuggles",
)
def trailer_bare_lf(target: Target) -> Finding:
    """A server MAY take LF without CR for the end of a trailer line, or reject the request.

    It MUST NOT take what follows the LF, which may be the next request, for a part of the trailer.
    """
    sent = post(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\nX-Sum: 42\n\n" + get())
    treatment = try_case(target, "two requests, the first with a trailer ended by LF", sent, closing=SILENCE)
    served = treatment.reached
    right = treatment.refused or (treatment.status == OK and (served == 2 or treatment.closed))  # noqa: PLR2004
    found = "refused" if treatment.refused else f"{served} of the two requests served"
    return treatment.finding(right, f"{found}: {treatment.words}")
