"""Requests to a user app before it is measured: each is sent on a new connection, over TLS if the app is started so."""

from __future__ import annotations

import secrets
import ssl
import time
import uuid
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, IncompleteRead
from string import ascii_lowercase
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from harness.model.blocks import MAX_BODY_BYTES
from harness.model.errors import UsageError
from harness.model.event_stream import EVENT_STREAM, count_events
from harness.model.login import Login, LoginAnswer, LoginError
from harness.model.login import log_in as take_steps
from harness.model.unique import (
    UNIQUE,
    UNIQUE_INT,
    UNIQUE_INTS,
    UNIQUE_LETTERS,
    UNIQUE_UUID,
    fill_data,
    fill_text,
)
from harness.plan.user_app.requests import REDIRECTS, Recipe, Reply

if TYPE_CHECKING:
    from collections.abc import Iterable
    from socket import socket

    from harness.model.targets import Launch
    from harness.plan.user_app.requests import Headers

TIMEOUT_S = 10.0
"""An answer may take this long."""
EVENTS_S = 2.0
"""So long after its first event, a stream of events is taken for one that does not end."""
LONGEST_BYTES = 4 * MAX_BODY_BYTES
"""An answer without a length is taken for one that does not end when so much has come."""


def send_requests(launch: Launch, recipes: Iterable[Recipe], given: Headers) -> dict[Recipe, Reply | str]:
    """Send each request once, those that write first; return the reply to each, or why there was none."""
    in_order = sorted(recipes, key=lambda each: not each.writes)
    return {recipe: send(launch, recipe, given) for recipe in in_order}


def wants_tls(launch: Launch, path: str, given: Headers) -> bool:
    """Does the app, asked in clear text, send clients to the same path at https://?"""
    reply = send(launch, Recipe("GET", path, ""), given)
    if isinstance(reply, str) or reply.status not in REDIRECTS:
        return False
    target = urlsplit(reply.location)
    own = {launch.host, *(value.partition(":")[0] for name, value in given if name == "host")}
    return (
        target.scheme == "https"
        and target.hostname in own
        and (target.path or "/") == launch.prefix + path.partition("?")[0]
    )


def send(launch: Launch, recipe: Recipe, given: Headers) -> Reply | str:
    """Send a request on a new connection; return the reply, or why there was none."""
    try:
        with closing(_connect(launch)) as connection:
            values = _draw_values()
            path, body = fill_text(recipe.path, values), fill_data(recipe.body, values)
            headers = {name: fill_text(text, values) for name, text in (*recipe.headers, *given)}
            connection.request(recipe.method, launch.prefix + path, body or None, headers)
            connected = connection.sock  # if the answer ends with the connection, `getresponse` forgets it
            return _read_reply(connection.getresponse(), connected)
    except (OSError, HTTPException) as error:
        return f"gave no answer ({str(error) or repr(error)})"


def _draw_values() -> dict[str, str]:
    letters = "".join(secrets.choice(ascii_lowercase) for _ in range(UNIQUE_LETTERS))
    return {UNIQUE: letters, UNIQUE_INT: str(secrets.choice(UNIQUE_INTS)), UNIQUE_UUID: str(uuid.uuid4())}


def log_in(launch: Launch, login: Login | None, given: Headers) -> Headers:
    """Log in, if there is a login; return the headers of all later requests. Raises `UsageError` if it fails."""
    if login is None:
        return given

    def send_step(method: str, path: str, headers: Headers, body: bytes) -> LoginAnswer:
        try:
            with closing(_connect(launch)) as connection:
                connection.request(method, launch.prefix + path, body or None, dict((*given, *headers)))
                answer = connection.getresponse()
                return LoginAnswer(
                    answer.status, tuple((name.lower(), value) for name, value in answer.getheaders()), answer.read()
                )
        except (OSError, HTTPException) as error:
            raise LoginError(f"{method} {path} gave no answer ({str(error) or repr(error)})") from error

    host = dict(given).get("host", launch.address)
    try:
        return (*given, *take_steps(login, send_step, f"{'http' if launch.tls is None else 'https'}://{host}"))
    except LoginError as error:
        raise UsageError(f"--login: expected a login that succeeds, found that {error}") from error


def _connect(launch: Launch) -> HTTPConnection:
    if launch.tls is None:
        return HTTPConnection(launch.host, launch.port, timeout=TIMEOUT_S)
    context = ssl.create_default_context(cafile=str(launch.tls.authority))
    context.set_alpn_protocols(["http/1.1"])
    return HTTPSConnection(launch.host, launch.port, timeout=TIMEOUT_S, context=context)


def _read_reply(answer: HTTPResponse, connected: socket) -> Reply:
    media_type = (answer.getheader("content-type") or "").partition(";")[0].strip().lower()
    body, events, ends = _read_body(answer, connected, media_type)
    if not ends and (answer.length is not None or not events):
        raise TimeoutError(f"it has not ended after {TIMEOUT_S:g} s; found {len(body)} bytes")
    if answer.length:  # read() would raise this, read1() does not
        raise IncompleteRead(bytes(body), answer.length)
    if media_type != EVENT_STREAM and ends:
        events = 0
    kept = bytes(body) if ends else b""
    return Reply(answer.status, media_type, kept, answer.getheader("location") or "", ends, events)


def _read_body(answer: HTTPResponse, connected: socket, media_type: str) -> tuple[bytearray, int, bool]:
    """Read a body; return it, how many events it has, and whether it ended before it was taken for an endless one."""
    until_s = time.monotonic() + TIMEOUT_S
    body, events, counter = bytearray(), 0, count_events(media_type)
    with suppress(TimeoutError):
        while (left_s := until_s - time.monotonic()) > 0 and (answer.length is not None or len(body) < LONGEST_BYTES):
            connected.settimeout(left_s)
            part = answer.read1()
            if not part:
                return body, events, True
            body += part
            found = len(counter.feed(part))
            events += found
            if media_type == EVENT_STREAM and 0 < events == found:
                until_s = min(until_s, time.monotonic() + EVENTS_S)
    return body, events, False
