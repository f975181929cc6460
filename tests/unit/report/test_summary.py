from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any

import msgspec
import pytest

from harness.model.errors import UsageError
from harness.model.summaries import Ratio
from harness.report.summary import decode, encode, to_contract
from tests.reported import COMPARISONS, RUN, WS_ECHO, control_run, without_baseline
from tests.synthetic import flat, under

INTERVAL, RATIO = {"median", "low", "high"}, {"value", "low", "high"}


PERCENTILES = {"p50", "p90", "p99", "p99_9", "max"}


MACHINE = {"processor", "system", "ram", "limits", "network", "power", "activity", "python"}


def test_the_summary_has_the_keys_of_the_contract() -> None:
    contract = to_contract(RUN, COMPARISONS)
    assert contract.keys() == {"schema", "run", "controls", "cases", "server_share"}
    assert contract["schema"] == 1
    assert contract["run"].keys() >= {"id", "started_at", "seed", "argv", "environment", "ceilings"}
    interval, ratio = {"median", "low", "high"}, {"value", "low", "high"}
    percentiles = {"p50", "p90", "p99", "p99_9", "max"}
    case = next(each for each in contract["cases"] if each["ratio_to_baseline"])
    assert case["case"].keys() >= {"server", "app", "scenario", "protocol", "load", "users", "streams", "workers"}
    assert case.keys() >= {"verdict", "reasons", "rounds", "requests", "connections", "offered_rps", "achieved_ratio"}
    assert case["errors"].keys() >= {"total", "by_kind"}
    assert case["memory_pss_bytes"].keys() == {"idle", "peak", "by_round"}
    assert case["ratio_to_baseline"].keys() == {"throughput", "cpu", "p99"}
    assert case["ratio_to_baseline"]["throughput"].keys() == ratio
    for key in ("latency_us", "service_us", "send_lag_us"):
        assert case[key].keys() == percentiles
    for key in ("throughput_rps", "cpu_us_per_request", "ready_s", "stop_s"):
        assert case[key].keys() == interval
    assert case["latency_us"]["p50"].keys() == interval


def test_the_summary_has_these_keys_and_no_others() -> None:
    run, comparisons = control_run(Ratio(1.0, 0.9, 1.1))
    planned = tuple(each.case for each in flat(comparisons))
    contract = json.loads(msgspec.json.encode(to_contract(replace(run, planned=planned), comparisons)))
    case_keys = {"server", "app", "scenario", "protocol", "load", "users", "streams", "workers", "control", "aside"}
    assert contract.keys() == {"schema", "run", "controls", "cases", "server_share"}
    assert contract["run"].keys() == {
        "id", "started_at", "argv", "environment", "ceilings", "planned", "complete", "sources", "part",
        "baseline", "baseline_app", "twin", "prefer",
        "load", "users", "streams", "workers", "rounds", "precision", "max_rounds", "warmup_s", "duration_s", "seed",
        "load_processes", "remote_load", "load_workers", "user_levels", "slice_s", "together", "request_timeout_s",
        "max_body_bytes", "load_memory_bytes", "compression",
    }  # fmt: skip
    assert contract["run"]["environment"].keys() == {
        "host", "machine", "packages", "server_cpus", "load_cpus", "git_commit", "server_versions", "app_versions",
        "other_packages", "interpreters", "app_commit", "server_args", "kept_out",
        "cpu_model", "cpu_count", "memory_bytes", "kernel", "system", "python",
    }  # fmt: skip
    assert contract["run"]["environment"]["machine"].keys() == MACHINE
    assert {frozenset(each) for each in contract["run"]["planned"]} == {frozenset(case_keys)}
    for case in contract["cases"]:
        assert case.keys() == {
            "case", "name", "verdict", "reasons", "rounds", "requests", "errors", "rank", "ranks", "ratio_to_baseline",
            "precision", "throughput_rps", "throughput_by_round_rps", "throughput_rounds", "cpu_rounds",
            "latency_us", "service_us", "send_lag_us",
            "cpu_us_per_request", "cpu_us_per_request_by_round", "memory_pss_bytes", "ready_s", "first_request_s",
            "stop_s", "connections", "offered_rps", "achieved_ratio", "own_share", "overloaded",
            "context_switches_per_request", "frequency_mhz", "disturbed", "disturbed_rounds", "unanswered",
            "reopened", "resent", "pushes", "idle_cpu_ratio", "warming", "slice_s", "start_spread", "ratio_to",
            "by_name", "users_ready_s", "workload", "cpu_us_by_program", "first_byte_us", "resumed", "idle_connections",
        }  # fmt: skip
        assert case["case"].keys() == case_keys
        assert case["errors"].keys() == {"total", "by_kind", "examples"}
        assert case["memory_pss_bytes"].keys() == {"idle", "peak", "by_round"}
        assert case["ratio_to_baseline"].keys() == {"throughput", "cpu", "p99"}
        assert case["ratio_to_baseline"]["throughput"].keys() == case["ratio_to_baseline"]["cpu"].keys() == RATIO
        for key in ("latency_us", "service_us", "send_lag_us"):
            assert case[key].keys() == PERCENTILES
        for key in ("throughput_rps", "cpu_us_per_request", "ready_s", "first_request_s", "stop_s"):
            assert case[key].keys() == INTERVAL


def test_programs_find_the_control_under_a_name_of_its_own_and_loads_as_text() -> None:
    run, comparisons = control_run(Ratio(1.0, 0.9, 1.1))
    planned = tuple(each.case for each in flat(comparisons))
    contract = to_contract(replace(run, planned=planned), comparisons)
    labels = [(case.label, case.load.text) for case in planned]
    assert sorted(label for label, _ in labels) == ["uvicorn", "uvicorn-control"]
    assert [(each["server"], each["load"]) for each in contract["run"]["planned"]] == labels
    assert [(each["case"]["server"], each["case"]["load"]) for each in contract["cases"]] == labels
    assert (contract["run"]["baseline"], contract["run"]["twin"]) == ("uvicorn", "uvicorn-control")
    assert contract["run"]["load"] == "saturate"
    assert to_contract(under(RUN, control=False), [])["run"]["twin"] is None


def test_every_case_of_the_summary_has_the_same_keys_and_none_holds_a_histogram() -> None:
    cases = to_contract(RUN, COMPARISONS)["cases"]
    assert len(cases) == len(flat(COMPARISONS))
    assert {frozenset(case) for case in cases} == {frozenset(cases[0])}
    assert "response" not in cases[0]


def test_every_field_of_run_and_summary_but_histogram_and_time_line_is_in_the_contract() -> None:
    contract = to_contract(under(RUN, workers=(1, 2)), COMPARISONS)
    if_used = {"netns", "rtt_s", "loss", "link", "hosts"}
    conditions = {field.name for field in fields(RUN.conditions)} - {"control"} - if_used
    run = {field.name for field in fields(RUN)} - {"schema", "conditions", "given", "workloads"} - if_used
    assert contract["run"].keys() == run | conditions | {"baseline_app", "twin", "user_levels"}
    case = {field.name for field in fields(WS_ECHO.summaries[0])} - {"response", "timeline"}
    assert contract["cases"][0].keys() == case | {"ratio_to", "workload"}
    assert json.loads(msgspec.json.encode(contract))["run"]["workers"] == [1, 2]


def test_users_are_a_number_as_before_and_all_of_them_a_list() -> None:
    run = to_contract(under(RUN, users=(8, 128, 32)), [])["run"]
    assert (run["users"], run["user_levels"]) == (128, [8, 128, 32])


def test_the_control_of_each_comparison_is_at_the_top() -> None:
    run, comparisons = control_run(Ratio(1.0, 0.9, 1.1), asked=2)
    controls = json.loads(msgspec.json.encode(to_contract(run, comparisons)))["controls"]
    assert [each["scenario"] for each in controls] == ["plaintext", "json"]
    for each in controls:
        assert each.keys() == {
            "scenario", "protocol", "load", "users", "workers", "server", "app", "throughput", "cpu", "p99",
        }  # fmt: skip
        assert (each["server"], each["app"]) == ("uvicorn", "asgi")
    assert controls[0]["throughput"] == {"value": 1.0, "low": 0.9, "high": 1.1}
    assert controls[0]["p99"] is None


def test_a_case_names_what_its_ratios_are_ratios_to() -> None:
    cases = {each["name"]: each["ratio_to"] for each in to_contract(*without_baseline())["cases"]}
    granian = {"server": "granian", "app": "asgi"}
    assert cases == {"granian": granian, "hypercorn": granian, "uvicorn": None}


def test_a_case_names_what_its_users_send_by_a_digest() -> None:
    digests = {each["case"]["scenario"]: each["workload"] for each in to_contract(RUN, COMPARISONS)["cases"]}
    assert set(digests.values()) == {None}, "a run of an earlier version"
    given = {name: f"digest of {name}" for name in digests}
    cases = to_contract(replace(RUN, workloads=given), COMPARISONS)["cases"]
    assert {each["case"]["scenario"]: each["workload"] for each in cases} == given


def test_a_summary_is_read_back_as_what_it_was_made_from() -> None:
    run, comparisons = control_run(Ratio(1.0, 0.99, 1.01), asked=2)
    run = replace(run, workloads={"plaintext": "1 a.py", "json": "1 b.py"})
    info, found = decode(encode(run, comparisons), "here")
    assert info == replace(run, ceilings={}, schema=info.schema)
    ours, theirs = flat(comparisons), flat(found)
    assert [
        replace(each, response=one.response, ranks=one.ranks) for each, one in zip(theirs, ours, strict=True)
    ] == ours
    assert [each.reference for each in found] == [each.reference for each in comparisons]


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"{}", b'{"schema": 1}', b'{"schema": 2, "run": {}}', b'{"schema": 1, "run": {"id": 1}}', b"\xff"],
)
def test_anything_else_is_an_error_in_one_line(text: bytes) -> None:
    with pytest.raises(UsageError, match=r"^here: expected [^\n]*$"):
        decode(text, "here")


def test_a_summary_with_one_odd_value_is_an_error_or_read() -> None:
    """No value of a file, whatever it is, ends in a traceback."""
    plain = json.loads(encode(*control_run(Ratio(1.0, 0.99, 1.01))))
    for name in ("id", "environment", "load", "users", "user_levels", "twin", "argv", "baseline", "workers"):
        for odd in (None, 1, "x", [], {}, [{}]):
            text = json.dumps({**plain, "run": {**plain["run"], name: odd}}).encode()
            with suppress(UsageError):
                decode(text, "here")
    for name in ("case", "errors", "by_name", "ratio_to", "ratio_to_baseline", "throughput_rps"):
        for odd in (None, 1, "x", [], {}, [{}]):
            text = json.dumps({**plain, "cases": [{**plain["cases"][0], name: odd}]}).encode()
            with suppress(UsageError):
                decode(text, "here")


def test_distances_are_in_the_contract_with_and_without_a_network_namespace() -> None:
    def keys(**conditions: Any) -> set[str]:
        return {"netns", "rtt_s", "loss"} & to_contract(under(RUN, **conditions), [])["run"].keys()

    assert keys() == set()
    assert keys(netns=True) == {"netns", "rtt_s", "loss"}
    assert keys(rtt_s=(0.0, 0.02)) == keys(loss=0.01) == {"rtt_s", "loss"}
