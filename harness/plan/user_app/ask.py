"""Requests to a user app before it is measured: each is sent on a new connection, over TLS if the app is started so."""

from __future__ import annotations

import secrets
import ssl
import time
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, IncompleteRead
from string import ascii_lowercase
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from harness.model.errors import UsageError
from harness.model.login import Login, LoginAnswer, LoginError
from harness.model.login import log_in as take_steps
from harness.model.unique import UNIQUE, UNIQUE_LETTERS
from harness.plan.user_app.requests import REDIRECTS, Recipe, Reply

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.model.targets import Launch
    from harness.plan.user_app.requests import Headers

TIMEOUT_S = 10.0
"""An answer may take this long."""


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
            value = "".join(secrets.choice(ascii_lowercase) for _ in range(UNIQUE_LETTERS))
            path, body = recipe.path.replace(UNIQUE, value), recipe.body.replace(UNIQUE.encode(), value.encode())
            headers = {name: text.replace(UNIQUE, value) for name, text in (*recipe.headers, *given)}
            connection.request(recipe.method, launch.prefix + path, body or None, headers)
            return _read_reply(connection.getresponse())
    except (OSError, HTTPException) as error:
        return f"gave no answer ({error!r})"


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
            raise LoginError(f"{method} {path} gave no answer ({error!r})") from error

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


def _read_reply(answer: HTTPResponse) -> Reply:
    until_s = time.monotonic() + TIMEOUT_S
    body = bytearray()
    while chunk := answer.read1():
        body += chunk
        if time.monotonic() > until_s:
            raise TimeoutError("it does not end")
    if answer.length:  # read() would raise this, read1() does not
        raise IncompleteRead(bytes(body), answer.length)
    media_type = (answer.getheader("content-type") or "").partition(";")[0].strip().lower()
    return Reply(answer.status, media_type, bytes(body), answer.getheader("location") or "")
