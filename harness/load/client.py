"""The common part of all clients: send one exchange, wait until the hub wakes the user, record the result."""

from __future__ import annotations

from abc import ABC, abstractmethod
from time import perf_counter_ns
from typing import TYPE_CHECKING, Generic, TypeVar

from gevent import get_hub, getcurrent

from harness.load.exchange import Answer, Failure, Message, Request
from harness.load.transport import Transport

if TYPE_CHECKING:
    from ssl import SSLSession

    from greenlet import greenlet

    from harness.load.account import Account
    from harness.load.transport import Endpoint, Receiver
    from harness.load.watch import Watch

Sent = TypeVar("Sent", Request, Message)


class SerialClient(ABC, Generic[Sent]):
    """A user's connection, with one exchange in flight; opened again if the server closed it between exchanges."""

    def __init__(self, endpoint: Endpoint, account: Account) -> None:
        self.pending_since_ns = 0
        self.reuses = True
        """Over HTTP/1.1: is the connection used for another request, unless an answer says otherwise?"""
        self._endpoint = endpoint
        self._account = account
        self._transport: Transport | None = None
        self._session: SSLSession | None = None
        self._left = False
        """Was the connection ended by its user?"""
        self._waiter: greenlet | None = None
        self._arrived: Answer | Failure
        self._arrived_ns = 0
        self._first_byte_ns = 0
        """When the first byte of the answer's body came, if that did not come at once; else 0."""

    @abstractmethod
    def open(self) -> None:
        """Connect; raises `Failure`."""

    @abstractmethod
    def _roundtrip(self, sent: Sent) -> Answer:
        """Send, and return the right answer; raises `Failure` if there is none."""

    @property
    def is_open(self) -> bool:
        """Can the next request be sent without connecting?"""
        return self._transport is not None and self._transport.alive

    @property
    def holder(self) -> object:
        """What holds its connection: the same for all clients that share one."""
        return self

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def exchange(self, sent: Sent, intended_ns: int | None = None) -> Answer:
        """Send, wait for the complete answer, verify and record it; raises `Failure` if it is not right."""
        account = self._account
        account.started += 1
        written_ns = self.pending_since_ns = perf_counter_ns()
        try:
            answer = self._roundtrip(sent)
        except Failure as failure:
            account.fail(sent.method, sent.name, failure, intended_ns or written_ns, perf_counter_ns())
            raise
        except BaseException:
            account.abandoned += 1
            raise
        finally:
            self.pending_since_ns = 0
        series = account.series(sent.method, sent.name)
        series.intended(intended_ns or written_ns)
        series.written(written_ns)
        if self._first_byte_ns:
            series.add_first_byte(self._first_byte_ns)
        series.ended(self._arrived_ns)
        series.body_bytes += len(answer.body)
        return answer

    def _verify(self, sent: Sent, answer: Answer) -> None:
        """Raise `Failure` unless the answer is right; take note of a body that has changed."""
        sent.verify(answer)
        if sent.change is not None:
            self._account.changes.setdefault(sent.name, sent.change)
            sent.change = None

    def _keep_events(self, sent: Sent, watch: Watch) -> None:
        """Keep the times of the events of a right answer, which is recorded next; raises `Failure` for too few."""
        watch.finish(self._arrived_ns)
        self._account.series(sent.method, sent.name).add_events(watch.times)

    def ask(self, sent: Sent) -> Answer:
        """Send, wait and verify, without counting; raises `Failure` if the answer is not right."""
        self.pending_since_ns = perf_counter_ns()
        try:
            return self._roundtrip(sent)
        finally:
            self.pending_since_ns = 0

    def give_up(self, failure: Failure) -> None:
        """End the exchange in flight with this failure, unless its answer arrives first."""
        # Waking a user switches to it, and only the hub is switched back to.
        get_hub().loop.run_callback(self._give_up, self.pending_since_ns, failure)

    def _give_up(self, since_ns: int, failure: Failure) -> None:
        if since_ns == self.pending_since_ns > 0:
            came = self._came()
            self._wake(Failure(failure.kind, f"{failure.detail}; found {came}") if came else failure)

    @abstractmethod
    def _came(self) -> str:
        """What has arrived of the answer so far, for messages; empty for nothing."""

    def disconnect(self, *, resume: bool = False) -> None:
        """End the connection; the next exchange opens another one, with the same TLS session if it is to resume it."""
        self._session = self._transport.session if resume and self._transport is not None else None
        self._left = True
        self.close()

    def reopen(self) -> None:
        """Connect again, after the server or the user ended the connection; raises `Failure`."""
        self.open()
        self._account.reopened += not self._left
        self._left = False

    def _connect(self, receiver: Receiver) -> Transport:
        """Open a connection, which counts; raises `Failure`."""
        transport = Transport(self._endpoint, receiver, self._session)
        self._account.opened += 1
        self._account.resumed += transport.was_resumed
        return transport

    def _send(self, wire: bytes) -> Answer | Failure:
        """Write, and wait for the result that `_wake` is called with."""
        assert self._transport is not None
        self._first_byte_ns = 0
        self._waiter = getcurrent()
        try:
            self._transport.write(wire)
            get_hub().switch()
        except BaseException:
            # The user was killed while it waited, so nobody expects the answer any more.
            self._waiter = None
            self.close()
            raise
        return self._arrived

    def _reopen_if_missed(self, wire: bytes) -> bool:
        """Close after a failure; open again if these bytes met a connection that the server had closed before.

        No request was in flight on such a connection, so to send it again is no error (RFC 9112, 9.3.1). Raises
        `Failure`.
        """
        missed = self._is_missed(wire)
        self.close()
        if missed:
            self._account.resent += 1
            self.reopen()
        return missed

    def _is_missed(self, wire: bytes) -> bool:
        """Had the server ended the connection before these bytes, as far as can be seen?"""
        return self._transport is not None and self._transport.undelivered_bytes >= len(wire)

    def _wake(self, arrived: Answer | Failure) -> None:
        """Wake the user with its result, if it waits; only in the hub."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            self._arrived = arrived
            waiter.switch()
