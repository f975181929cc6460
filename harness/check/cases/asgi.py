"""ASGI: what the app is told about a request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from harness.check.cases.http1 import CLEAR, HTTP1
from harness.check.clients.http1 import Wire, request, shown
from harness.check.model import Check, Finding, ProtocolFault, failed, passed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.check.model import Force
    from harness.check.target import Target

_SOURCE = "ASGI HTTP 2.5 HTTP Connection Scope"
Scope = dict[str, Any]
"""Key to `{"type": …, "value": …}`, as the probe describes values."""


def scope_of(target: Target, path: str = "/scope", *lines: str) -> Scope:
    """The scope that the app was given for this request."""
    wire = Wire(target)
    wire.send(request(target, path, *lines))
    body = wire.answer().body
    try:
        scope: Scope = json.loads(body)["value"]
    except (ValueError, LookupError, TypeError) as error:
        raise ProtocolFault(f"expected the scope as JSON, found {shown(body)}") from error
    return scope


def plain(described: Any) -> Any:
    """A described value without its types, bytes as text."""
    if described is None:
        return None
    value = described["value"]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def _types(target: Target) -> Finding:
    scope = scope_of(target, "/scope?a=b")
    wanted = {"http_version": "str", "method": "str", "path": "str", "query_string": "bytes", "asgi": "dict"}
    optional = {"scheme": "str", "raw_path": "bytes", "root_path": "str", "state": "dict", "extensions": "dict"}
    wrong = [f"{key} missing" for key in (*wanted, "headers") if key not in scope]
    for key, kind in (wanted | optional).items():
        if key in scope and scope[key]["type"] not in (kind, *(["NoneType"] if key in optional else [])):
            wrong.append(f"{key} is {scope[key]['type']}, not {kind}")
    found = ", ".join(f"{key}: {value['type']}" for key, value in scope.items())
    return failed(f"expected the keys and types of the source: {'; '.join(wrong)}\n{found}") if wrong else passed(found)


def _equal(path: str, *wanted: tuple[str, Any]) -> Callable[[Target], Finding]:
    """A run in which these keys of the scope of `path` have these values; an optional one may be left out."""

    def run(target: Target) -> Finding:
        scope = scope_of(target, path)
        found = {key: plain(scope.get(key)) for key, _ in wanted}
        wrong = [key for key, value in wanted if found[key] != value and not (found[key] is None and key in _OPTIONAL)]
        words = ", ".join(f"{key} = {value!r}" for key, value in found.items())
        if wrong:
            expected = ", ".join(f"{key} = {value!r}" for key, value in wanted)
            return failed(f"expected {expected}, found {words} for GET {path}")
        return passed(f"{words} for GET {path}")

    return run


_OPTIONAL = ("raw_path", "root_path")


def _headers(target: Target) -> Finding:
    scope = scope_of(target, "/scope", "X-Twice: one", "X-Other: \u00e9", "x-tWICE: two")
    headers = scope["headers"]["value"]
    kinds = {part["type"] for pair in headers for part in pair["value"]}
    pairs = [tuple(part["value"] for part in pair["value"]) for pair in headers]
    twice = [value for name, value in pairs if name.lower() == "x-twice"]
    other = [value for name, value in pairs if name.lower() == "x-other"]
    if kinds != {"bytes"}:
        return failed(f"expected bytes, found {', '.join(sorted(kinds))}: {pairs}")
    if twice != ["one", "two"] or other != ["\u00e9"]:
        return failed(f"expected every value as it was sent and in order, found {pairs}")
    return passed(f"{pairs}")


def _lower_case(target: Target) -> Finding:
    headers = scope_of(target, "/scope", "X-Upper: Value")["headers"]["value"]
    names = [pair["value"][0]["value"] for pair in headers]
    if upper := [name for name in names if name != name.lower()]:
        return failed(f"expected names in lower case, found {', '.join(upper)}")
    return passed(", ".join(names))


def _addresses(target: Target) -> Finding:
    wire = Wire(target)
    own_port = wire.socket.getsockname()[1]
    wire.send(request(target, "/scope"))
    scope: Scope = json.loads(wire.answer().body)["value"]
    wrong = []
    for key, port in (("client", own_port), ("server", target.port)):
        if key in scope and plain(scope[key]) is not None and plain(scope[key]) != [target.host, port]:
            kinds = [part["type"] for part in scope[key]["value"]]
            wrong.append(f"{key} = {plain(scope[key])} of {' and '.join(kinds)}, not {[target.host, port]}")
    found = ", ".join(f"{key} = {plain(scope.get(key))}" for key in ("client", "server"))
    return (
        failed(f"expected a host as text and a port as a number, found {'; '.join(wrong)}") if wrong else passed(found)
    )


def _scheme(target: Target) -> Finding:
    wanted = "https" if target.tls else "http"
    found = plain(scope_of(target).get("scheme"))
    if (found or "http") != wanted:
        return failed(f"expected scheme {wanted}, found {found!r}")
    return passed(f"scheme = {found!r}")


def _method_version(target: Target) -> Finding:
    found: list[tuple[str, str]] = []
    wanted = [("1.1", "PATCH"), ("1.0", "GET")]
    for version, method in wanted:
        wire = Wire(target)
        wire.send(f"{method} /scope HTTP/{version}\r\nHost: {target.authority}\r\n\r\n".encode())
        scope: Scope = json.loads(wire.answer().body)["value"]
        found.append((plain(scope["http_version"]), plain(scope["method"])))
    return (
        passed(f"http_version and method: {found}") if found == wanted else failed(f"expected {wanted}, found {found}")
    )


def _versions(target: Target) -> Finding:
    asgi = plain(scope_of(target).get("asgi"))
    if not isinstance(asgi, dict) or asgi.get("version") not in ("2.0", "3.0"):
        return failed(f"expected asgi with version '3.0', found {asgi!r}")
    if not isinstance(asgi.get("spec_version", "2.0"), str):
        return failed(f"expected spec_version as text, found {asgi!r}")
    return passed(f"asgi = {asgi}", asgi.get("spec_version", "2.0"))


def _extensions(target: Target) -> Finding:
    return judged_extensions(plain(scope_of(target).get("extensions")), TRIED)


TRIED = {
    "http.response.trailers": "extension-trailers",
    "http.response.early_hint": "extension-early-hint",
    "http.response.pathsend": "extension-pathsend",
    "websocket.http.response": "ws-response",
}
"""Extensions, and the checks that try them for HTTP/1.1."""


def judged_extensions(found: Any, tried: Mapping[str, str]) -> Finding:
    """Are they a dict of dicts? Which are there, and which of them has no check of its own?"""
    extensions = found or {}
    if not isinstance(extensions, dict):
        return failed(f"expected a dict of extensions, found {extensions!r}")
    if odd := {name: value for name, value in extensions.items() if not isinstance(value, dict)}:
        return failed(f"expected a dict for each extension, found {odd}")
    told = [f"{name} ({tried.get(name, 'no check of its own')})" for name in sorted(extensions)]
    short = [name.removeprefix("http.response.") for name in sorted(extensions)]
    return passed(f"advertised: {', '.join(told) or 'none'}", ", ".join(short) or "none")


def _check(
    name: str,
    title: str,
    expectation: str,
    run: Callable[[Target], Finding],
    *,
    tls: bool = False,
    force: Force = "must",
) -> Check:
    return Check(name, title, HTTP1 if tls else CLEAR, expectation, _SOURCE, run, force=force)


CHECKS = (
    _check(
        "scope-types",
        "Scope: keys and types",
        "The scope has the keys of an HTTP connection, each of its type.",
        _types,
    ),
    _check(
        "scope-method-version",
        "Scope: method and http_version",
        "method is the method in upper case, http_version one of 1.0, 1.1 and 2.",
        _method_version,
    ),
    _check("scope-scheme", "Scope: scheme", "scheme is http, or https over TLS.", _scheme, tls=True),
    _check(
        "scope-path",
        "Scope: path",
        "path is the target without its query, percent-encoded sequences and UTF-8 decoded; raw_path, which is "
        "optional, is unmodified.",
        _equal("/scope/a%20b/%C3%A9%2Fc?q", ("path", "/scope/a b/\u00e9/c"), ("raw_path", "/scope/a%20b/%C3%A9%2Fc")),
    ),
    _check(
        "scope-query",
        "Scope: query_string",
        "query_string is what stands after the ?, percent-encoded.",
        _equal("/scope?a=%20b&c=%C3%A9+d&?", ("query_string", "a=%20b&c=%C3%A9+d&?")),
    ),
    _check(
        "scope-root-path",
        "Scope: root_path",
        "root_path is empty unless the app is mounted.",
        _equal("/scope", ("root_path", "")),
    ),
    _check(
        "scope-headers",
        "Scope: headers",
        "headers are pairs of byte strings; duplicates and the order of values must be preserved.",
        _headers,
    ),
    _check(
        "scope-header-case",
        "Scope: names of headers",
        "Names of headers should be lower-case, which is not required.",
        _lower_case,
        force="should",
    ),
    _check(
        "scope-addresses",
        "Scope: client and server",
        "client and server are the host as text and the port as an integer; both are optional.",
        _addresses,
    ),
    _check(
        "scope-asgi",
        "Scope: asgi versions",
        "asgi has the version of ASGI and that of the HTTP specification.",
        _versions,
    ),
    _check(
        "scope-extensions",
        "Scope: extensions",
        "Extensions that the server supports are a dict, with a dict for each.",
        _extensions,
    ),
)
