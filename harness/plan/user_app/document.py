"""Reads the text of an OpenAPI document, in JSON or YAML, and finds the links to one in a page. Pure."""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from html import unescape
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urljoin, urlsplit

import yaml

from harness.plan.user_app.swagger import upgrade_swagger

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

_Safe: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The C loader reads a document of 1 MB in half a second, the other one in ten."""
_TAG = "tag:yaml.org,2002:"


class _Loader(_Safe):  # type: ignore[misc] # the library has no types
    """YAML as OpenAPI has it: the values of JSON only, so that `2026-01-31`, `12:30` and `no` are texts.

    OpenAPI 3.1, §4.3; YAML 1.2.2, §10.2 JSON Schema. Keys are texts, and other tags mean nothing.
    """

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}
    yaml_constructors: ClassVar[dict[str, Any]] = {
        tag: _Safe.yaml_constructors[tag]
        for tag in (f"{_TAG}{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map"))
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        self.flatten_mapping(node)  # `<<`, which people use although JSON has no such key
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                key.tag = f"{_TAG}str"
        found: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return found


for _name, _pattern, _first in (
    ("merge", r"<<", ["<"]),
    ("null", r"null|Null|NULL|~|", ["n", "N", "~", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"-?(?:0|[1-9][0-9]*)", list("-0123456789")),
    ("float", r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?", list("-0123456789")),
):
    _Loader.add_implicit_resolver(f"{_TAG}{_name}", re.compile(f"^(?:{_pattern})$"), _first)

_LINKS = (
    re.compile(r"""(?:spec-?url|\burl|data-url)["']?\s*[:=]\s*["']([^"'<>\s]+)["']""", re.IGNORECASE),
    re.compile(r"""href\s*=\s*["']([^"'<>\s]*(?:openapi|swagger|schema)[^"'<>\s]*)["']""", re.IGNORECASE),
    re.compile(r"""["']([^"'<>\s]*(?:openapi|swagger)[^"'<>\s/]*\.(?:json|ya?ml))["']""", re.IGNORECASE),
)
"""Where pages name the document: options of Swagger UI, ReDoc and Scalar first, then links, then any such text."""


def parse_document(text: bytes) -> dict[str, Any]:
    """Read an OpenAPI document, one of Swagger 2 as OpenAPI 3; raises `ValueError` that says what the text is instead.

    What is no character, half of a surrogate pair in JSON, becomes a question mark: it cannot be sent.
    """
    try:
        found = json.loads(text)
        if b"\\ud" in text.lower():
            found = json.loads(json.dumps(found, ensure_ascii=False).encode(errors="replace"))
    except RecursionError:
        raise ValueError("values that are nested too deep") from None
    except ValueError as error:
        found = _parse_yaml(text, error)
    if not isinstance(found, dict) or "paths" not in found:
        raise ValueError("no `paths`")
    return upgrade_swagger(found) if "swagger" in found else found


def _parse_yaml(text: bytes, no_json: ValueError) -> Any:
    """`no_json` says why the text is no JSON, which it is meant to be if it begins so."""
    try:
        plain = text.decode("utf-16" if text.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8")
        if "paths" not in plain or plain.lstrip().startswith("<"):
            return None  # to read a page as YAML would take long
        return yaml.load(plain, _Loader)  # noqa: S506 - a safe loader
    except UnicodeDecodeError as error:
        line = text[: error.start].count(b"\n") + 1
        raise ValueError(
            f"in line {line}, a byte {text[error.start]:#04x} that is not {error.encoding.upper()}"
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(_explain(no_json if text.lstrip().startswith(b"{") else error)) from None


def _explain(error: Exception) -> str:
    """What is wrong with a text, and where, in one line."""
    match error:
        case yaml.MarkedYAMLError(problem=str(problem), problem_mark=mark) if mark is not None:
            return f"in line {mark.line + 1}, {problem}"
        case json.JSONDecodeError():
            return f"in line {error.lineno}, {error.msg[:1].lower()}{error.msg[1:]}"
        case RecursionError():
            return "values that are nested too deep"
    return " ".join(str(error).split())


def find_links(page: bytes, path: str) -> Iterator[str]:
    """Find the paths that a page at this path names as those of its document, the likeliest first, each once."""
    text = page.decode(errors="replace")
    found: dict[str, None] = {}
    for pattern in _LINKS:
        for link in pattern.findall(text):
            target = urlsplit(urljoin(path, unescape(link).replace("\\/", "/")))
            if target.scheme == target.netloc == "" and target.path.startswith("/"):
                found.setdefault(f"{target.path}?{target.query}" if target.query else target.path)
    return iter(found)
