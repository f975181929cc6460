"""A transcript is short enough to read, whatever went over the connection."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.check.clients.transcript import SHOWN_BYTES, Transcript, shown


@given(st.binary(max_size=5000))
def test_bytes_are_shown_on_one_line_of_bounded_length(data: bytes) -> None:
    text = shown(data)
    assert text.isprintable()
    assert len(text) <= 4 * SHOWN_BYTES + 30


def test_bytes_in_one_direction_are_one_line_until_the_other_side_sends() -> None:
    transcript = Transcript()
    for arrow, data in (("→", b"GET "), ("→", b"/"), ("←", b"HTTP"), ("→", b"GET")):
        transcript.add_bytes(arrow, data)
    assert str(transcript).splitlines() == ["→ GET /", "← HTTP", "→ GET"]


def test_consecutive_lines_of_a_kind_are_counted_with_their_size() -> None:
    transcript = Transcript()
    for number in range(3):
        transcript.add("←", f"DATA 1 part {number}", "DATA 1", 1000)
    transcript.add("←", "PING")
    transcript.add("←", "PING")
    assert str(transcript).splitlines() == [
        "← 3 × DATA 1, 3,000 bytes in total, the last: DATA 1 part 2",
        "← PING",
        "← PING",
    ]
