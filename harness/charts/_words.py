"""Results of charts in words, for readers who do not see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.analysis.naming import CONTROL_SUFFIX
from harness.text.numbers import interval, significant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.model.summaries import Estimate

NAMED = 3
"""So many candidates are named in a sentence, and the last one."""
NO_NUMBERS = "no valid number"


def list_best(title: str, found: Sequence[tuple[str, str]], unit: str) -> str:
    """`plaintext · HTTP/1.1, requests/s: granian 9,400, uvicorn 9,100, gunicorn 7,900, last of 8: daphne 2,900.`

    `found` are names and figures, the best first; controls are left out.
    """
    found = [each for each in found if not each[0].endswith(CONTROL_SUFFIX)]
    said = [f"{name} {figure}" for name, figure in found[:NAMED]]
    if len(found) > NAMED:
        said.append(f"last of {len(found)}: {' '.join(found[-1])}")
    return f"{title}, {unit}: {', '.join(said) or NO_NUMBERS}."


def write_estimate(estimate: Estimate) -> str:
    """`9,400 (9,100 – 9,700)`."""
    within = interval(estimate.low, estimate.high, significant)
    return significant(estimate.median) + (f" ({within})" if within else "")
