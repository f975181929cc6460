"""`harness calibrate` on the terminal."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from harness.text.numbers import significant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.cli.terminal.screen import Screen
    from harness.model.protocols import Protocol
    from harness.run.calibration.ceiling import Ceiling
    from harness.run.calibration.others import RateRatio


def show_ceiling(screen: Screen, protocol: Protocol, ceiling: Ceiling | None, *, spoken: bool) -> None:
    """Print the generator's ceiling on a protocol, or why there is none; `spoken`: the null server speaks it."""
    if ceiling is None:
        screen.say(f"  {protocol:7} {'none was measured' if spoken else 'the null server does not speak it'}")
        return
    more = "" if ceiling.of_generator else " or more: the null server or other processes were the limit"
    screen.say(f"  {protocol:7} {significant(ceiling.rate_rps):>10} requests/s{more}")


def show_rate_ratios(screen: Screen, ratios: Iterable[RateRatio], pairs: int) -> None:
    """Print our generator against others, each line as soon as it is measured."""
    screen.say(f"\nOurs ÷ others, medians of {pairs} pairs in turn (smallest – largest ratio), and what is wanted:")
    for each in ratios:
        ratio = f"{each.ratio:5.2f} ({min(each.ratios):.2f} – {max(each.ratios):.2f})"
        floor = f"≥ {each.comparison.floor:g} {'met' if each.ratio >= each.comparison.floor else 'MISSED'}"
        rates = f"{significant(median(each.ours_rps)):>9} ÷ {significant(median(each.other_rps)):>9}"
        screen.say(f"  {each.target:11}  {each.comparison.title:45} {rates}  {ratio}  {floor}")
