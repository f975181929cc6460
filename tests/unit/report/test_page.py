from __future__ import annotations

from dataclasses import replace

from harness.report import html, markdown
from harness.report.page import make_page
from tests import synthetic
from tests.pages import Reader, render_markdown
from tests.reported import RUN, WS_ECHO, interrupted_run
from tests.synthetic import Fault, flat, grouped


def test_a_report_of_nothing_but_failures_says_so() -> None:
    failed = Fault("failed", ("the server did not start",))
    summaries = synthetic.summaries(("uvicorn",), [("plaintext", "h1")], lambda _: failed)
    content = make_page(RUN, summaries, [])
    assert content.headline == ["Nothing could be ranked."]
    assert content.answers[0][0] == "No number on plaintext over HTTP/1.1 can be ranked."
    assert [each.reasons for each in content.unanswered] == [("the server did not start",)]


def test_an_interrupted_run_says_so_first_and_names_what_it_lacks() -> None:
    run, comparisons = interrupted_run("daphne", "granian")
    failed = next(
        replace(each, verdict="failed", throughput_rps=None) for each in WS_ECHO.summaries if each.name == "granian"
    )
    content = make_page(run, grouped([*flat(comparisons), failed]), [])
    assert content.interrupted == [
        "Interrupted: 2 of 4 cases have no number yet; the others have 1 to 2 of 5 rounds that count.",
        "ws_echo over WebSocket: daphne, granian",
    ]
    assert content.lead.endswith(" · interrupted")
    assert content.method[0].startswith("5 rounds, cut short: ")
    assert any(line.startswith("Load, as planned: closed loop") for line in content.method)
    assert content.title == "ASGI servers compared: uvicorn, hypercorn, granian, daphne"
    for source in (
        render_markdown(markdown.render(make_page(run, comparisons, []))),
        html.render(make_page(run, comparisons, []), {}),
    ):
        said = Reader(source).text
        assert said.index("Interrupted: 2 of 4") < said.index("Answer\n")
        assert "ws_echo over WebSocket: daphne, granian" in said


def test_a_complete_run_and_one_that_did_not_record_it_are_not_called_interrupted() -> None:
    run, comparisons = interrupted_run("daphne")
    for complete in (True, None):
        content = make_page(replace(run, complete=complete), comparisons, [])
        assert content.interrupted == []
        assert "interrupted" not in content.lead
        assert content.method[0].startswith("5 rounds: ")


def test_a_run_without_any_trial_has_a_title_that_names_its_servers() -> None:
    run, _ = interrupted_run()
    assert make_page(run, [], []).title == "ASGI servers compared: uvicorn, hypercorn, daphne, granian"
    assert make_page(RUN, [], []).title == "ASGI servers compared: none"
