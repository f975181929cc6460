"""Errors when results are written."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def writing(results: Path) -> Iterator[None]:
    """Turn an `OSError` in the block into a `UsageError` that names the folder for results."""
    try:
        yield
    except OSError as error:
        found = f"{results} ({error.strerror})"
        raise UsageError(f"--out: expected a folder that can be written to, found {found}") from error
