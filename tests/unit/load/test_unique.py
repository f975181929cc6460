"""New values for `{unique}`: in each request another one, whatever the protocol, the user and the process."""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load import http1, http2_messages, unique
from harness.load.exchange import Message, Request, get, post
from harness.model.unique import PLACEHOLDERS, UNIQUE_INTS, UNIQUE_LETTERS

ENCODERS: dict[str, Callable[[Request], bytes]] = {
    "h1": lambda request: http1.encode(request, "a"),
    "h2": lambda request: http2_messages.encode(request, "http", "a"),
}


PATTERNS = {
    "{unique}": rf"[a-z]{{{UNIQUE_LETTERS}}}",
    "{unique:int}": r"[1-8]\d{15}",
    "{unique:uuid}": r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
}
"""How the values look; a UUID is one of version 4 (RFC 9562, 5.4)."""


def test_there_is_a_value_for_each_placeholder() -> None:
    assert set(PATTERNS) == set(PLACEHOLDERS)


@pytest.mark.parametrize("placeholder", PLACEHOLDERS)
def test_values_have_one_form_and_are_never_the_same(placeholder: str) -> None:
    values = [unique.draw_values([placeholder])[placeholder] for _ in range(1000)]
    assert len(set(values)) == 1000
    assert len(set(map(len, values))) == 1
    assert all(re.fullmatch(PATTERNS[placeholder], each) for each in values)


def test_numbers_are_exact_in_json_everywhere() -> None:
    assert UNIQUE_INTS[0] > 0
    assert UNIQUE_INTS[-1] < 2**53


@pytest.mark.parametrize("placeholder", PLACEHOLDERS)
def test_a_forked_process_has_other_values(placeholder: str) -> None:
    """What a process counts on from is its own: values that follow each other differ in their last digits only."""
    unique.draw_values([placeholder])
    reading, writing = os.pipe()
    if (pid := os.fork()) == 0:
        os.write(writing, unique.draw_values([placeholder])[placeholder].encode())
        os._exit(0)
    os.waitpid(pid, 0)
    forked = os.read(reading, 100).decode()
    assert forked[:10] != unique.draw_values([placeholder])[placeholder][:10]


def test_when_all_are_counted_another_beginning_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unique, "ascii_lowercase", "ab")
    values = list(itertools.islice(unique._draw_letters(), 2**unique._COUNTED + 1))
    assert values[0][unique._RANDOM :] == values[-1][unique._RANDOM :]


def test_numbers_go_on_with_the_first_after_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unique, "UNIQUE_INTS", range(5, 8))
    assert set(itertools.islice(unique._draw_ints(), 5)) == {"5", "6", "7"}


@pytest.mark.parametrize("name", ENCODERS)
@given(
    before=st.text("ab/", max_size=5),
    after=st.binary(max_size=5),
    in_header=st.booleans(),
    authority=st.sampled_from("ab"),
    placeholders=st.lists(st.sampled_from(PLACEHOLDERS), min_size=1, max_size=4),
)
def test_a_request_is_encoded_as_if_its_values_had_been_written(
    name: str, before: str, after: bytes, in_header: bool, authority: str, placeholders: list[str]
) -> None:
    headers = (("x-key", placeholders[0]),) if in_header else ()
    request = Request("POST", f"/{before}{placeholders[0]}", headers, " ".join(placeholders).encode() + b" " + after)
    bodies = set()
    for _ in range(3):
        head, body = unique.encode(request, authority, ENCODERS[name])
        found = body.decode("latin-1").split(" ")
        values = dict(zip(placeholders, found, strict=False))
        assert head == ENCODERS[name](unique.fill(request, values))
        assert body == " ".join(values[each] for each in placeholders).encode() + b" " + after
        assert all(re.fullmatch(PATTERNS[each], value) for each, value in values.items())
        bodies.add(body)
    assert len(bodies) == 3
    assert request.encoded_for == ""


def test_a_request_without_it_is_encoded_once() -> None:
    request = get("/{other}")
    unique.encode(request, "a", ENCODERS["h1"])
    assert (request.encoded_for, request.encoded) == ("a", http1.encode(request, "a"))


def test_only_path_headers_and_body_are_filled_in() -> None:
    request = post("/{unique}", b"{unique}", "text/plain", name="POST /{unique}", expected_body=b"{unique}")
    filled = unique.fill(request, {"{unique}": "x"})
    assert (filled.path, filled.body, filled.name, filled.expected_body) == ("/x", b"x", "POST /{unique}", b"{unique}")


def test_a_message_is_filled_in_with_what_it_expects_to_be_repeated() -> None:
    message = Message(b'{"id": "{unique:uuid}", "n": {unique:int}}', expected_body=b"{unique:int}", name="{unique}")
    first, second = unique.fill_message(message), unique.fill_message(message)
    assert first.data != second.data
    assert first.expected_body != second.expected_body
    assert isinstance(first.expected_body, bytes)
    assert first.data is not None
    assert int(first.expected_body) == json.loads(first.data)["n"]
    assert first.name == "{unique}"


def test_what_a_message_expects_is_taken_as_it_is_unless_its_data_are_new_each_time() -> None:
    assert Message(b"a", expected_body=b"{unique}").placeholders == ()
