from __future__ import annotations

from typing import TYPE_CHECKING

from harness.cli.terminal import Screen, show_ceiling
from harness.run.calibration.ceiling import Ceiling

if TYPE_CHECKING:
    import pytest


def test_a_ceiling_is_a_rate_or_the_reason_why_there_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()
    show_ceiling(screen, "h1", Ceiling(78_471.2, of_generator=True), spoken=True)
    show_ceiling(screen, "h1-tls", Ceiling(32_461, of_generator=False), spoken=True)
    show_ceiling(screen, "h2", None, spoken=True)
    show_ceiling(screen, "h3", None, spoken=False)
    assert capsys.readouterr().out.splitlines() == [
        "  h1          78,471 requests/s",
        "  h1-tls      32,461 requests/s or more: the null server or other processes were the limit",
        "  h2      none was measured",
        "  h3      the null server does not speak it",
    ]
