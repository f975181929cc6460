"""Which formats `harness export` writes: to add one, put a file into `formats/`."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING

from harness.report import formats

if TYPE_CHECKING:
    from harness.report.formats import Format


@cache
def list_formats() -> tuple[Format, ...]:
    """All formats of the modules in `formats/`, in the order of the file names."""
    names = sorted(info.name for info in pkgutil.iter_modules(formats.__path__))
    modules = [importlib.import_module(f"{formats.__name__}.{name}") for name in names]
    return tuple(each for module in modules for each in module.FORMATS)
