"""Errors whose text is one line: what was expected, what was found, what to do about it."""

from __future__ import annotations


class HarnessError(Exception):
    """An error that has its cause outside this program; its text is one line: expected, found, what to do."""


class UsageError(HarnessError):
    """An invalid option, configuration key or user's file; the text names it."""


class StorageError(HarnessError):
    """Results that could not be written: the disk is full, or the folder is gone."""


class ServerError(HarnessError):
    """A server that did not start, or ended too early.

    `log_tail` holds the last lines that it wrote; `ended` says how its first process ended, such as `exit status 1`,
    and is None if it did not end by itself.
    """

    def __init__(self, message: str, log_tail: str = "", ended: str | None = None) -> None:
        super().__init__(message)
        self.log_tail = log_tail
        self.ended = ended


class LoadError(HarnessError):
    """A load generator that gave no result; `log_tail` holds the last lines that it wrote."""

    def __init__(self, message: str, log_tail: str = "") -> None:
        super().__init__(message)
        self.log_tail = log_tail


class WorkersLostError(LoadError):
    """Load workers on other hosts that a measurement has missed or lost, which the text names."""


class WorkersMissingError(HarnessError):
    """Load workers on other hosts without which a run does not go on."""
