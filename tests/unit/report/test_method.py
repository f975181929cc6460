from __future__ import annotations

from dataclasses import replace

import pytest

from harness.model.loads import Capacity, Rate
from harness.model.plan import Compression, ServerConfig
from harness.model.records import Active, Probe, Record, ServerStart
from harness.model.summaries import Ratio
from harness.report import sentences
from harness.report.method import describe_environment, describe_machines, describe_method
from harness.report.sections import make_sections
from tests.builders import HOSTS, run_info
from tests.reported import COMPARISONS, RUN, SWEEP, WS_ECHO, control_run
from tests.synthetic import flat, grouped, under


def test_the_conditions_of_a_run_are_put_into_words() -> None:
    assert str(RUN.conditions) == "closed loop, 32 users, 1 worker, 5 rounds × 2 s, seed 7"
    opened = under(RUN, load=Rate(5_000), streams=8, workers=(2,), rounds=1, duration_s=0.5)
    assert str(opened.conditions) == (
        "open loop at 5000 requests/s, 32 users (8 streams a connection on HTTP/2), 2 workers, 1 round × 0.5 s, seed 7"
    )
    searched = under(RUN, load=Capacity({99.0: 50_000}))
    assert str(searched.conditions).startswith("search for the highest rate with p99<50ms, ")


def test_a_sweep_has_as_many_rounds_in_closed_loops_as_in_open_loops() -> None:
    shown = describe_method(SWEEP)[0]
    assert shown.startswith("5 rounds in a closed loop, then 5 rounds in open loops: each starts")


def test_a_capacity_is_reported_with_its_level_and_how_it_was_searched_for() -> None:
    load = Capacity({99.0: 50_000})
    run = under(RUN, load=load)
    summaries = [replace(each, case=replace(each.case, load=load), offered_rps=500.0) for each in WS_ECHO.summaries]
    (section,) = make_sections(run, grouped(summaries))
    assert "requests/s, the most that meets p99<50ms" in sentences.answer(section)
    assert "Capacity, requests/s" in section.table.columns
    probes = [Probe(1000, "doubling", met=True), Probe(1000, "confirmation", met=True, final=True)]
    trials = [Record(summaries[0].case, 0, number, "valid", probe=probe) for number, probe in enumerate(probes * 3)]
    shown = describe_method(run, trials=trials)
    assert "6 trials were made in 3 searches." in shown
    assert any("at most 5 % above the highest that met" in line for line in shown)
    assert not any("Capacity" in line for line in describe_method(RUN))


def test_the_environment_says_what_apps_found_themselves_running_with() -> None:
    config = ServerConfig("uvicorn", "asgi", 1, tls=False)
    starts = [
        ServerStart(config, 0, (), active=Active("uvloop.Loop", ("uvloop", "httptools"))),
        ServerStart(replace(config, server="granian"), 0, (), active=Active("asyncio.Loop", ())),
        ServerStart(replace(config, server="daphne"), 0, (), active=None),
    ]
    shown = dict(describe_environment(RUN, flat(COMPARISONS), starts))
    assert shown["Event loops"] == "granian: asyncio.Loop; uvicorn: uvloop.Loop"
    assert shown["Loaded modules"] == "uvicorn: httptools, uvloop"
    assert "Event loops" not in dict(describe_environment(RUN, flat(COMPARISONS)))


def test_a_control_ran_with_what_its_original_ran_with_and_has_no_entry_of_its_own() -> None:
    run, comparisons = control_run(Ratio(1.0, 0.99, 1.01))
    config = ServerConfig("uvicorn", "asgi", 1, tls=False)
    starts = [
        ServerStart(replace(config, control=control), 0, (), active=Active("uvloop.Loop", ()))
        for control in (False, True)
    ]
    assert dict(describe_environment(run, flat(comparisons), starts))["Event loops"] == "uvicorn: uvloop.Loop"


def test_every_server_that_was_entered_twice_is_named() -> None:
    run, comparisons = control_run(Ratio(1.0, 0.99, 1.01))
    again = grouped(
        replace(each, name=each.name.replace("uvicorn", "hypercorn"), case=replace(each.case, server="hypercorn"))
        for each in flat(comparisons)
    )
    once = describe_method(run, flat(comparisons))
    assert any(line.startswith("Control: uvicorn, entered a second time") for line in once)
    both = describe_method(run, flat([*comparisons, *again]))
    assert any(line.startswith("Control: uvicorn and hypercorn, each entered a second time") for line in both)


def test_the_method_says_with_how_many_users_the_ceiling_was_found() -> None:
    run = under(replace(RUN, ceilings={"h1": 91_409.0}), users=(8, 128))
    (shown,) = (line for line in describe_method(run) if "ceiling" in line)
    assert shown.startswith("The load generator's ceiling with 128 users, in requests/s against a server that")
    assert shown.endswith(": 91,409 on HTTP/1.1.")


def test_the_method_says_on_which_protocols_no_ceiling_is_known() -> None:
    *_, shown = describe_method(replace(RUN, ceilings={"h1": 91_409.0}), WS_ECHO.summaries)
    assert shown.startswith("Its ceiling on WebSocket is not known")
    *_, shown = describe_method(replace(RUN, ceilings={"ws": 91_409.0}), WS_ECHO.summaries)
    assert "not known" not in shown


def test_the_environment_names_servers_in_another_python_and_the_commit_of_the_app() -> None:
    own, other = "CPython 3.11.2 (main) [GCC]", "CPython 3.13.1 (main) [GCC]"
    where = replace(RUN.environment, interpreters={"a": own, "b": other, "c": other}, app_commit="0123abc")
    rows = dict(describe_environment(replace(RUN, environment=where)))
    assert rows["Python of servers"] == f"b and c: {other}"
    assert rows["Commit of the app"] == "0123abc"
    alone = replace(RUN.environment, interpreters={"a": own})
    assert "Python of servers" not in dict(describe_environment(replace(RUN, environment=alone)))


def test_the_method_says_how_servers_took_turns_and_how_long_a_slice_was() -> None:
    run = under(RUN, request_timeout_s=5.0, duration_s=1.5)
    slices = [
        replace(each, slice_s=each_s) for each, each_s in zip(WS_ECHO.summaries, (0.2, 0.2, 1.5, 0.2), strict=True)
    ]
    shown = describe_method(run, slices)
    assert (
        "Up to 6 servers run at the same time and take turns: one of them is under load, the others are idle." in shown
    )
    assert any(line.startswith("A turn is a slice of 200 ms to 1.5 s after a lead-in") for line in shown)
    assert any(line.endswith("then cycles up to 1.5 s that count.") for line in shown)
    assert "A request without an answer after 5 s is an error." in shown
    alone = describe_method(under(run, together=1), slices[:2])
    assert "One server runs at a time." in alone
    assert any(line.startswith("A turn is a slice of 200 ms after") for line in alone)


def test_a_run_of_the_former_schema_is_described_as_it_was_measured() -> None:
    shown = describe_method(replace(RUN, schema=1))
    assert any("a window of 2 s. One server ran at a time." in line for line in shown)
    assert not any("slice" in line for line in shown)


def test_arguments_and_what_had_no_effect_are_shown() -> None:
    added = {"server_args": {"gunicorn": "-w 2"}, "kept_out": ("LOCUST_TAGS", "locust.conf")}
    environment = replace(RUN.environment, **added)
    shown = dict(describe_environment(replace(RUN, environment=environment)))
    assert shown["Server arguments"] == "gunicorn: -w 2"
    assert shown["No effect on the catalogue's servers and load"] == "LOCUST_TAGS, locust.conf"
    assert (
        not {"Server arguments", "No effect on the catalogue's servers and load"}
        & dict(describe_environment(RUN)).keys()
    )


@pytest.mark.parametrize(
    ("compression", "sentence"),
    [("off", "No request asked for compression."), ("br", "Each request asked for compression: br.")],
)
def test_it_is_told_whether_requests_asked_for_compression(compression: Compression, sentence: str) -> None:
    assert any(sentence in line for line in describe_method(under(RUN, compression=compression)))


def test_the_hosts_of_a_run_are_named_with_their_roles() -> None:
    here, there = describe_machines(run_info(hosts=HOSTS))
    assert here.startswith("Load host bench-1: EPYC × 2, a virtual machine, 8.6 GB, Debian 12, kernel 6.1.0")
    assert there.startswith("Server host ann@10.0.0.2: EPYC × 2")
    rows = dict(describe_environment(run_info(hosts=HOSTS)))
    expected = "harness 0.1.0, CPython 3.12.1; servers listened on 10.0.0.2; its clock is known to ±0.041 ms"
    assert rows["Server host ann@10.0.0.2"] == expected


def test_cpus_of_the_same_numbers_on_two_machines_are_not_shared() -> None:
    shared = replace(run_info(), environment=replace(run_info().environment, server_cpus=(0, 1)))
    assert sentences.list_warnings(shared)
    assert not sentences.list_warnings(replace(shared, hosts=HOSTS))
    assert sentences.list_warnings(replace(shared, hosts=(HOSTS[0], replace(HOSTS[1], shares_machine=True))))
