from __future__ import annotations

from harness.charts import memory
from tests import synthetic
from tests.drawings import words_in
from tests.reported import ASKED, RUN
from tests.synthetic import Fault


def test_invalid_numbers_are_left_out() -> None:
    fault = Fault("invalid", ("no",))
    comparisons = synthetic.summaries(
        ("uvicorn", "daphne"), ASKED[:1], lambda case: fault if case.server == "daphne" else None, 200
    )
    said = words_in(memory.draw(comparisons, RUN))
    assert "uvicorn" in said
    assert "daphne" not in said
