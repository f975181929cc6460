"""Real runs of former schemas, read by today's code."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from harness.analysis.cpu_time import cpu_between
from harness.analysis.summarise import summarise
from harness.model.loads import SATURATE
from harness.model.plan import Candidate
from harness.model.summaries import CaseSummary, Estimate
from harness.run import former
from harness.run.directory import RunDirectory

DATA = Path(__file__).parents[2] / "data"
RUN = RunDirectory(DATA / "run-of-schema-1")
VERBOSE = RunDirectory(DATA / "run-of-schema-2")


def summaries(run: RunDirectory = RUN) -> dict[str, CaseSummary]:
    found = summarise(run.read_trials(), run.read_starts(), run.read_info())
    return {each.case.label: each for comparison in found for each in comparison.summaries}


def test_the_conditions_are_read_from_where_they_stood() -> None:
    info = RUN.read_info()
    conditions = info.conditions
    assert (conditions.load, conditions.users, conditions.rounds, conditions.seed) == (SATURATE, (8,), 3, 7)
    assert (conditions.together, conditions.slice_s) == (1, conditions.duration_s)
    assert conditions.control
    assert info.baseline == Candidate("uvicorn", "asgi")
    assert info.complete
    assert info.environment.python.startswith("CPython 3.")
    assert set(info.environment.server_versions) == {"uvicorn", "granian"}


def test_the_second_entry_of_the_baseline_is_the_control() -> None:
    assert set(summaries()) == {"uvicorn", "uvicorn-control", "granian"}
    assert {start.config.server for start in RUN.read_starts() if start.config.control} == {"uvicorn"}
    assert {case.label for case in RUN.read_info().planned} == {"uvicorn", "uvicorn-control", "granian"}


def test_the_figures_are_those_that_the_former_version_reported() -> None:
    reported = msgspec.json.decode((RUN.path / "summary.json").read_bytes())["cases"]
    now = summaries()
    assert len(reported) == len(now)
    for then in reported:
        found = now[then["case"]["server"].replace("-again", "-control")]
        assert found.verdict == then["verdict"]
        assert found.requests == then["requests"]
        for name in ("throughput_rps", "cpu_us_per_request", "ready_s", "stop_s"):
            assert getattr(found, name) == msgspec.convert(then[name], Estimate)
        assert found.memory_pss_bytes.peak == then["memory_pss_bytes"]["peak"]
        assert found.latency_us.p50 is not None
        assert found.latency_us.p50.median == then["latency_us"]["p50"]["median"]
        if then["ratio_to_baseline"] is not None:
            assert found.ratio_to_baseline is not None
            assert found.ratio_to_baseline.throughput.value == pytest.approx(
                then["ratio_to_baseline"]["throughput"]["value"]
            )


def test_a_window_is_one_slice_with_the_cpu_time_that_was_sampled_in_it() -> None:
    for each in RUN.read_trials():
        assert each.result is not None
        (window,) = each.result.slices
        assert (window.cycle, window.opened_ns, window.drained_ns) == (0, window.start_ns, window.end_ns)
        assert each.slice_cpu_s == (cpu_between(each.samples, window.start_ns, window.end_ns),)
        assert 0 < window.requests <= window.answers == window.finished
        assert each.result.response.count == window.requests


def test_a_trial_that_was_disturbed_and_repeated_is_not_read(tmp_path: Path) -> None:
    copy = RunDirectory(Path(shutil.copytree(RUN.path, tmp_path / "run")))
    trials = copy.path / "trials.jsonl"
    first, *others = trials.read_bytes().splitlines(keepends=True)
    repeated = first.replace(b'"repeated":false', b'"repeated":true')
    trials.write_bytes(b"".join([repeated, first, *others]))
    assert copy.read_trials() == RUN.read_trials()


def test_a_run_that_recorded_only_a_few_facts_of_its_machine_is_read() -> None:
    old = msgspec.json.decode((RUN.path / "run.json").read_bytes())
    old["environment"]["machine"] = None
    environment = msgspec.convert(former.upgrade_run(old)["environment"], type(RUN.read_info().environment))
    expected = RUN.read_info().environment
    assert environment.cpu_model == expected.cpu_model
    assert environment.cpu_count == expected.cpu_count
    assert environment.python == expected.python


def test_trials_that_had_all_of_their_histograms_in_full_give_the_figures_that_they_gave() -> None:
    reported = {"uvicorn": (1634, 5536.959865975077), "hypercorn": (645, 2192.4984661860603)}
    found = summaries(VERBOSE)
    medians = {"uvicorn": (355, 355, 65), "hypercorn": (914, 914, 345)}
    for name, own in reported.items():
        case = found[name]
        assert case.throughput_rps is not None
        assert (case.requests, case.throughput_rps.median) == own
        times = (case.latency_us.p50, case.service_us.p50, case.first_byte_us and case.first_byte_us.p50)
        assert tuple(each and each.median for each in times) == medians[name]


def test_trials_of_a_former_schema_are_written_again_in_todays(tmp_path: Path) -> None:
    for number, run in enumerate((RUN, VERBOSE)):
        copy = RunDirectory.create(tmp_path, str(number))
        trials = run.read_trials()
        copy.write_again(run.read_info(), trials)
        assert copy.read_trials() == trials
        before, after = ((each.path / "trials.jsonl").stat().st_size for each in (run, copy))
        assert after < before / 2
