from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness import report
from harness.analysis.results import Results
from harness.catalog import listing
from tests.reported import COMPARISONS, RUN

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a report with one case of every verdict."""
    directory = tmp_path_factory.mktemp("run")
    report.write(directory, Results(RUN, COMPARISONS), report.draw(listing.charts(), RUN, COMPARISONS))
    return directory
