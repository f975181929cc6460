from __future__ import annotations

from harness.charts import memory
from harness.charts._style import panels
from tests import synthetic
from tests.drawings import words_in
from tests.reported import RUN


def test_each_worker_count_has_a_panel() -> None:
    comparisons = synthetic.with_workers((1, 2), 0.8)
    assert list(panels(comparisons)) == ["plaintext · HTTP/1.1 · 1 worker", "plaintext · HTTP/1.1 · 2 workers"]
    said = words_in(memory.draw(comparisons, RUN))
    assert {"1 worker", "2 workers"} <= set(said)
