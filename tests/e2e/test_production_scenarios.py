"""The scenarios that look like production, under two servers: every answer is right, and each shows what it is for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.command import harness, records_of, summary_of

BRIEFLY = ("--rounds", "1", "--no-control", "--warmup", "50ms", "--duration", "200ms", "--slice", "200ms")
SERVERS = ("--servers", "uvicorn,hypercorn")


def measure(folder: Path, scenarios: str, *options: str) -> dict[tuple[str, str, str], Any]:
    """The result of each case, by scenario, protocol and server; all answers were right."""
    done = harness("run", *BRIEFLY, *SERVERS, "--scenarios", scenarios, *options, cwd=folder)
    assert done.returncode in {0, 3}, done.stderr  # a busy machine may disturb all of so few slices
    latest = folder / "results" / "latest"
    results = {}
    for record in records_of(latest):
        case, result = record["case"], record["result"]
        if record["verdict"] == "unsupported":
            continue
        assert result["errors"]["examples"] == {}, case
        assert result["started"] == result["finished"] + result["abandoned"]
        assert result["finished"] > 0
        assert result["checked"]
        results[case["scenario"], case["protocol"], case["server"]] = result
    assert summary_of(latest)["cases"]
    assert results
    return results


@pytest.mark.long
def test_each_scenario_is_answered_right_and_with_the_users_that_it_is_meant_for(tmp_path: Path) -> None:
    users = {"wait": 512, "database": 128, "upload": 8, "download": 8, "file": 8, "gzip": 32, "cookies": 32}
    found = measure(tmp_path, ",".join(users), "--protocols", "h1")
    assert {(scenario, server) for scenario, _, server in found} == {
        (scenario, server) for scenario in users for server in ("uvicorn", "hypercorn")
    }
    for (scenario, _, _), result in found.items():
        assert result["slices"][0]["users"] == users[scenario]
    for server in ("uvicorn", "hypercorn"):
        names = {each["name"] for each in found["download", "h1", server]["by_request"]}
        assert names == {"one body", "stream"}


@pytest.mark.long
def test_churn_counts_connections_and_the_tls_sessions_that_were_resumed(tmp_path: Path) -> None:
    found = measure(tmp_path, "churn", "--protocols", "h1,h1-tls,h2,h2c", "--users", "4")
    for (_, protocol, server), result in found.items():
        connections = result["connections"]
        encrypted = protocol in {"h1-tls", "h2"}
        assert connections["opened"] > 4, (protocol, server)
        assert connections["reopened"] == 0
        assert (connections["resumed"] > 0) == encrypted, (protocol, server)
        assert connections["resumed"] < connections["opened"]


@pytest.mark.long
def test_tokens_tell_the_first_event_the_gaps_and_what_came_of_streams_that_were_left(tmp_path: Path) -> None:
    for result in measure(tmp_path, "tokens", "--protocols", "h1,h2c", "--users", "4", "--slice", "1s").values():
        own = {each["name"]: each for each in result["by_request"]}
        ends = {"left stream: has stopped", "left stream: still runs"}
        assert {"whole stream", "left stream"} <= own.keys() <= {"whole stream", "left stream", *ends}
        for name, events in (("whole stream", 50), ("left stream", 10)):
            stream, requests = own[name]["stream"], own[name]["requests"]
            assert stream["events"] == events * requests
            assert sum(stream["first_event"]["counts"].values()) == requests
            assert sum(stream["gap"]["counts"].values()) == (events - 1) * requests


@pytest.mark.long
def test_a_message_is_heard_by_every_other_member(tmp_path: Path) -> None:
    for result in measure(tmp_path, "broadcast", "--protocols", "ws,ws-tls", "--users", "4").values():
        said, heard = result["finished"], result["pushes"]
        assert heard > 0
        # Each is heard by three others, but for those on their way when the slice began or ended.
        assert abs(heard - 3 * said) <= 3 * 4 * 4


@pytest.mark.long
def test_idle_connections_are_held_beside_the_load_as_far_as_the_server_lets_them(tmp_path: Path) -> None:
    (tmp_path / "few.py").write_text(
        "from locust import task\n"
        "from harness.load import Message, WebSocketScenario\n\n\n"
        "class Few(WebSocketScenario):\n"
        "    idle_connections = 100\n"
        '    path = "/ws/echo"\n'
        '    hello = Message(b"hello", text=True, expected_body=b"hello")\n\n'
        "    @task\n"
        "    def echo(self):\n"
        "        self.send(self.hello)\n"
    )
    options = ("--locustfile", "few.py", "--protocols", "ws", "--users", "4", "--load-processes", "2")
    done = harness("run", *BRIEFLY, *SERVERS, *options, cwd=tmp_path)
    assert done.returncode in {0, 3}, done.stderr
    latest = tmp_path / "results" / "latest"
    for record in records_of(latest):
        assert record["result"]["errors"]["total"] == 0
        assert record["result"]["connections"]["idle"] == 100
        assert record["result"]["connections"]["opened"] == 4
    assert [case["idle_connections"] for case in summary_of(latest)["cases"]] == [100, 100]
    assert "Idle connections that were open to the end" in (latest / "report.md").read_text()
