"""An app with streams, one of them without end: figures of their own for each route."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.apps.feed import CHAT_EVENTS, GAP_S
from tests.command import ALONE, harness, records_of, summary_of
from tests.fault_table import Fault

FEED = ("--app", "feed:app", "--app-dir", str(Path(__file__).parents[1] / "apps"), "--ready-path", "/ping")
MOST_EVENTS = 20
"""Where the written scenario ends the endless one."""
SILENT = """
from harness.load import HttpScenario, Stream, as_tasks, get


class Silent(HttpScenario):
    tasks = as_tasks({get("/silent", stream=Stream(events=2)): 1})
"""


@pytest.mark.long
def test_each_route_of_an_app_with_an_endless_stream_has_figures(tmp_path: Path) -> None:
    servers = ("--servers", "hypercorn", "--protocols", "h1,h2c", "--duration", "1s")
    done = harness("run", *ALONE, *servers, *FEED, "--by-request", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "events of streams" in done.stdout
    folder = tmp_path / "results" / "latest"
    records = records_of(folder)
    assert {each["case"]["protocol"] for each in records} == {"h1", "h2c"}
    for record in records:
        result = record["result"]
        assert result["errors"]["total"] == 0, result["errors"]
        assert result["connections"]["resent"] == 0
        own = {each["name"]: each for each in result["by_request"]}
        assert own.keys() == {"GET /events", "GET /chat", "GET /ping"}
        assert own["GET /ping"]["stream"] is None
        gaps_us = sum(own[name]["stream"]["gap"]["sum_us"] for name in ("GET /events", "GET /chat"))
        assert result["response"]["sum_us"] - result["first_byte"]["sum_us"] == pytest.approx(gaps_us, rel=0.1)
        for name, events in (("GET /events", MOST_EVENTS), ("GET /chat", CHAT_EVENTS)):
            stream, requests = own[name]["stream"], own[name]["requests"]
            assert requests > 0
            assert stream["events"] == events * requests
            assert sum(stream["first_event"]["counts"].values()) == requests
            assert sum(stream["gap"]["counts"].values()) == (events - 1) * requests
            assert own[name]["response"]["sum_us"] >= 0.9 * (events - 1) * GAP_S * 1e6 * requests
    for case in summary_of(folder)["cases"]:
        for each in case["by_name"]:
            assert (each["events_per_s"] is None) == (each["name"] == "GET /ping")
    assert "Events of streams" in (folder / "report.html").read_text()


@pytest.mark.long
def test_a_stream_that_falls_silent_is_unanswered(tmp_path: Path, fault: Fault) -> None:
    (tmp_path / "silent.py").write_text(SILENT)
    options = ("--servers", "uvicorn", "--protocols", "h1", "--locustfile", "silent.py", "--request-timeout", "1s")
    done = harness("run", *ALONE, *options, *FEED, cwd=tmp_path, environment=fault.environment)
    assert done.returncode == 3, done.stderr
    (case,) = summary_of(tmp_path / "results" / "latest")["cases"]
    assert case["verdict"] == "invalid"
    assert set(case["errors"]["by_kind"]) == {"unanswered"}
    told = case["errors"]["examples"]["unanswered"]
    assert "no complete answer within 1 s" in told
    left = fault.left()
    assert left == "nothing"
    fault.report(
        name="a stream of events that falls silent", happened="an error of kind unanswered", lost="nothing", left=left,
        told=told,
    )  # fmt: skip
