"""Which program a process runs, for a process tree that has several: a proxy and the server behind it."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_PYTHON = re.compile(r"(python|pypy)[\d.]*t?")
_WITH_VALUE = ("-W", "-X", "--check-hash-based-pycs")
"""Options of Python that take the next word; `python --help`."""
_TITLE = re.compile(r"[\w.+-]+(?=: )")
_UNUSUAL = re.compile(r"[^\w.+@-]+")
_LONGEST = 40


def name_program(argv: Sequence[str], parent: str = "") -> str:
    """The name of the program with this command line: `nginx`, `uvicorn`, `gunicorn`; `parent` is its parent's name.

    Of Python it is the module or the file that it runs. A process that Python has started to share its work, such as
    uvicorn's workers, runs code of its parent (`python -c …`). A title in place of a command line, as `nginx: worker
    process`, begins with the name.
    """
    first = argv[0] if argv else ""
    title = _TITLE.match(first)
    program = title[0] if title else PurePath(first if first.startswith("/") else first.partition(" ")[0]).name
    name = _name_module(argv) if _PYTHON.fullmatch(program) else program
    # Names are shown in reports, and a process may give itself any title.
    return _UNUSUAL.sub("", name or parent or program)[:_LONGEST] or "unknown"


def _name_module(argv: Sequence[str]) -> str | None:
    """What Python runs; None for code that another process hands over."""
    for before, word in pairwise(argv):
        if before in _WITH_VALUE:
            continue
        if not word.startswith("-"):
            module = before.startswith("-") and before.endswith("m")
            return word.partition(".")[0] if module else PurePath(word).name.removesuffix(".py")
        if word.startswith("-c"):
            return None
    return None
