from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.model.plan import Candidate
from harness.model.summaries import Latency
from harness.report.method import describe_environment
from harness.report.page import make_page
from harness.report.sections import make_sections
from tests import synthetic
from tests.reported import RUN, WS_ECHO
from tests.synthetic import grouped

if TYPE_CHECKING:
    pass


def test_percentiles_of_too_few_requests_are_dashes() -> None:
    (section,) = make_sections(RUN, grouped([replace(WS_ECHO.summaries[0], latency_us=Latency())]))
    cells = zip(section.table.columns, map(str, section.table.rows[0].cells), strict=True)
    assert [cell for name, cell in cells if "ms" in name] == ["–"] * 3


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
    summaries = synthetic.with_apps(("uvicorn", "granian"), ("asgi", "fastapi"))
    (section,) = make_sections(replace(RUN, baseline=Candidate("uvicorn", "fastapi")), summaries)
    assert section.table.columns[1] == "App on server"
    assert "÷ fastapi on uvicorn" in section.table.columns
    shown = {row.name: dict(zip(section.table.columns, row.cells, strict=True)) for row in section.table.rows}
    assert [name for name, cells in shown.items() if cells["÷ fastapi on uvicorn"].value == "baseline"] == [
        "fastapi on uvicorn"
    ]
    assert shown["asgi on granian"]["App on server"].detail == "granian 2.8.7"
