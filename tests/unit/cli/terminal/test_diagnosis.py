from __future__ import annotations

from typing import TYPE_CHECKING

from harness.analysis.diagnosis import Check
from harness.analysis.noise import Noise
from harness.cli.terminal import Screen, show_checks, show_machine, show_noise
from harness.model.summaries import Ratio
from tests import synthetic

if TYPE_CHECKING:
    import pytest


def test_the_machine_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    show_machine(Screen(), synthetic.machine())
    assert capsys.readouterr().out == (
        "AMD EPYC 7B13 64-Core Processor, 2 CPUs, 9 GB, Linux 6.1.0-28-amd64, Debian GNU/Linux 12 (bookworm)\n"
    )


def test_a_check_that_is_not_ok_says_what_would_be_and_how_to_get_there(capsys: pytest.CaptureFixture[str]) -> None:
    checks = [Check("CPUs", "ok", "8"), Check("governor", "note", "powersave", "performance", "cpupower [-g]")]
    show_checks(Screen(), checks)
    assert capsys.readouterr().out.splitlines() == [
        "ok      CPUs            8",
        "note    governor        powersave",
        "                        right: performance",
        "                        to do: cpupower [-g]",
    ]


def test_noise_is_printed_with_its_false_differences_and_what_is_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    found = Noise(
        "uvicorn",
        2,
        0.5,
        (9_000.0, 9_400.0, 8_800.4, 9_100.0),
        0.07,
        Ratio(1.01, 0.98, 1.04),
        None,
        0.034,
        None,
        0.021,
        1,
        ("busy",),
    )
    show_noise(Screen(), found)
    assert [line.strip() for line in capsys.readouterr().out.splitlines()] == [
        "4 samples of 0.5 s in 2 rounds",
        "requests/s from 8,800 to 9,400",
        "false difference in requests/s +1.0% (-2.0% to +4.0%); resolves 3.4% in 5 rounds",
        "false difference in CPU per request not known",
        "a run of 5 rounds × 2 s here: ratios to about ±2.1%, "  # noqa: ISC004 - one line of output
        "absolute numbers will be marked, since 1 of 4 samples were disturbed",
        "busy",
    ]
