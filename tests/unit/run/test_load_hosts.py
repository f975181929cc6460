"""What a run remembers of its load workers from one measurement to the next."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.model.blocks import BlockOrder, Turn
from harness.model.errors import WorkersMissingError
from harness.model.load_workers import LoadFailure, LoadWorker, WantedWorkers
from harness.model.results import LoadResult
from harness.run import trial
from harness.run.load_hosts import LoadHosts
from harness.run.load_process import ForkServer
from tests import builders


def worker(name: str) -> LoadWorker:
    return LoadWorker(name, name.rpartition("-")[0], "0.1.0", "2.46.6", "CPython 3.11.7", 2)


def hosts(*, allow_missing: bool = False) -> LoadHosts:
    wanted = WantedWorkers(2, "10.0.0.1", 5557, allow_missing)
    return LoadHosts(wanted, [worker("b-2"), worker("a-1")])


def results(*names: str) -> list[LoadResult]:
    return [builders.load_result(load_workers=dict.fromkeys(names, 0.5))]


def lost(name: str, *, too_few: bool = False) -> LoadFailure:
    return LoadFailure(f"found that load worker {name} sends no heartbeat", {name: "sends no heartbeat"}, too_few)


def expected(found: LoadHosts) -> tuple[tuple[str, ...], int]:
    order = found.make_order((), {}, {})
    return order.expected, order.least


def test_every_worker_is_waited_for_unless_options_allow_that_some_are_missing() -> None:
    assert expected(hosts()) == (("a-1", "b-2"), 2)
    assert expected(hosts(allow_missing=True)) == (("a-1", "b-2"), 1)


def test_a_worker_that_was_lost_is_waited_for_once_more() -> None:
    found = hosts()
    found.note(lost("b-2"))
    found.require()
    assert expected(found) == (("a-1", "b-2"), 2)
    assert found.missing == ("b-2",)
    found.note(results("a-1", "b-2"))
    assert found.missing == ()


def test_a_run_ends_where_one_does_not_come_back() -> None:
    found = hosts()
    found.note(lost("b-2"))
    found.note(lost("b-2", too_few=True))
    with pytest.raises(WorkersMissingError, match="b-2 sends no heartbeat; --allow-missing-workers goes on with"):
        found.require()


def test_a_run_that_may_goes_on_with_those_that_are_left_and_takes_others_that_come() -> None:
    found = hosts(allow_missing=True)
    found.note(lost("b-2"))
    assert expected(found) == (("a-1",), 1)
    found.note(results("a-1"))
    assert found.missing == ("b-2",)
    assert expected(found) == (("a-1",), 1)
    found.note(lost("a-1"))
    assert found.missing == ("a-1", "b-2")
    found.note(results("a-1", "b-7"))
    assert found.missing == ()
    assert expected(found) == (("a-1", "b-7"), 1)


def test_it_ends_where_none_is_left() -> None:
    found = hosts(allow_missing=True)
    found.note(LoadFailure("expected 2 load workers within 15 s, found none", {}, too_few=True))
    with pytest.raises(WorkersMissingError, match=r"found none$"):
        found.require()


def test_the_locust_file_travels_with_what_it_names_and_with_no_path_of_this_host(tmp_path: Path) -> None:
    beside = {
        "own.py": "from steps import order\norder('order.json')\n",
        "steps.py": "",
        "order.json": "{}",
        "other.json": "",
    }
    for name, text in beside.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "tls").mkdir()
    authority = tmp_path / "tls" / "authority.pem"
    authority.write_text("PEM")
    order = trial.Order(
        BlockOrder(("https://10.0.0.1:8000",), (Turn(0, 8),), 0.2, 1.0, None, 30.0, 0),
        *(tmp_path / "own.py", "h2", 4, authority, frozenset({0}), tmp_path / "log", 2, ForkServer("token")),
        environment={"SHOP": "a"},
        tags=("buy",),
        hosts=hosts(),
    )
    sent = order.for_workers(hosts())
    assert sent.files == {
        "own.py": beside["own.py"].encode(),
        "steps.py": b"",
        "order.json": b"{}",
        trial.AUTHORITY: b"PEM",
    }
    assert next(iter(sent.files)) == "own.py"
    assert sent.environment == {"SHOP": "a"}
    assert str(tmp_path) not in str(sent.argv)
    assert "https://10.0.0.1:8000" in str(sent.argv)
    assert sent.argv[-2:] == ("--tags", "buy")
    argv = order.argv(tmp_path / "result.json")
    assert argv[argv.index("--master-bind-host") + 1] == "10.0.0.1"
    assert argv[argv.index("--harness-authority") + 1] == trial.AUTHORITY
