"""The ASGI scope as the probe app returns it from `/scope`, and what checks of several protocols ask of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from harness.check.clients.transcript import shown
from harness.check.model import Finding, ProtocolFault, failed, passed

if TYPE_CHECKING:
    from collections.abc import Mapping

Scope = dict[str, Any]
"""Maps each key to `{"type": …, "value": …}`, as the probe describes values."""


def read_scope(body: bytes) -> Scope:
    """The scope in a response; raises `ProtocolFault` if there is none."""
    try:
        scope: Scope = json.loads(body)["value"]
    except (ValueError, LookupError, TypeError) as error:
        raise ProtocolFault(f"expected the scope as JSON, found {shown(body)}") from error
    return scope


def header_pairs(scope: Scope) -> list[tuple[str, str]]:
    """The headers that the app was given, in order; raises `ProtocolFault` if they are not pairs."""
    try:
        return [(pair["value"][0]["value"], pair["value"][1]["value"]) for pair in scope["headers"]["value"]]
    except (LookupError, TypeError) as error:
        raise ProtocolFault(f"expected headers as pairs in the scope, found its keys {sorted(scope)}") from error


def header_values(scope: Scope, name: str) -> list[str]:
    """The values of one header that the app was given, in order."""
    return [value for found, value in header_pairs(scope) if found.lower() == name]


def plain(described: Any) -> Any:
    """A described value without its types, with bytes as text."""
    if described is None:
        return None
    value = described["value"]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def judge_extensions(scope: Scope, tried: Mapping[str, str]) -> Finding:
    """Are the extensions a dict of dicts? The evidence names the check that tries each, if there is one."""
    extensions = plain(scope.get("extensions")) or {}
    if not isinstance(extensions, dict):
        return failed(f"expected a dict of extensions, found {extensions!r}")
    if wrong := {name: value for name, value in extensions.items() if not isinstance(value, dict)}:
        return failed(f"expected a dict for each extension, found {wrong}")
    names = [f"{name} ({tried.get(name, 'no check for it')})" for name in sorted(extensions)]
    short = [name.removeprefix("http.response.") for name in sorted(extensions)]
    return passed(f"advertised: {', '.join(names) or 'none'}", ", ".join(short) or "none")
