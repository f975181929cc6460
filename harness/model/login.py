"""A user's login: what is sent for it, and what of the answers goes with each later request.

The same steps are taken by the harness before a run and by each user in it; only how a request is sent differs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from json.decoder import JSONDecoder  # not `json`: while `locust -f scenarios/json.py` loads, that is the scenario
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

Headers = tuple[tuple[str, str], ...]
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"

_decode_json = JSONDecoder().decode
_LOGIN = re.compile(r"([A-Za-z]+)\s+(/\S*)(?:\s+(.+))?", re.DOTALL)
_TOKENS = ("access_token", "accessToken", "access", "token", "auth_token", "authToken", "id_token", "jwt", "key")
"""The names that apps give to a bearer token, the most usual first."""
_CSRF = re.compile(r"csrf|xsrf|authenticity_token", re.IGNORECASE)
_SUCCESS = range(200, 400)
_PUBLIC = frozenset({"user", "username", "name", "email", "login", "grant_type", "scope", "client_id", "remember"})
"""Fields of a login that hold no secret."""


class LoginError(Exception):
    """A login failed; the text says what the app did."""


@dataclass(frozen=True)
class Login:
    """The request with which a user logs in."""

    method: str
    path: str
    content_type: str = JSON
    body: str = field(default="", repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values in its body that should not be read in results."""
        if self.content_type == FORM:
            return tuple(value for name, value in parse_qsl(self.body) if name not in _PUBLIC)
        return tuple(_list_texts(_decode_json(self.body or "null"), ""))


@dataclass(frozen=True)
class LoginAnswer:
    """An answer of the app on the way to a login."""

    status: int
    headers: Headers
    """Names are in lower case."""
    body: bytes


Send = Callable[[str, str, Headers, bytes], LoginAnswer]
"""Sends method, path, headers and body; returns the answer, whatever its status."""


def parse_login(text: str) -> Login:
    """Read `POST /auth/login {"user": "a", "password": "b"}`, or with a form, `user=a&password=b`.

    Raises `ValueError` with what was expected, without the text, which holds a password.
    """
    parts = _LOGIN.fullmatch(text.strip())
    if parts is None:
        raise ValueError("expected a method, a path and a body such as POST /login user=ann&password=…")
    method, path, body = parts[1].upper(), parts[2], (parts[3] or "").strip()
    if not body.startswith(("{", "[")):
        return Login(method, path, FORM if body else JSON, urlencode(parse_qsl(body, keep_blank_values=True)))
    try:
        _decode_json(body)
    except ValueError as error:
        place = getattr(error, "pos", 0)
        raise ValueError(f"expected a body in JSON, or a form, found an error at its character {place + 1}") from None
    return Login(method, path, JSON, body)


def log_in(login: Login, send: Send, origin: str) -> Headers:
    """Log in; return the headers of all later requests: cookies, a bearer token, a CSRF token.

    The login's page is requested first, as a browser does, for the cookies and the CSRF token of its form. `origin` is
    such as `https://127.0.0.1:8000`. Raises `LoginError`.
    """
    session = _Session(origin)
    session.take(send("GET", login.path, (), b""))
    before = dict(session.cookies)
    body = login.body
    if login.content_type == FORM and session.field:
        body = urlencode([*parse_qsl(body, keep_blank_values=True), session.field])
    kind = (("content-type", login.content_type),) if body else ()
    answer = send(login.method, login.path, (*session.headers(), *kind), body.encode())
    if answer.status not in _SUCCESS:
        raise LoginError(f"{login.method} {login.path} answered {answer.status}")
    session.take(answer)
    session.token = _find_token(answer)
    gained = {name for name, value in session.cookies.items() if before.get(name) != value and not _CSRF.search(name)}
    if not (gained or session.token):
        raise LoginError(
            f"{login.method} {login.path} answered {answer.status}, but gave neither a cookie nor a token; "
            "if it gives one otherwise, write log_in in the scenario"
        )
    if session.field and not session.csrf_cookies:
        session.take(send("GET", login.path, session.headers(), b""))  # the token of the new session
    return session.headers()


class _Session:
    """What the app has given to the user so far."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self.cookies: dict[str, str] = {}
        self.token = ""
        self.field: tuple[str, str] | None = None
        """Name and value of the CSRF token in the last form."""

    @property
    def csrf_cookies(self) -> list[str]:
        return [name for name in self.cookies if _CSRF.search(name)]

    def take(self, answer: LoginAnswer) -> None:
        """Keep the cookies and the CSRF token of an answer."""
        for name, value in answer.headers:
            if name == "set-cookie":
                cookie, _, given = value.partition(";")[0].partition("=")
                self.cookies[cookie.strip()] = given.strip()
        self.cookies = {name: value for name, value in self.cookies.items() if value not in {"", '""'}}
        self.field = _find_field(answer) or self.field

    def headers(self) -> Headers:
        """The headers of the next request. A CSRF token is sent in the headers that apps read (Django, Angular)."""
        found = []
        if self.cookies:
            found.append(("cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items())))
        if self.token:
            found.append(("authorization", self.token))
        tokens = [(name, unquote(self.cookies[name])) for name in self.csrf_cookies] or [*filter(None, [self.field])]
        for name, value in tokens[:1]:
            if "xsrf" in name.lower():
                found.append(("x-xsrf-token", value))
            else:
                found += [("x-csrftoken", value), ("x-csrf-token", value)]
            if self._origin.startswith("https:"):
                found.append(("referer", f"{self._origin}/"))  # Django asks for it over TLS
        return tuple(found)


def _find_token(answer: LoginAnswer) -> str:
    """The value of the Authorization header, if the answer has a token in JSON, or in an object in it."""
    try:
        found = _decode_json(answer.body.decode())
    except ValueError:
        return ""
    places = [found, *(found.values() if isinstance(found, dict) else ())]
    for place in places:
        for name in _TOKENS:
            if isinstance(place, dict) and isinstance(token := place.get(name), str) and token:
                kind = str(place.get("token_type") or "Bearer")
                return f"{'Bearer' if kind.lower() == 'bearer' else kind} {token}"
    return ""


def _find_field(answer: LoginAnswer) -> tuple[str, str] | None:
    kind = next((value for name, value in answer.headers if name == "content-type"), "")
    if "html" not in kind:
        return None
    reader = _Form()
    reader.feed(answer.body.decode(errors="replace"))
    return reader.token


class _Form(HTMLParser):
    """Finds the CSRF token of a page: a hidden field of a form, or a `meta` element."""

    token: tuple[str, str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given: Mapping[str, str | None] = dict(attrs)
        name, value = given.get("name"), given.get("value" if tag == "input" else "content")
        if tag in {"input", "meta"} and name and value and _CSRF.search(name) and not self.token:
            self.token = name, value


def _list_texts(value: Any, name: str) -> Iterator[str]:
    """The texts and numbers in a value that are not public."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _list_texts(each, key)
    elif isinstance(value, list):
        for each in value:
            yield from _list_texts(each, name)
    elif isinstance(value, str | int | float) and not isinstance(value, bool) and name.lower() not in _PUBLIC:
        yield str(value)
