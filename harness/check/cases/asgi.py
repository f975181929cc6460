"""ASGI over HTTP/1.1: what the scope tells the app about a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.check.cases.scopes import Scope, judge_extensions, plain, read_scope
from harness.check.clients.http1 import Http1, request
from harness.check.model import HTTP1, HTTP1_CLEAR, Family, Finding, failed, passed

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.check.target import Target

CHECKS = Family(HTTP1_CLEAR)

_SOURCE = "ASGI HTTP 2.5 HTTP Connection Scope"
REQUIRED = {"http_version": "str", "method": "str", "path": "str", "query_string": "bytes", "asgi": "dict"}
OPTIONAL = {"scheme": "str", "raw_path": "bytes", "root_path": "str", "state": "dict", "extensions": "dict"}
"""Keys that may be left out or None."""
TRIED = {
    "http.response.trailers": "extension-trailers",
    "http.response.early_hint": "extension-early-hint",
    "http.response.pathsend": "extension-pathsend",
    "websocket.http.response": "ws-response",
}
"""Extensions, and the checks that try them over HTTP/1.1."""


def scope_of(target: Target, path: str = "/scope", *lines: str) -> Scope:
    """The scope that the app is given for a request."""
    return read_scope(Http1(target).fetch(path, *lines).body)


@CHECKS.check(
    "scope-types",
    "Scope: keys and types",
    _SOURCE,
    quote="path (Unicode string) -- HTTP request target excluding any query string, with percent-encoded "
    "sequences and UTF-8 byte sequences decoded into characters.",
    consequence="Frameworks that rely on a key or its type fail on every request.",
)
def types(target: Target) -> Finding:
    """The scope has the keys of an HTTP connection, each with the type that the specification names."""
    scope = scope_of(target, "/scope?a=b")
    wrong = [f"{key} missing" for key in (*REQUIRED, "headers") if key not in scope]
    for key, kind in (REQUIRED | OPTIONAL).items():
        if key in scope and scope[key]["type"] not in (kind, *(["NoneType"] if key in OPTIONAL else [])):
            wrong.append(f"{key} is {scope[key]['type']}, not {kind}")
    found = ", ".join(f"{key}: {value['type']}" for key, value in scope.items())
    return failed(f"expected the keys and types of the source: {'; '.join(wrong)}\n{found}") if wrong else passed(found)


@CHECKS.check(
    "scope-method-version",
    "Scope: method and http_version",
    _SOURCE,
    quote='http_version (Unicode string) -- One of "1.0", "1.1" or "2".',
    consequence="Apps that route by method or adapt to the version take the wrong branch.",
)
def method_and_version(target: Target) -> Finding:
    """The method is in upper case, and http_version is 1.0, 1.1 or 2."""
    found: list[tuple[str, str]] = []
    expected = [("1.1", "PATCH"), ("1.0", "GET")]
    for version, method in expected:
        connection = Http1(target)
        connection.send(f"{method} /scope HTTP/{version}\r\nHost: {target.authority}\r\n\r\n".encode())
        scope = read_scope(connection.response().body)
        found.append((plain(scope["http_version"]), plain(scope["method"])))
    if found != expected:
        return failed(f"expected {expected}, found {found}")
    return passed(f"http_version and method: {found}")


@CHECKS.check(
    "scope-scheme",
    "Scope: scheme",
    _SOURCE,
    protocols=HTTP1,
    quote='scheme (Unicode string) -- URL scheme portion (likely "http" or "https").',
    consequence="Links and redirects that the app makes point to http in place of https, or the reverse.",
)
def scheme(target: Target) -> Finding:
    """The scheme is http, or https over TLS."""
    expected = "https" if target.tls else "http"
    found = plain(scope_of(target).get("scheme"))
    if (found or "http") != expected:
        return failed(f"expected scheme {expected}, found {found!r}")
    return passed(f"scheme = {found!r}")


def _equal(path: str, /, **expected: str) -> Callable[[Target], Finding]:
    """A check that passes if these keys of the scope of `path` have these values; an optional one may be missing."""

    def run(target: Target) -> Finding:
        scope = scope_of(target, path)
        found = {key: plain(scope.get(key)) for key in expected}
        wrong = [key for key in expected if found[key] != expected[key] and (found[key] is not None or key in REQUIRED)]
        words = f"{_listed(found)} for GET {path}"
        return failed(f"expected {_listed(expected)}, found {words}") if wrong else passed(words)

    return run


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{key} = {value!r}" for key, value in values.items())


CHECKS.add(
    "scope-path",
    "Scope: path",
    "The path is the request target without its query, with percent-encoding and UTF-8 decoded. raw_path, which is"
    " optional, is unchanged.",
    _SOURCE,
    _equal("/scope/a%20b/%C3%A9%2Fc?q", path="/scope/a b/\u00e9/c", raw_path="/scope/a%20b/%C3%A9%2Fc"),
    quote="path (Unicode string) -- HTTP request target excluding any query string, with percent-encoded "
    "sequences and UTF-8 byte sequences decoded into characters.",
    consequence="Routes with spaces or letters beyond ASCII are not found, or the wrong one is.",
)
CHECKS.add(
    "scope-query",
    "Scope: query_string",
    "The query_string is what follows the ? in the request target, still percent-encoded.",
    _SOURCE,
    _equal("/scope?a=%20b&c=%C3%A9+d&?", query_string="a=%20b&c=%C3%A9+d&?"),
    quote="query_string (byte string) -- URL portion after the ?, percent-encoded.",
    consequence="Parameters that contain encoded characters reach the app changed.",
)
CHECKS.add(
    "scope-root-path",
    "Scope: root_path",
    "The root_path is empty unless the app is mounted below a path.",
    _SOURCE,
    _equal("/scope", root_path=""),
    quote="root_path (Unicode string) -- The root path this application is mounted at; same as SCRIPT_NAME in WSGI.",
    consequence="Frameworks cut a prefix off the path, and routes are not found.",
)


@CHECKS.check(
    "scope-headers",
    "Scope: headers",
    _SOURCE,
    quote="Order of header values must be preserved from the original HTTP request; order of header names "
    "is not important.",
    consequence="Headers that are sent more than once, such as X-Forwarded-For, lose a value or their order, and "
    "apps fail on names that are not bytes.",
)
def headers(target: Target) -> Finding:
    """The headers are pairs of byte strings; duplicates and the order of values must be preserved."""
    described = scope_of(target, "/scope", "X-Twice: one", "X-Other: \u00e9", "x-tWICE: two")["headers"]["value"]
    kinds = {part["type"] for pair in described for part in pair["value"]}
    pairs = [tuple(part["value"] for part in pair["value"]) for pair in described]
    twice = [value for name, value in pairs if name.lower() == "x-twice"]
    other = [value for name, value in pairs if name.lower() == "x-other"]
    if kinds != {"bytes"}:
        return failed(f"expected bytes, found {', '.join(sorted(kinds))}: {pairs}")
    if twice != ["one", "two"] or other != ["\u00e9"]:
        return failed(f"expected every value as it was sent and in order, found {pairs}")
    return passed(f"{pairs}")


@CHECKS.check(
    "scope-header-case",
    "Scope: names of headers",
    _SOURCE,
    level="should",
    quote="Header names should be lowercased, but it is not required; servers should preserve header case "
    "on a best-effort basis.",
    consequence="Apps that look a header up by its lower-case name do not find it.",
)
def header_case(target: Target) -> Finding:
    """The names of headers should be in lower case."""
    names = [pair["value"][0]["value"] for pair in scope_of(target, "/scope", "X-Upper: Value")["headers"]["value"]]
    if upper := [name for name in names if name != name.lower()]:
        return failed(f"expected names in lower case, found {', '.join(upper)}")
    return passed(", ".join(names))


@CHECKS.check(
    "scope-addresses",
    "Scope: client and server",
    _SOURCE,
    quote="client (Iterable[Unicode string, int]) -- A two-item iterable of [host, port], where host is "
    "the remote host's IPv4 or IPv6 address, and port is the remote port as an integer.",
    consequence="Logs, rate limits and access lists see a wrong client.",
)
def addresses(target: Target) -> Finding:
    """The client and the server are each a host as text and a port as an integer; both are optional."""
    connection = Http1(target)
    client_port = connection.socket.getsockname()[1]
    connection.send(request(target, "/scope"))
    scope = read_scope(connection.response().body)
    wrong = []
    for key, port in (("client", client_port), ("server", target.port)):
        if key in scope and plain(scope[key]) is not None and plain(scope[key]) != [target.host, port]:
            kinds = [part["type"] for part in scope[key]["value"]]
            wrong.append(f"{key} = {plain(scope[key])} of {' and '.join(kinds)}, not {[target.host, port]}")
    if wrong:
        return failed(f"expected a host as text and a port as a number, found {'; '.join(wrong)}")
    return passed(", ".join(f"{key} = {plain(scope.get(key))}" for key in ("client", "server")))


@CHECKS.check(
    "scope-asgi",
    "Scope: asgi versions",
    _SOURCE,
    quote='asgi["version"] (Unicode string) -- Version of the ASGI spec.',
    consequence="Apps cannot tell what the server supports, and may send what it does not understand.",
)
def versions(target: Target) -> Finding:
    """The scope names the version of ASGI, and that of the HTTP specification."""
    asgi = plain(scope_of(target).get("asgi"))
    if not isinstance(asgi, dict) or asgi.get("version") not in ("2.0", "3.0"):
        return failed(f"expected asgi with version '3.0', found {asgi!r}")
    if not isinstance(asgi.get("spec_version", "2.0"), str):
        return failed(f"expected spec_version as text, found {asgi!r}")
    return passed(f"asgi = {asgi}", asgi.get("spec_version", "2.0"))


@CHECKS.check(
    "scope-extensions",
    "Scope: extensions",
    _SOURCE,
    quote="This is achieved via an extensions entry in the scope dictionary, which is itself a dict.",
    consequence="Frameworks that look for an extension fail on every request.",
)
def extensions(target: Target) -> Finding:
    """The extensions that the server supports are a dict, with a dict for each."""
    return judge_extensions(scope_of(target), TRIED)
