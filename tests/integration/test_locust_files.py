"""What people write in Locust files: logins, events of their own, options of their own, and ends of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.host.cpus import available
from harness.model.blocks import BlockOrder, Turn
from harness.model.errors import LoadError
from harness.model.results import LoadResult, RequestResult
from harness.run import trial
from harness.run.load_process import ForkServer
from tests.integration.answering_server import AnsweringServer, answering

USERS = 4
ANSWER_S = 0.01


@pytest.fixture
def server() -> Iterator[AnsweringServer]:
    with answering(lambda _: ANSWER_S) as running:
        yield running


@pytest.fixture
def order(server: AnsweringServer, tmp_path: Path, fork_server: ForkServer) -> trial.Order:
    """0.4 s of `locustfile.py` against a server that answers after 10 ms."""
    return trial.Order(
        BlockOrder((server.url,), (Turn(0, USERS),), 0.05, 0.4, None, request_timeout_s=5.0, seed=0),
        tmp_path / "locustfile.py",
        "h1",
        1,
        None,
        available(),
        tmp_path / "load.log",
        processes=1,
        fork_server=fork_server,
    )


def run(order: trial.Order, text: str) -> LoadResult:
    order.scenario.write_text(text)
    (result,) = trial.run(order)
    assert result.started == result.finished + result.abandoned
    return result


def run_against(delay_s: float, order: trial.Order, text: str, users: int = USERS) -> tuple[LoadResult, list[int]]:
    """The result with a server that takes so long to answer, and when each request came to it."""
    with answering(lambda _: delay_s) as server:
        block = replace(order.block, hosts=(server.url,), turns=(Turn(0, users),))
        return run(replace(order, block=block), text), server.began_ns


def by_name(result: LoadResult) -> dict[str, RequestResult]:
    return {each.name: each for each in result.by_request}


LOGIN = """
import itertools
import gevent
from locust import FastHttpUser, TaskSet, task
from harness.load import HttpScenario, get

NUMBERS = itertools.count()


def log_in(send):
    send()
    gevent.sleep(0.15 * next(NUMBERS))  # the last user is ready when the first has worked for a while
    send()
"""
SIMPLE = """
from locust import FastHttpUser, task


class Member(FastHttpUser):
    @task
    def page(self):
        self.client.get("/")
"""
PLAIN = """

class Member(FastHttpUser):
    def on_start(self):
        log_in(lambda: self.client.get("/login"))

    @task
    def page(self):
        self.client.get("/")
"""
NESTED = """

class Pages(TaskSet):
    def on_start(self):
        log_in(lambda: self.client.get("/login"))

    @task
    def page(self):
        self.client.get("/")


class Member(FastHttpUser):
    tasks = [Pages]
"""
OURS = """

class Member(HttpScenario):
    login, hello = get("/login"), get("/", name="/")

    def on_start(self):
        super().on_start()
        log_in(lambda: self.send(self.login))

    @task
    def page(self):
        self.send(self.hello)
"""


@pytest.mark.parametrize(
    "kind",
    [PLAIN, pytest.param(NESTED, marks=pytest.mark.long), pytest.param(OURS, marks=pytest.mark.long)],
    ids=["a user", "a task set", "a scenario"],
)
def test_counting_begins_when_every_user_has_logged_in(order: trial.Order, kind: str) -> None:
    result, _ = run_against(0.05, order, LOGIN + kind)
    assert result.users_ready_s > 0.15 * (USERS - 1)
    assert set(by_name(result)) == {"/"}
    assert result.errors.examples == {}
    assert {each.users for each in result.slices} == {USERS}
    # As many in flight as with users that do not log in.
    assert result.throughput_rps * result.service.mean_us / 1e6 == pytest.approx(USERS, rel=0.2)


@pytest.mark.long
def test_a_user_that_never_ends_its_start_is_an_error(order: trial.Order) -> None:
    short = replace(order, block=replace(order.block, request_timeout_s=0.2))
    result = run(short, "import gevent\n" + LOGIN + PLAIN.replace("log_in(", "gevent.sleep(60) or log_in("))
    assert not result.checked
    assert "on_start: not ended after" in result.errors.examples["connect"]


def test_the_rate_of_slow_answers_is_known_for_custom_users(order: trial.Order) -> None:
    result, _ = run_against(0.2, order, SIMPLE)
    assert result.throughput_rps == pytest.approx(USERS / 0.2, rel=0.15)
    assert result.slices[0].counted_s >= 4 * 0.2, "the warm-up of 0.05 s has seen how slow answers are"


@pytest.mark.long
def test_users_of_slow_answers_do_not_go_in_step(order: trial.Order) -> None:
    text = LOGIN.replace("0.15", "0") + OURS.replace("log_in(", "str(")
    result, began_ns = run_against(0.2, order, text, users=8)
    (counted,) = result.slices
    phases = sorted(at / 1e6 % 200 for at in began_ns if counted.start_ns <= at < counted.end_ns)
    # In step, all requests would begin within a few ms of each other.
    widest = max(later - sooner for sooner, later in zip(phases, [*phases[1:], phases[0] + 200], strict=True))
    assert widest < 100
    assert result.throughput_rps == pytest.approx(8 / 0.2, rel=0.15)


EVENTS = """
from locust import FastHttpUser, constant, task


class Unspeakable(Exception):
    def __str__(self):
        raise ValueError("no text")


class Member(FastHttpUser):
    wait_time = constant(0.005)

    @task
    def page(self):
        fire = self.environment.events.request.fire
        event = {"request_type": "RPC", "name": "call", "response_time": 3, "response_length": 0, "exception": None}
        fire(**event)
        fire(**{**event, "name": "late", "response_time": None})
        fire(**{**event, "name": "at once", "response_time": 0})
        fire(**{**event, "name": "negative", "response_time": -5.0})
        fire(**{**event, "name": "eternal", "response_time": 1e30})
        fire(**{**event, "name": "unspeakable", "exception": Unspeakable()})
        fire(**{**event, "name": "text", "exception": "no luck"})
        fire(**{**event, "name": "empty text", "exception": ""})
        fire(**{**event, "name": "junk", "response_time": "3 ms"})
        fire(**{**event, "name": "nothing", "response_time": float("nan")})
        fire(name="bare", response_time=1.0)
        fire(**{**event, "name": None, "request_type": None})
        with self.client.get("/", catch_response=True, name="caught") as answer:
            answer.failure("not what I want")
        with self.client.get("/", catch_response=True, name="let off") as answer:
            answer.success()
"""


def test_events_that_a_file_fires_count_whatever_they_lack(order: trial.Order) -> None:
    result = run(order, EVENTS)
    found = by_name(result)
    failed = {"negative", "eternal", "unspeakable", "text", "junk", "nothing", "caught"}
    right = {"call", "late", "at once", "empty text", "bare", "", "let off"}
    assert set(found) == failed | right
    assert all(found[name].errors > 0 and found[name].requests == 0 for name in failed)
    assert all(found[name].errors == 0 and found[name].requests > 0 and sum(found[name].answers) > 0 for name in right)
    assert result.errors.examples == {
        "reported": "negative: expected its response_time in ms or None, found -5.0",
        "Unspeakable": "unspeakable: Unspeakable without a text",
        "CatchResponseError": "caught: not what I want",
    }


@pytest.mark.parametrize(
    "how",
    ["self.environment.runner.quit()", pytest.param("self.environment.runner.stop()", marks=pytest.mark.long)],
)
def test_a_file_that_ends_the_run_is_named(order: trial.Order, how: str) -> None:
    text = LOGIN + SIMPLE.replace('get("/")', f'get("/") and next(NUMBERS) > 30 and {how}')
    with pytest.raises(LoadError, match="found that the Locust file ended it"):
        run(order, text)


def test_a_file_has_options_variables_and_tags_of_its_own(order: trial.Order) -> None:
    text = """
import os
from locust import FastHttpUser, events, tag, task


@events.init_command_line_parser.add_listener
def add(parser):
    for name in ("rate", "window", "protocol", "block", "result", "streams"):
        parser.add_argument(f"--{name}", default=f"own {name}")
    parser.add_argument("--token", env_var="LOCUST_TOKEN", default="none")


class Member(FastHttpUser):
    @tag("read")
    @task
    def page(self):
        options = self.environment.parsed_options
        name = ", ".join([options.rate, options.protocol, options.result, options.token, os.environ["SHOP"]])
        self.client.get("/", name=name)

    @tag("read", "slow")
    @task
    def slow(self):
        self.client.get("/", name="slow")

    @task
    def untagged(self):
        self.client.get("/", name="untagged")
"""
    given = {"LOCUST_TOKEN": "secret", "SHOP": "ours"}
    result = run(replace(order, environment=given, tags=("read",), excluded_tags=("slow",)), text)
    assert result.errors.examples == {}
    assert set(by_name(result)) == {"own rate, own protocol, own result, secret, ours"}


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.long)])
def test_the_account_of_custom_users_adds_up_to_the_request(order: trial.Order, processes: int) -> None:
    """Events arrive at any time, between slices too; what is counted as started is what ended."""
    block = replace(order.block, slice_s=0.02, duration_s=0.2, turns=(Turn(0, 32),))
    result = run(replace(order, block=block, processes=processes), EVENTS.replace("constant(0.005)", "constant(0)"))
    assert sum(each.errors for each in result.by_request) == result.errors.total
    assert sum(each.requests for each in result.by_request) == result.requests
    assert result.started == result.finished > 0
