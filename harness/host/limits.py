"""Limits of this process, which the processes that it starts inherit."""

from __future__ import annotations

import resource

OTHER_FILES = 64
"""What a server or a load process has open beside its connections: logs, pipes, libraries."""
OPEN_FILES = 16_384
"""Enough for thousands of connections; some programs go through all that they may have open."""


def raise_open_files(wanted: int = OPEN_FILES) -> int:
    """Raise the number of files that may be open as far as is wanted and allowed; return what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed
