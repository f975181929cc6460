"""What servers and load processes do not inherit: variables and files that would configure them without a word.

Only command lines and `--env` configure them, so that the same command measures the same thing wherever it is given.
"""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

VARIABLES = (
    # Servers turn these into options.
    *("UVICORN_*", "GUNICORN_*", "GRANIAN_*", "HYPERCORN_*", "UWSGI_*", "H2CORN_*", "PALFREY_*"),
    "WEB_CONCURRENCY",  # workers of uvicorn and gunicorn
    "FORWARDED_ALLOW_IPS",  # of uvicorn and gunicorn
    "SENDFILE",  # of gunicorn
    "ASGI_THREADS",  # of daphne
    "WEBSOCKETS_*",  # limits of the package websockets, which uvicorn uses
    "TORNADO_*",
    "LOCUST_*",
    # Debugging aids of Python, which slow down whatever runs with them.
    *("PYTHONASYNCIODEBUG", "PYTHONDEVMODE", "PYTHONTRACEMALLOC", "PYTHONMALLOC", "PYTHONMALLOCSTATS"),
    *("PYTHONPROFILEIMPORTTIME", "PYTHONVERBOSE", "PYTHONDEBUG", "PYTHONINSPECT"),
)
"""Patterns of environment variables that are removed."""
FILES = ("gunicorn.conf.py", "locust.conf")
"""Files that gunicorn and Locust would read from the working directory."""
_HOME_FILE = "~/.locust.conf"
_TABLE = "[tool.locust]"
_HOLDS_TABLE = "pyproject.toml"


def clean(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment without `VARIABLES`."""
    return {name: value for name, value in variables.items() if not _is_kept_out(name)}


def list_kept_out(variables: Mapping[str, str], folders: Iterable[Path]) -> tuple[str, ...]:
    """Name the variables and files that are there and have no effect; no values, since these may be secrets."""
    names = sorted(filter(_is_kept_out, variables))
    for folder in folders:
        names += [name for name in FILES if (folder / name).is_file()]
        try:
            text = (folder / _HOLDS_TABLE).read_text(errors="replace")
        except OSError:
            continue
        names += [f"{_TABLE} in {_HOLDS_TABLE}"] if _TABLE in text else []
    names += [_HOME_FILE] if os.path.isfile(os.path.expanduser(_HOME_FILE)) else []  # noqa: PTH111, PTH113 - never fail
    return tuple(dict.fromkeys(names))


def _is_kept_out(name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in VARIABLES)
