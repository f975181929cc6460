from __future__ import annotations

import pytest

from harness.text.suggestions import suggest

NAMES = ("uvicorn", "granian", "granian-mt", "gunicorn-uvloop", "--server", "--servers", "ws_echo", "graceful-stop")


@pytest.mark.parametrize(
    ("found", "meant"),
    [
        ("uvcorn", "uvicorn"),
        ("GRANIAN", "granian"),
        ("granian_mt", "granian-mt"),
        ("--serverz", "--server or --servers"),
        ("ws-echo", "ws_echo"),
        ("stop", "graceful-stop"),
        ("uvl", "gunicorn-uvloop"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_closest(found: str, meant: str) -> None:
    assert suggest(found, NAMES) == f"; did you mean {meant}?"


@pytest.mark.parametrize("found", ["", "a", "cherokee", "-", "so"])
def test_nothing_is_suggested_where_no_name_resembles_the_text(found: str) -> None:
    assert not suggest(found, NAMES)
