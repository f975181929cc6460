from __future__ import annotations

from dataclasses import replace

from harness.model.histogram import Histogram
from harness.model.plan import Candidate
from harness.model.summaries import Estimate, Latency, Ratio, Ratios
from harness.report.method import describe_environment
from harness.report.page import make_page
from harness.report.sections import make_sections
from tests import synthetic
from tests.reported import RUN, WS_ECHO, without_baseline
from tests.synthetic import grouped


def test_percentiles_of_too_few_requests_are_dashes() -> None:
    (section,) = make_sections(RUN, grouped([replace(WS_ECHO.summaries[0], latency_us=Latency())]))
    cells = zip(section.table.columns, map(str, section.table.rows[0].cells), strict=True)
    assert [cell for name, cell in cells if "ms" in name] == ["–"] * 3


def test_a_percentile_among_requests_without_an_answer_is_longer_than_it_says() -> None:
    response, thirty_s = Histogram.of([500] * 980 + [30_000_000] * 20), Estimate(3e7, 3e7, 3e7)
    hanging = replace(
        WS_ECHO.summaries[0],
        response=response,
        unanswered=20,
        latency_us=Latency(p50=Estimate(500, 500, 500), p99=thirty_s, p99_9=thirty_s),
    )
    (section,) = make_sections(RUN, grouped([hanging, replace(WS_ECHO.summaries[1], response=response)]))
    shown = {row.name: dict(zip(section.table.columns, row.cells, strict=True)) for row in section.table.rows}
    cells = shown[hanging.name]
    assert [cells[name].value for name in ("p50 ms", "p99 ms", "p99.9 ms")] == ["0.500", "> 30,000", "> 30,000"]
    assert not shown[WS_ECHO.summaries[1].name]["p99 ms"].value.startswith(">")


def test_apps_on_one_server_are_compared_as_apps_with_the_versions_of_their_frameworks() -> None:
    run = replace(RUN, environment=replace(RUN.environment, app_versions={"fastapi": "0.163.0"}))
    summaries = synthetic.with_apps(("uvicorn",), ("asgi", "fastapi"))
    (section,) = make_sections(run, summaries)
    assert section.title == "plaintext over HTTP/1.1"
    assert section.table.columns[:2] == ("Rank", "App")
    assert {str(row.cells[1]) for row in section.table.rows} == {"asgi", "fastapi (0.163.0)"}
    assert "÷ asgi" in section.table.columns
    assert make_page(run, summaries, []).title == "ASGI apps compared on uvicorn: asgi, fastapi"
    assert ("Apps", "fastapi 0.163.0") in describe_environment(run)


def test_apps_on_several_servers_are_named_by_both_and_one_pair_is_the_baseline() -> None:
    baseline = Candidate("uvicorn", "fastapi")
    (comparison,) = synthetic.with_apps(("uvicorn", "granian"), ("asgi", "fastapi"))
    (section,) = make_sections(replace(RUN, baseline=baseline), [replace(comparison, reference=baseline)])
    assert section.table.columns[1] == "App on server"
    assert "÷ fastapi on uvicorn" in section.table.columns
    shown = {row.name: dict(zip(section.table.columns, row.cells, strict=True)) for row in section.table.rows}
    assert [name for name, cells in shown.items() if cells["÷ fastapi on uvicorn"].value == "baseline"] == [
        "fastapi on uvicorn"
    ]
    assert shown["asgi on granian"]["App on server"].detail == "granian 2.8.7"


def test_absolute_numbers_that_were_disturbed_are_marked_and_ratios_are_not() -> None:
    disturbed = grouped(replace(each, disturbed=each.name == "granian") for each in WS_ECHO.summaries)
    (section,) = make_sections(RUN, disturbed)
    for row in section.table.rows:
        cells = dict(zip(section.table.columns, map(str, row.cells), strict=True))
        marked = {name for name, cell in cells.items() if cell.startswith("~")}
        absolute = {"Requests/s", "p50 ms", "p99 ms", "CPU µs/request"}
        assert marked == (absolute if row.name == "granian" else set())
        assert cells["p99.9 ms"] == "–"


def test_an_interval_whose_ends_differ_by_more_than_three_times_is_not_shown() -> None:
    def shown(low: float, high: float) -> tuple[str, str]:
        throughput, ratio = Estimate(1_000, 1_000 * low, 1_000 * high), Ratio(1, low, high)
        wide = [
            replace(each, throughput_rps=throughput, ratio_to_baseline=Ratios(ratio, None, None))
            for each in WS_ECHO.summaries
        ]
        (section,) = make_sections(RUN, grouped(wide))
        row = next(row for row in section.table.rows if row.name == "granian")
        cells = dict(zip(section.table.columns, row.cells, strict=True))
        return cells["Requests/s"].detail, cells["÷ uvicorn"].detail

    assert shown(0.6, 1.79) == ("600 – 1,790", "0.60 – 1.79")
    assert shown(0.6, 1.81) == ("too few rounds", "too few rounds")
    assert shown(0.0, 1.5) == ("too few rounds", "too few rounds")


def test_where_the_baseline_is_unsupported_the_ratio_column_names_what_took_its_place() -> None:
    run, comparisons = without_baseline()
    (section,) = make_sections(run, comparisons)
    assert "÷ granian" in section.table.columns
    shown = {row.name: str(row.cells[section.table.columns.index("÷ granian")]) for row in section.table.rows}
    assert shown["granian"] == "in its place"
    assert shown["uvicorn"] == "–"
    assert shown["hypercorn"].endswith(")")


def test_the_details_say_how_much_a_server_differs_from_start_to_start() -> None:
    known = grouped(replace(each, start_spread=0.031 if each.name == "granian" else None) for each in WS_ECHO.summaries)
    (section,) = make_sections(RUN, known)
    place = section.details.columns.index("Differs from start to start")
    assert {row.name: str(row.cells[place]) for row in section.details.rows}["granian"] == "3.1 %"
    assert "Differs from start to start" not in make_sections(RUN, [WS_ECHO])[0].details.columns
