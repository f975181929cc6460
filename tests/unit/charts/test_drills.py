from __future__ import annotations

import pytest

from harness.charts._drills import Bar, Panel, Row, draw
from tests.drawings import fits, words_in

SERVERS = ("uvicorn", "granian", "gunicorn-uvicorn", "hypercorn", "daphne")


def bars(*values: float) -> tuple[Bar, ...]:
    return tuple(Bar(value, 0.9 * value, 1.2 * value, f"{value:g} things of a kind") for value in values)


def panel(title: str, *values: float) -> Panel:
    return Panel(title, "s", tuple(Row(server, bars(*values)) for server in SERVERS))


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_every_bar_has_its_label_and_everything_fits(count: int) -> None:
    figure = draw("Drills", "What was seen.", ["footer"], [panel(f"Drill {each}", 1, 2, 3) for each in range(count)])
    assert figure is not None
    said = words_in(figure)
    assert said.count("3 things of a kind") == count * len(SERVERS)
    assert fits(figure)


def test_a_server_without_numbers_has_its_note() -> None:
    figure = draw(
        "Drills", "", [], [Panel("Orphans", "s", (Row("uvicorn", bars(1)), Row("granian", (), "go on serving")))]
    )
    assert figure is not None
    assert "go on serving" in words_in(figure)


def test_nothing_seen_is_no_chart() -> None:
    assert draw("Drills", "", [], [Panel("Orphans", "s", (Row("granian", (), "–"),))]) is None


@pytest.mark.parametrize("values", [(0.0, 0.0), (0.0, 5000.0), (1.0, 5000.0)])
def test_one_server_that_is_far_worse_does_not_hide_the_others(values: tuple[float, float]) -> None:
    rows = tuple(Row(server, bars(value)) for server, value in zip(SERVERS[:2], values, strict=True))
    figure = draw("Drills", "", [], [Panel("Lost", "requests", rows)])
    assert figure is not None
    assert fits(figure)
