"""The gate of a candidate: who is let through, and when nothing is left to wait for."""

from __future__ import annotations

import resource
from time import perf_counter_ns

import gevent

from harness.load.exchange import Failure
from harness.load.lane import CONNECT_AT_ONCE, OTHER_FILES, Lane, Stage, limit_idle
from harness.model.blocks import BlockOrder, Turn


class OneClass:
    """A class of users."""


class OtherClass:
    """Another one."""


class IdleClient:
    """A client whose connection the server may have closed; connecting may fail."""

    def __init__(self, is_open: bool, fails: bool = False) -> None:
        self.pending_since_ns = 0
        self.is_open = is_open
        self.reopened = 0
        self._fails = fails

    def open(self) -> None:
        gevent.sleep(0)
        if self._fails:
            raise Failure("connect", "refused")
        self.is_open = True

    def reopen(self) -> None:
        self.reopened += 1
        if self._fails:
            raise Failure("connect", "refused")
        self.is_open = True

    @property
    def holder(self) -> object:
        return self

    def give_up(self, failure: Failure) -> None:
        raise AssertionError(failure)


def passing(lane: Lane, users: int) -> list[gevent.Greenlet[..., None]]:
    """Users that wait at the gate."""
    waiting = [gevent.spawn(lane.wait, number) for number in range(users)]
    gevent.idle()
    return waiting


def test_only_users_of_the_turn_are_let_through() -> None:
    lane = Lane("http://127.0.0.1:1")
    users = passing(lane, 4)
    assert not any(user.ready() for user in users)
    lane.open(2)
    gevent.joinall(users[:2], timeout=10)
    assert [user.ready() for user in users] == [True, True, False, False]
    lane.close()
    lane.open(4)
    gevent.joinall(users, timeout=10)
    assert all(user.ready() for user in users)


def test_after_the_end_of_a_slice_users_wait_for_the_next_one() -> None:
    lane = Lane("http://127.0.0.1:1")
    lane.open(1)
    lane.close()
    (user,) = passing(lane, 1)
    assert not user.ready()
    user.kill()
    lane.open(1)


def test_a_closed_loop_is_idle_when_no_user_is_inside_a_task() -> None:
    lane = Lane("http://127.0.0.1:1")
    lane.busy = 1
    assert not lane.is_idle(perf_counter_ns())
    lane.busy = 0
    assert lane.is_idle(perf_counter_ns())


def test_in_an_open_loop_the_gate_stays_open_until_all_that_is_due_was_sent() -> None:
    lane = Lane("http://127.0.0.1:1")
    lane.open(1, iter([1, 2]))
    lane.close()
    assert lane.admitted == 1
    assert lane.arrivals is not None
    assert not lane.is_idle(10)
    assert [lane.arrivals.wait(0), lane.arrivals.wait(0)] == [1, 2]
    assert lane.is_idle(10)
    lane.busy += 1
    waiting = gevent.spawn(lane.arrivals.wait, 0)
    gevent.idle()
    assert lane.is_idle(10)
    waiting.kill()


def test_connections_that_were_closed_are_opened_again_for_those_who_take_part() -> None:
    lane = Lane("http://127.0.0.1:1")
    clients = [IdleClient(is_open=True), IdleClient(is_open=False), IdleClient(False, fails=True), IdleClient(False)]
    lane.clients.update(enumerate(clients))
    lane.restore_connections(users=3)
    assert [client.reopened for client in clients] == [0, 1, 1, 0]


def test_idle_connections_are_opened_and_those_that_are_still_open_counted() -> None:
    lane = Lane("http://127.0.0.1:1")
    assert lane.count_idle() is None
    clients = [IdleClient(is_open=False) for _ in range(100)]
    lane.hold(clients)
    assert lane.count_idle() == 100
    clients[7].is_open = False
    assert lane.count_idle() == 99


def test_no_further_idle_connection_is_tried_after_one_that_failed() -> None:
    lane = Lane("http://127.0.0.1:1")
    clients = [IdleClient(is_open=False) for _ in range(1000)]
    clients[100] = IdleClient(is_open=False, fails=True)
    lane.hold(clients)
    assert 100 <= (lane.count_idle() or 0) < 100 + CONNECT_AT_ONCE


def test_each_lane_may_have_its_share_of_the_open_files() -> None:
    soft, hard = before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 1_024), hard))
    try:
        assert limit_idle(10, 2) == 10
        assert limit_idle(hard, 4) == (hard - OTHER_FILES) // 4
        assert limit_idle(1, hard) == 0
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_server_that_closes_after_each_answer_is_not_connected_to_in_advance() -> None:
    lane = Lane("http://127.0.0.1:1")
    lane.keeps_connections = False
    client = lane.clients[0] = IdleClient(is_open=False)
    lane.restore_connections(users=1)
    assert client.reopened == 0


def test_users_of_all_classes_are_spread_evenly_over_the_candidates() -> None:
    stage = Stage()
    turns = (Turn(0, 2), Turn(1, 4))
    stage.prepare(BlockOrder(("http://one", "http://two"), turns, 0.1, 1.0, None, 1.0, seed=0), processes=2, index=1)
    for kind in (OneClass, OtherClass) * 4:
        stage.assign(kind).join(kind)
    assert stage.needed_users == 2
    assert [lane.host for lane in stage.lanes] == ["http://one", "http://two"]
    for lane in stage.lanes:
        assert (lane.members(), lane.members(OneClass), lane.members(OtherClass)) == (4, 2, 2)
