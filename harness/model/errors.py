"""Errors whose text is one line: what was expected, what was found, what to do."""

from __future__ import annotations


class HarnessError(Exception):
    """A fault that has a cause outside this program; its text is one line: expected, found, what to do."""


class UsageError(HarnessError):
    """An option or a configuration key that cannot be followed; the text names the key."""


class ServerError(HarnessError):
    """A server that did not start, or did not stay.

    `log_tail` holds the last lines it wrote; `ended` is how its first process ended, such as `exit status 1`, None for
    one that lived on.
    """

    def __init__(self, message: str, log_tail: str = "", ended: str | None = None) -> None:
        super().__init__(message)
        self.log_tail = log_tail
        self.ended = ended


class LoadError(HarnessError):
    """A load generator that gave no result; `log_tail` holds the last lines it wrote."""

    def __init__(self, message: str, log_tail: str = "") -> None:
        super().__init__(message)
        self.log_tail = log_tail
