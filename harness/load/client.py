"""What the clients with one exchange in flight have in common: send, wait until the hub wakes them, count."""

from __future__ import annotations

from abc import ABC, abstractmethod
from time import perf_counter_ns
from typing import TYPE_CHECKING, Generic, TypeVar

from gevent import get_hub, getcurrent

from harness.load.exchange import Answer, Failure, Message, Request

if TYPE_CHECKING:
    from greenlet import greenlet

    from harness.load.account import Account
    from harness.load.transport import Endpoint, Transport

Sent = TypeVar("Sent", Request, Message)


class SerialClient(ABC, Generic[Sent]):
    """A user's connection, for one exchange at a time; opened again whenever the server closed it within its rights."""

    def __init__(self, endpoint: Endpoint, account: Account) -> None:
        self.pending_since_ns = 0
        self._endpoint = endpoint
        self._account = account
        self._transport: Transport | None = None
        self._waiter: greenlet | None = None
        self._arrived: Answer | Failure
        self._arrived_ns = 0

    @abstractmethod
    def open(self) -> None:
        """Connect; raises `Failure`."""

    @abstractmethod
    def _roundtrip(self, sent: Sent) -> Answer:
        """Send, and give back the right answer; raises `Failure` when there is none."""

    @property
    def stands(self) -> bool:
        """Has the server left the connection open? Those who keep none by design say so."""
        return True

    def close(self) -> None:
        """Let go of the connection, if there is one."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def exchange(self, sent: Sent, intended_ns: int | None = None) -> Answer:
        """Send, wait for the whole answer, verify and record it; raises `Failure` when it is not right."""
        account = self._account
        account.started += 1
        written_ns = self.pending_since_ns = perf_counter_ns()
        try:
            answer = self._roundtrip(sent)
        except Failure as failure:
            account.fail(sent.method, sent.name, failure, perf_counter_ns() - (intended_ns or written_ns))
            raise
        except BaseException:
            account.abandoned += 1
            raise
        finally:
            self.pending_since_ns = 0
        series = account.series(sent.method, sent.name)
        series.intended(intended_ns or written_ns)
        series.written(written_ns)
        series.ended(self._arrived_ns)
        series.body_bytes += len(answer.body)
        return answer

    def give_up(self, failure: Failure) -> None:
        """End the exchange in flight with this failure, unless its answer is there first."""
        # In the hub, which comes back from waking the user; the caller would not.
        get_hub().loop.run_callback(self._give_up, self.pending_since_ns, failure)

    def _give_up(self, since_ns: int, failure: Failure) -> None:
        if since_ns == self.pending_since_ns > 0:
            self._wake(failure)

    def _reopen(self) -> None:
        self._account.reopened += 1
        self.open()

    def _send(self, wire: bytes) -> Answer | Failure:
        """Write, and wait for what `_wake` is given."""
        assert self._transport is not None
        self._waiter = getcurrent()
        try:
            self._transport.write(wire)
            get_hub().switch()
        except BaseException:
            # Killed while waiting: what comes now belongs to nobody.
            self._waiter = None
            self.close()
            raise
        return self._arrived

    def _wake(self, arrived: Answer | Failure) -> None:
        """Hand over what the user waits for, if one waits; only in the hub."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            self._arrived = arrived
            waiter.switch()
