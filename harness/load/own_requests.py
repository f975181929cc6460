"""Requests of one user: those of the scenario with the headers that only this user sends, such as its cookies."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.load.client import SerialClient
    from harness.load.exchange import Answer, Headers, Request

_KEPT_AT_MOST = 256
"""A user keeps so many requests encoded; what a task makes anew each time is encoded each time."""


class OwnRequests:
    """Sends a user's own copies of requests, so that all other requests are sent as fast as without."""

    def __init__(self, client: SerialClient[Any], headers: Headers) -> None:
        self._client = client
        self._headers = headers
        self._own: dict[Request, Request] = {}

    def exchange(self, sent: Request, intended_ns: int | None = None) -> Answer:
        """Send, wait and verify, as `SerialClient.exchange`."""
        own = self._own.get(sent)
        return self._client.exchange(self._copy(sent) if own is None else own, intended_ns)

    def _copy(self, sent: Request) -> Request:
        # The request itself may have been sent already, such as within a login.
        anew: dict[str, Any] = {"encoded_for": "", "pattern": None, "learned": None, "learned_answer": None}
        more = self._headers
        if sent.stream is not None:  # its events can only be seen without compression
            more = tuple(each for each in more if each[0] != "accept-encoding")
        own = replace(sent, headers=merge_headers(sent.headers, more), **anew)
        if len(self._own) < _KEPT_AT_MOST:
            self._own[sent] = own
        return own


def merge_headers(own: Headers, more: Headers) -> Headers:
    """The headers of a request, and those of `more` that it does not have; cookies of both are sent together."""
    names = {name.lower() for name, _ in own}
    cookies = "; ".join(value for name, value in (*own, *more) if name.lower() == "cookie")
    both = (*own, *(each for each in more if each[0] not in names))
    return tuple((name, cookies if name.lower() == "cookie" else value) for name, value in both)
