"""The candidates in a load process: the users of each, and the gate that lets them through while it is their turn."""

from __future__ import annotations

import resource
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

import gevent
from gevent import get_hub, getcurrent
from gevent.event import Event
from gevent.lock import BoundedSemaphore

from harness.load.account import Account
from harness.load.arrivals import Arrivals
from harness.load.exchange import Failure
from harness.load.slices import divide_users
from harness.load.transport import CONNECT_TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from greenlet import greenlet

    from harness.load.exchange import Headers
    from harness.model.blocks import BlockOrder

OTHER_FILES = 1_024
"""What a load process has open beside idle connections: those of its users, pipes, libraries."""
CONNECT_AT_ONCE = 32
"""Users that connect at the same time: daphne keeps 50 connections waiting, and drops the others of a burst."""


class Client(Protocol):
    """The part of a user's client that a lane uses."""

    pending_since_ns: int
    """When the request in flight was written (ns of the monotonic clock); 0 if there is none."""

    @property
    def is_open(self) -> bool:
        """Can the next request be sent without connecting?"""

    @property
    def holder(self) -> object:
        """What holds its connection: the same for all clients that share one."""

    def open(self) -> None:
        """Connect; raises `Failure`."""

    def reopen(self) -> None:
        """Connect again; raises `Failure`."""

    def give_up(self, failure: Failure) -> None:
        """End the request in flight with this failure."""


class Lane:
    """The users of one candidate in this process."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.account = Account()
        self.admitted = 0
        """Users with a lower number may begin a task; 0 closes the gate."""
        self.busy = 0
        """Users inside a task."""
        self.verified = Event()
        """Set when the verification pass of this candidate is over."""
        self.right = True
        """Was the verification pass right, and could every user connect?"""
        self.keeps_connections = True
        """Did the server leave the first user's connection open after its answers?"""
        self.clients: dict[int, Client] = {}
        """The clients of the users that have connected, by the number of the user."""
        self._idle: list[Client] | None = None
        """Clients of no user, whose connections carry nothing; None if there are to be none."""
        self.ready = 0
        """Users that have connected, and in the case of the first one, verified."""
        self.ready_s = 0.0
        """How long it took until every user had ended `on_start`, since Locust began to start users."""
        self.arrivals: Arrivals | None = None
        """The source of requests in an open loop; None in a closed loop."""
        self.connecting = BoundedSemaphore(CONNECT_AT_ONCE)
        self._parked: dict[int, greenlet] = {}
        self._members: Counter[type] = Counter()

    def join(self, kind: type) -> int:
        """Add a user of a class; returns its number."""
        number = self._members.total()
        self._members[kind] += 1
        return number

    def members(self, kind: type | None = None) -> int:
        """How many users there are, of one class or of all."""
        return self._members.total() if kind is None else self._members[kind]

    def open(self, users: int, schedule: Iterator[int] | None = None) -> None:
        """Let this many users through; in an open loop they send when the schedule says so."""
        if schedule is None:
            self.arrivals = None
        else:
            self.arrivals = self.arrivals or Arrivals(self.account)
            self.arrivals.begin(schedule, users)
        self.admitted = users
        loop = get_hub().loop
        for number, user in list(self._parked.items()):
            if number < users:
                del self._parked[number]
                loop.run_callback(user.switch)

    def close(self) -> None:
        """Let nobody begin another task; in an open loop the schedule ends by itself, and what is due is still sent."""
        if self.arrivals is None:
            self.admitted = 0

    def count_connections(self, users: int) -> int:
        """How many connections users with lower numbers opened before the first turn, and keep."""
        holders = {id(client.holder) for number, client in self.clients.items() if number < users}
        return len(holders) if self.keeps_connections else 0

    def restore_connections(self, users: int) -> None:
        """Open again what the server has closed since the last turn: servers close connections that are idle for long.

        Where that fails, the user's next request fails too, and is counted.
        """
        closed = [client for number, client in self.clients.items() if number < users and not client.is_open]
        if self.keeps_connections and closed:
            restoring = [gevent.spawn(self._restore, client) for client in closed]
            gevent.joinall(restoring, timeout=CONNECT_TIMEOUT_S)
            gevent.killall(restoring)

    def _restore(self, client: Client) -> None:
        with self.connecting, suppress(Failure):
            client.reopen()

    def hold(self, idle: Iterable[Client]) -> None:
        """Open connections that carry nothing, up to the first that the server does not accept."""
        self._idle = list(idle)
        waiting = iter(self._idle)
        gevent.joinall([gevent.spawn(_open_each, waiting) for _ in range(CONNECT_AT_ONCE)])

    def count_idle(self) -> int | None:
        """How many of them are open; None if there were to be none."""
        return None if self._idle is None else sum(client.is_open for client in self._idle)

    def wait(self, number: int) -> None:
        """Wait until the user with this number may begin a task."""
        while number >= self.admitted:
            self._parked[number] = getcurrent()
            try:
                get_hub().switch()
            except BaseException:
                self._parked.pop(number, None)
                raise

    @property
    def active(self) -> int:
        """Users inside a task, without those that wait for a request to become due."""
        return self.busy - (self.arrivals.waiting_users if self.arrivals is not None else 0)

    def is_idle(self, now_ns: int) -> bool:
        """Is nothing in flight and nothing due?"""
        return self.active == 0 and (self.arrivals is None or self.arrivals.is_empty(now_ns))


def _open_each(clients: Iterator[Client]) -> None:
    """Open one client after the other; greenlets that share the iterator end it for all after a failure."""
    for client in clients:
        try:
            client.open()
        except Failure:
            for _ in clients:
                pass


class Stage:
    """The lanes of this process: one for each candidate of a block, or one for the host that Locust is given."""

    def __init__(self) -> None:
        self.lanes = [Lane("")]
        self._processes, self._index = 1, 0
        self.needed_users = 2**31
        """Users of each lane that take part; there may be more, as Locust divides them equally among processes."""
        self.headers: Headers = ()
        """Headers that every user sends with each request, unless the request has them."""
        self.verifying = BoundedSemaphore(1)
        """One candidate at a time is verified, so that its answers are not those of a busy machine."""

    def prepare(self, order: BlockOrder, processes: int, index: int) -> None:
        """Make a lane for each candidate."""
        self.lanes = [Lane(host) for host in order.hosts]
        self._processes, self._index = processes, index
        self.needed_users = self.share(order.users)
        self.headers = order.headers

    def share(self, number: int) -> int:
        """How many of a lane's users or connections are those of this process."""
        return divide_users(number, self._processes, self._index)

    def assign(self, kind: type) -> Lane:
        """The lane that a new user of a class belongs to: lanes are filled evenly, each with users of all classes."""
        return min(self.lanes, key=lambda lane: (lane.members(), lane.members(kind)))


def limit_idle(wanted: int, lanes: int) -> int:
    """How many idle connections each lane may have, after the limit of open files was raised as far as it may be."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    free = hard - OTHER_FILES
    return wanted if hard == resource.RLIM_INFINITY else max(0, min(wanted, free // lanes))


stage = Stage()
