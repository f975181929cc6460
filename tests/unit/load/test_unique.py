"""New values for `{unique}`: in each request another one, whatever the protocol, the user and the process."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load import http1, http2_messages, unique
from harness.load.exchange import Request, get, post
from harness.model.unique import UNIQUE_LETTERS

ENCODERS: dict[str, Callable[[Request], bytes]] = {
    "h1": lambda request: http1.encode(request, "a"),
    "h2": lambda request: http2_messages.encode(request, "http", "a"),
}


def test_values_are_letters_of_one_length_and_never_the_same() -> None:
    values = [unique.draw_value() for _ in range(1000)]
    assert len(set(values)) == 1000
    assert {len(each) for each in values} == {UNIQUE_LETTERS}
    assert all(each.isalpha() and each.islower() and each.isascii() for each in values)


def test_a_forked_process_has_other_values() -> None:
    unique.draw_value()
    reading, writing = os.pipe()
    if (pid := os.fork()) == 0:
        os.write(writing, unique.draw_value().encode())
        os._exit(0)
    os.waitpid(pid, 0)
    forked = os.read(reading, 100).decode()
    assert forked[: unique._RANDOM] != unique.draw_value()[: unique._RANDOM]


def test_when_all_are_counted_another_beginning_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unique, "ascii_lowercase", "ab")
    values = list(itertools.islice(unique._draw(), 2**unique._COUNTED + 1))
    assert values[0][unique._RANDOM :] == values[-1][unique._RANDOM :]


@pytest.mark.parametrize("name", ENCODERS)
@given(
    before=st.text("ab/", max_size=5),
    after=st.binary(max_size=5),
    in_header=st.booleans(),
    authority=st.sampled_from("ab"),
)
def test_a_request_is_encoded_as_if_its_values_had_been_written(
    name: str, before: str, after: bytes, in_header: bool, authority: str
) -> None:
    headers = (("x-key", "{unique}"),) if in_header else ()
    request = Request("POST", f"/{before}{{unique}}", headers, b"{unique}" + after)
    bodies = set()
    for _ in range(3):
        head, body = unique.encode(request, authority, ENCODERS[name])
        value = body[:UNIQUE_LETTERS].decode()
        assert head == ENCODERS[name](unique.fill(request, value))
        assert body == value.encode() + after
        bodies.add(body)
    assert len(bodies) == 3
    assert request.encoded_for == ""


def test_a_request_without_it_is_encoded_once() -> None:
    request = get("/{other}")
    unique.encode(request, "a", ENCODERS["h1"])
    assert (request.encoded_for, request.encoded) == ("a", http1.encode(request, "a"))


def test_only_path_headers_and_body_are_filled_in() -> None:
    request = post("/{unique}", b"{unique}", "text/plain", name="POST /{unique}", expected_body=b"{unique}")
    filled = unique.fill(request, "x")
    assert (filled.path, filled.body, filled.name, filled.expected_body) == ("/x", b"x", "POST /{unique}", b"{unique}")
