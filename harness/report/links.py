"""Links of pages that are written, found in Markdown, HTML and the pieces for other pages. Pure."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

_LINKS = re.compile(
    r"""(?<!\\)\]\(<?([^)>\s]+)"""  # [text](link), ![text](link)
    r"""|\b(?:href|src|srcset)="([^"\s]*)"""
    r"""|^\s*\.\.\ image::\s+(\S+)"""
    r"""|\{image\}\s+(\S+)""",
    re.MULTILINE | re.VERBOSE,
)
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def list_links(page: str) -> list[str]:
    """The links of a page to files, without the places in them; addresses elsewhere and places of the page are none."""
    found = (unescape(next(filter(None, each.groups()), "")) for each in _LINKS.finditer(page))
    paths = (link.partition("#")[0] for link in found if not _ELSEWHERE.match(link))
    return list(dict.fromkeys(filter(None, paths)))


def find_dead_links(page: str, files: Collection[str]) -> list[str]:
    """The links of a page to files that are not among these, which have paths as the page would write them."""
    return [link for link in list_links(page) if link not in files]
