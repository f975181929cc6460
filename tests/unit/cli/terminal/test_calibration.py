from __future__ import annotations

from typing import TYPE_CHECKING

from harness.cli.terminal import Screen, show_ceiling

if TYPE_CHECKING:
    import pytest


def test_a_ceiling_is_a_rate_or_the_reason_why_there_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()
    show_ceiling(screen, "h1", 78_471.2, spoken=True)
    show_ceiling(screen, "h2", None, spoken=True)
    show_ceiling(screen, "h3", None, spoken=False)
    assert capsys.readouterr().out.splitlines() == [
        "  h1          78,471 requests/s",
        "  h2      none was measured",
        "  h3      the null server does not speak it",
    ]
