"""HTML pages from templates."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from harness.text.plain import neutralise

if TYPE_CHECKING:
    from pathlib import Path

    from jinja2 import Template


@cache
def read_template(path: Path) -> Template:
    """A template that escapes and neutralises every value, and rejects names it was not given."""
    environment = Environment(
        loader=FileSystemLoader(path.parent),
        autoescape=True,
        finalize=_finalise,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(path.name)


def _finalise(value: object) -> object:
    """A value as it is shown; what is HTML already stays as it is."""
    return neutralise(value) if isinstance(value, str) and not hasattr(value, "__html__") else value
