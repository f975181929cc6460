from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.text.plain import neutralise


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET / → 200, naïve 漢字 🙂\n\tnext", "GET / → 200, naïve 漢字 🙂\n\tnext"),
        ("\x1b[31mno database\x1b[0m", "no database"),
        ("\x1b]0;title\x07", "\\u001b]0;title\\u0007"),
        ("\x1b[2J\x1b[H", "\\u001b[2J\\u001b[H"),
        ("\x9b2J", "\\u009b2J"),
        ("50 %\rdone\x08\x7f", "50 %\\u000ddone\\u0008\\u007f"),
        ("first\r\nsecond", "first\nsecond"),
        ("user\u202egnp.exe\u2066x\u2069", "user\\u202egnp.exe\\u2066x\\u2069"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_a_terminal_would_obey_is_written_out(text: str, shown: str) -> None:
    assert neutralise(text) == shown


@given(st.text(st.characters()))
def test_what_is_safe_is_left_and_nothing_unsafe_is(text: str) -> None:
    shown = neutralise(text)
    assert neutralise(shown) == shown
    assert all(each in "\n\t" or each.isprintable() or ord(each) > 0x9F for each in shown)
    assert not any(0xD800 <= ord(each) < 0xE000 for each in shown)


@given(st.text())
def test_inside_json_nothing_is_lost(text: str) -> None:
    document = json.dumps(text.replace("\x1b", ""), ensure_ascii=False)
    assert json.loads(neutralise(document)) == text.replace("\x1b", "")
