"""Each format is what its readers publish: read here by its own parser, or by its rules."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import msgspec
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from harness.analysis.figures import list_rows, name_case
from harness.model.summaries import SUMMARY_SCHEMA, Estimate
from harness.report.export import list_formats
from harness.report.formats.csv import COLUMNS
from harness.report.formats.openmetrics import FAMILIES, PREFIX, STATES
from harness.report.sections import make_sections
from harness.report.summary import to_contract
from tests import synthetic
from tests.reported import COMPARISONS, ODD, RUN, SWEEP, Reported, odd_run
from tests.synthetic import flat

ODD_TEXT = 'a"b\\c\nd,e\x1b[2J\ufffe<&>'
"""What is special in some format."""


def hostile_run() -> Reported:
    """A run whose names and reasons hold what is special in some format."""
    run, comparisons = odd_run()
    (found,) = comparisons
    odd = tuple(
        replace(each, case=replace(each.case, app=ODD_TEXT, scenario=ODD_TEXT), reasons=(ODD_TEXT,))
        for each in found.summaries
    )
    return run, [replace(found, summaries=odd, comparison=odd[0].case.comparison)]


RUNS: dict[str, Reported] = {
    "usual": (RUN, COMPARISONS),
    "with a control": (RUN, synthetic.summaries(asked=[("plaintext", "h1")], control=True)),
    "a sweep": (SWEEP, synthetic.sweep()),
    "hostile": hostile_run(),
    "empty": (RUN, []),
}


@pytest.fixture(params=RUNS)
def reported(request: pytest.FixtureRequest) -> Reported:
    return RUNS[request.param]


def written(name: str, reported: Reported) -> str:
    (chosen,) = (each for each in list_formats() if each.name == name)
    return chosen.write(*reported)


def test_the_formats_are_those_of_the_folder() -> None:
    assert [each.name for each in list_formats()] == [
        *("bencher", "csv", "github-action-benchmark", "github-action-benchmark-bigger", "junit", "openmetrics")
    ]


@pytest.mark.parametrize("name", [each.name for each in list_formats()])
def test_a_format_is_a_text_with_a_newline_at_its_end_and_no_name_of_the_host(name: str, reported: Reported) -> None:
    text = written(name, reported)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert RUN.environment.host not in text
    assert text == written(name, reported)


def test_csv_has_a_figure_a_row_with_unit_interval_rounds_and_verdict(reported: Reported) -> None:
    run, comparisons = reported
    table = list(csv.DictReader(written("csv", reported).splitlines(keepends=True), strict=True))
    rows = list_rows(comparisons, requests=True)
    assert len(table) == len(rows)
    for read, row in zip(table, rows, strict=True):
        assert list(read) == ["run", "started_at", *COLUMNS]
        assert read["run"] == run.id
        assert read["app"] == row.case.case.app
        assert (read["figure"], read["unit"]) == (row.figure.name, row.figure.unit)
        assert float(read["value"]) == row.value
        assert [float(read[end]) if read[end] else None for end in ("low", "high")] == [row.low, row.high]
        assert read["rounds"] == str(row.case.rounds)
        assert read["verdict"] == row.case.verdict


def test_csv_and_the_contract_name_the_same_cases() -> None:
    contract = to_contract(RUN, COMPARISONS)
    assert contract["schema"] == SUMMARY_SCHEMA
    named = ("server", "app", "scenario", "protocol", "load", "users", "streams", "workers")
    cases = {tuple(str(each["case"][name]) for name in named) for each in contract["cases"] if each["requests"]}
    table = csv.DictReader(written("csv", (RUN, COMPARISONS)).splitlines())
    assert {tuple(row[name] for name in named) for row in table} == cases | {
        tuple(str(each["case"][name]) for name in named) for each in contract["cases"] if each["errors"]["total"]
    }


class BencherMetric(msgspec.Struct, forbid_unknown_fields=True):
    """What https://bencher.dev/bmf.json demands of a metric."""

    value: float
    lower_value: float | msgspec.UnsetType = msgspec.UNSET
    upper_value: float | msgspec.UnsetType = msgspec.UNSET


def test_bencher_reads_its_metric_format(reported: Reported) -> None:
    found = msgspec.json.decode(written("bencher", reported), type=dict[str, dict[str, BencherMetric]])
    valid = [each for each in flat(reported[1]) if each.verdict == "valid" and not each.case.control]
    assert found.keys() == {name_case(each.case) for each in valid}
    for name, measures in found.items():
        assert len(name) <= 1024, "its longest name of a benchmark"
        assert "throughput" in measures
        for measure, metric in measures.items():
            assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", measure), "a slug"
            assert len(measure) <= 64, "its longest slug"
            if metric.lower_value is not msgspec.UNSET and metric.upper_value is not msgspec.UNSET:
                assert metric.lower_value <= metric.value <= metric.upper_value


class ActionEntry(msgspec.Struct, forbid_unknown_fields=True):
    """`BenchmarkResult` in the action's source, as its custom tools read it."""

    name: str
    value: float
    unit: str
    range: str | msgspec.UnsetType = msgspec.UNSET
    extra: str | msgspec.UnsetType = msgspec.UNSET


def test_github_action_benchmark_reads_a_file_for_each_direction(reported: Reported) -> None:
    names = ("github-action-benchmark", "github-action-benchmark-bigger")
    smaller, bigger = (msgspec.json.decode(written(name, reported), type=list[ActionEntry]) for name in names)
    assert {each.unit for each in bigger} <= {"requests/s"}
    assert {each.unit for each in smaller} <= {"us", "us/request", "bytes", "s"}
    every = [each.name for each in (*smaller, *bigger)]
    assert len(every) == len(set(every)), "a name is the key of a chart"
    valid = [each for each in flat(reported[1]) if each.verdict == "valid" and not each.case.control]
    assert len(bigger) == len(valid)
    for each in (*smaller, *bigger):
        if each.range is not msgspec.UNSET:
            half = re.fullmatch(r"± (\d+\.\d+)", each.range)
            assert half, "the action reads a number after this sign"


def test_openmetrics_is_read_by_the_reference_parser(reported: Reported) -> None:
    families = {each.name: each for each in text_string_to_metric_families(written("openmetrics", reported))}
    assert set(families) <= {f"{PREFIX}_{name}" for name in (*STATES, *(each.name for each in FAMILIES))}
    valid = families[f"{PREFIX}_valid"]
    summaries = flat(reported[1])
    assert [sample.value for sample in valid.samples] == [float(each.verdict == "valid") for each in summaries]
    assert [sample.labels["app"] for sample in valid.samples] == [each.case.app for each in summaries]
    for family in families.values():
        assert family.type == "gauge"
        assert family.documentation
        assert not family.unit or family.name.endswith(f"_{family.unit}")
        assert all(sample.timestamp for sample in family.samples)


def test_openmetrics_has_base_units_and_both_ends_of_each_interval() -> None:
    case = replace(COMPARISONS[-1].summaries[0], cpu_us_per_request=Estimate(100.0, 90.0, 110.0))
    text = written("openmetrics", (RUN, [replace(COMPARISONS[-1], summaries=(case,))]))
    families = {each.name: each for each in text_string_to_metric_families(text)}
    found = {each.labels["bound"]: each.value for each in families[f"{PREFIX}_request_cpu_seconds"].samples}
    assert found == pytest.approx({"value": 100e-6, "low": 90e-6, "high": 110e-6})
    percentiles = {each.labels["percentile"] for each in families[f"{PREFIX}_latency_seconds"].samples}
    assert percentiles <= {"50", "90", "99", "99.9"}


SUITE = {"name", "package", "id", "timestamp", "hostname", "tests", "failures", "errors", "skipped", "time"}
"""What Ant's schema demands of a suite in `testsuites`, which Jenkins's schema allows."""


def test_junit_is_what_both_ant_and_jenkins_allow(reported: Reported) -> None:
    run, comparisons = reported
    suites = ET.fromstring(written("junit", reported))
    assert (suites.tag, suites.attrib) == ("testsuites", {})
    sections = make_sections(run, comparisons)
    assert len(suites) == len(sections)
    for number, (suite, section) in enumerate(zip(suites, sections, strict=True)):
        assert suite.tag == "testsuite"
        assert set(suite.keys()) == SUITE
        assert suite.get("id") == str(number)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.get("timestamp", "")), "without a time zone"
        assert [each.tag for each in suite] == [
            *("properties", *["testcase"] * len(section.summary.summaries), "system-out", "system-err")
        ]
        assert all(set(each.keys()) == {"name", "value"} for each in suite.findall("properties/property"))
        tests = suite.findall("testcase")
        for kind, total in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            assert suite.get(total) == str(len(suite.findall(f"testcase/{kind}")))
        assert suite.get("tests") == str(len(tests))
        for test, case in zip(tests, section.summary.summaries, strict=True):
            assert set(test.keys()) == {"name", "classname", "time"}
            assert len(test) == (case.verdict != "valid")
            assert all(each.tag in {"failure", "error", "skipped"} for each in test)
            assert all(set(each.keys()) == {"type", "message"} for each in test)
        tokens = [suite.get("name", ""), *(test.get(name, "") for test in tests for name in ("name", "classname"))]
        assert all(token and token == " ".join(token.split()) for token in tokens)
        assert all(re.fullmatch(r"\d+\.\d{3}", each.get("time", "")) for each in (suite, *tests))


def test_junit_tells_the_reasons_and_has_no_character_that_xml_has_not() -> None:
    text = written("junit", hostile_run())
    message = next(each.get("message", "") for each in ET.fromstring(text).iter("failure"))
    assert 'a"b\\c' in message
    assert "\\u001b" in text or "\x1b" not in text
    assert "\ufffe" not in text


def test_odd_names_stay_what_they_are_in_json() -> None:
    run, comparisons = odd_run()
    names = [each["name"] for each in json.loads(written("github-action-benchmark-bigger", (run, comparisons)))]
    assert any(ODD in name for name in names)
