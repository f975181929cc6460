"""Leaves paths of a machine out of text: `…/app.py` for `/home/ann/shop/app.py`. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LEFT_OUT = "…"
ROOTS = frozenset(
    (
        *("Applications", "Library", "Users", "Volumes", "bin", "boot", "builds", "data", "dev", "etc", "home", "lib"),
        *("lib64", "media", "mnt", "nix", "opt", "private", "proc", "root", "run", "sbin", "snap", "srv", "sys", "tmp"),
        *("usr", "var", "work", "workspace", "workspaces"),
    )
)
"""Folders at the top of usual machines, whichever the text comes from."""
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class MachinePaths:
    """Absolute paths that begin with one of these folders, or with a folder at the top of a machine.

    Paths of requests, as after `GET` or the host of a URL, stay.
    """

    def __init__(self, folders: Iterable[str] = (), roots: Iterable[str] = ()) -> None:
        # Folders at the top, such as `/root`, are among the roots; `/` is none at all.
        named = sorted({each.rstrip("/") for each in folders if each.strip("/")}, key=len, reverse=True)
        self._folders = frozenset(named)
        known = "|".join(f"{re.escape(each)}(?![\\w.-])" for each in named) or "(?!)"
        tops = "|".join(sorted(map(re.escape, ROOTS.union(roots))))
        no_request = "".join(f"(?<!{method} )" for method in _METHODS)
        begins = rf"(?:{no_request}(?<![\w./…])|(?<=file://)|(?<=\s-\w)|(?<=^-\w))"
        self._path = re.compile(rf"""{begins}(?:{known}|/(?:{tops})(?=/))[^\s'"`,;:()<>|]*""")

    def leave_out(self, text: str) -> str:
        """The text with the last name of each such path, if it has more than two."""
        return self._path.sub(self._shorten, text)

    def _shorten(self, found: re.Match[str]) -> str:
        path = found[0].rstrip("/")
        names = path.split("/")[1:]
        return LEFT_OUT if path in self._folders or len(names) <= 2 else f"{LEFT_OUT}/{names[-1]}"  # noqa: PLR2004 - as told
