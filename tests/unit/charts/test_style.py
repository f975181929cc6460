from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.charts import memory
from harness.charts._style import PALETTE, USUAL, colours, panels
from tests import synthetic
from tests.drawings import words_in
from tests.reported import RUN


def test_each_worker_count_has_a_panel() -> None:
    comparisons = synthetic.with_workers((1, 2), 0.8)
    assert list(panels(comparisons)) == ["plaintext · HTTP/1.1 · 1 worker", "plaintext · HTTP/1.1 · 2 workers"]
    said = words_in(memory.draw(comparisons, RUN))
    assert {"1 worker", "2 workers"} <= set(said)


@given(st.sets(st.text(min_size=1, max_size=8), max_size=len(PALETTE) - len(USUAL)), st.sets(st.sampled_from(USUAL)))
def test_colours_differ_within_a_chart_and_the_usual_servers_keep_theirs(others: set[str], usual: set[str]) -> None:
    chosen = colours([*others, *usual])
    assert chosen.keys() == others | usual
    assert len(set(chosen.values())) == len(chosen)
    assert all(chosen[name] == PALETTE[USUAL.index(name)] for name in usual)
    assert colours(sorted([*usual, *others], reverse=True)) == chosen


def test_as_many_apps_as_there_are_colours_all_differ() -> None:
    assert len(set(colours(f"app{number}" for number in range(len(PALETTE))).values())) == len(PALETTE)
