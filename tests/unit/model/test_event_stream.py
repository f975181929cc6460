"""Events in bodies that come in parts: the same ones however the bytes are cut."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.event_stream import EVENT_STREAM, Stream, count_events
from tests.pieces import cut

NDJSON = "application/x-ndjson"
LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r"])
LINES = st.sampled_from(
    [
        "",
        "",
        "data",
        "data:",
        "data: a",
        "data: " + "x" * 50,
        ": ping",
        "id: 7",
        "event: data",
        "dataset: 1",
        " data: a",
    ]
)


def count(media_type: str, *parts: bytes) -> int:
    """Feed the parts; every end lies within its part, after the one before."""
    counter, total = count_events(media_type), 0
    for part in parts:
        ends = counter.feed(part)
        assert ends == sorted(set(ends))
        assert all(0 < end <= len(part) for end in ends)
        total += len(ends)
    return total + counter.finish()


def count_whole(body: str) -> int:
    """What a browser dispatches, read line by line from the whole body."""
    lines, found, has_data = re.split(r"\r\n|\n|\r", body.removeprefix("\ufeff"))[:-1], 0, False
    for line in lines:
        if not line:
            found, has_data = found + has_data, False
        has_data = has_data or line.partition(":")[0] == "data"
    return found


@pytest.mark.parametrize(
    ("body", "events"),
    [
        (b"data: a\n\n", 1),
        (b"data: a\ndata: b\n\n", 1),
        (b"data\n\n", 1),
        (b"\xef\xbb\xbfdata: a\n\n", 1),
        (b"event: x\r\nid: 1\r\ndata: a\r\n\r\ndata: b\r\n\r\n", 2),
        (b"data: a\r\rdata: b\r\r", 2),
        (b"data: a\n\n\n\n", 1),
        (b": ping\n\n", 0),
        (b"retry: 100\n\n", 0),
        (b"dataset: 1\n\n", 0),
        (b"data: a\n", 0),
        (b"data: a", 0),
        (b"", 0),
    ],
)
def test_an_event_is_what_a_browser_dispatches(body: bytes, events: int) -> None:
    assert count(EVENT_STREAM, body) == events
    assert count(EVENT_STREAM, *(body[at : at + 1] for at in range(len(body)))) == events


@given(st.lists(st.tuples(LINES, LINE_ENDS)), st.booleans(), st.lists(st.integers(0, 2**16)))
def test_any_cut_of_a_stream_has_the_same_events(lines: list[tuple[str, str]], mark: bool, places: list[int]) -> None:
    body = ("\ufeff" if mark else "") + "".join(line + end for line, end in lines)
    assert count(EVENT_STREAM, *cut(body.encode(), places) if body else ()) == count_whole(body)


@given(st.lists(st.sampled_from(["{}", " ", "", "[1]\r", "\r"])), st.booleans(), st.lists(st.integers(0, 2**16)))
def test_a_line_that_is_not_blank_is_an_event_of_line_delimited_json(
    lines: list[str], closed: bool, places: list[int]
) -> None:
    body = "\n".join(lines) + "\n" * closed
    events = sum(bool(line.strip()) for line in body.split("\n"))
    assert count(NDJSON, *cut(body.encode(), places) if body else ()) == events


def test_a_part_as_it_comes_is_an_event_of_any_other_type() -> None:
    assert count("text/plain", b"a\n\n", b"b") == 2


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"events": 0}, "events of at least 1, found 0"),
        ({"seconds": 0}, "seconds of more than 0, found 0"),
        ({"events": 2, "at_least": 3}, "at_least from 0 to 2, found 3"),
        ({"at_least": -1}, "at_least from 0, found -1"),
    ],
)
def test_limits_that_make_no_sense_are_refused(limits: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Stream(**limits)
