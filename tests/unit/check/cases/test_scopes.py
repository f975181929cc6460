"""Scopes as the probe describes them, and what checks read from them."""

from __future__ import annotations

import json

import pytest

from harness.check.cases.scopes import header_values, judge_extensions, plain, read_scope
from harness.check.model import ProtocolFault


def text(value: str) -> dict[str, str]:
    return {"type": "bytes", "value": value}


def scope(**items: object) -> bytes:
    return json.dumps({"type": "dict", "value": items}).encode()


@pytest.mark.parametrize("body", [b"", b"hello", b"[]", b"{}"])
def test_a_response_without_a_scope_is_a_fault_of_the_server(body: bytes) -> None:
    with pytest.raises(ProtocolFault, match="expected the scope as JSON"):
        read_scope(body)


def test_the_values_of_a_header_are_found_whatever_the_case_of_its_name() -> None:
    pairs = [{"type": "tuple", "value": [text(name), text(value)]} for name, value in (("Host", "a"), ("host", "b"))]
    assert header_values(read_scope(scope(headers={"type": "list", "value": pairs})), "host") == ["a", "b"]


@pytest.mark.parametrize("headers", [None, {"type": "NoneType", "value": None}, {"type": "list", "value": [{}]}])
def test_headers_that_are_no_pairs_are_a_fault_of_the_server(headers: object) -> None:
    with pytest.raises(ProtocolFault, match="expected headers as pairs"):
        header_values(read_scope(scope(headers=headers)), "host")


def test_a_described_value_is_plain_without_its_types() -> None:
    assert plain({"type": "list", "value": [text("a"), {"type": "dict", "value": {"b": text("c")}}]}) == [
        "a",
        {"b": "c"},
    ]
    assert plain(None) is None


def test_an_extension_without_a_check_is_named() -> None:
    extensions = {"http.response.trailers": {"type": "dict", "value": {}}, "other": {"type": "dict", "value": {}}}
    described = read_scope(scope(extensions={"type": "dict", "value": extensions}))
    found = judge_extensions(described, {"http.response.trailers": "extension-trailers"})
    assert (found.result, found.value) == ("pass", "trailers, other")
    assert found.evidence == "advertised: http.response.trailers (extension-trailers), other (no check for it)"
