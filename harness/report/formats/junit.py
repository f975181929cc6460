"""JUnit's XML, as Ant writes it and Jenkins reads it: a suite for each comparison, a test for each candidate.

JUnit itself publishes no schema. The elements and attributes here are those that both usual ones allow: that of Ant's
reports (https://github.com/windyroad/JUnit-Schema) and that of Jenkins (its plugin xunit, junit-10.xsd).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from harness.report.formats import Format
from harness.report.sections import make_sections
from harness.text.plain import neutralise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.model.results import RunInfo, Verdict
    from harness.model.summaries import CaseSummary, ComparisonSummary
    from harness.report.sections import Section

OUTCOMES: dict[Verdict, str] = {
    "client-limited": "failure",
    "invalid": "failure",
    "failed": "error",
    "unsupported": "skipped",
}
"""The element in a test of each verdict; a valid one has none."""
_NO_CHARACTERS = str.maketrans("", "", "\ufffe\uffff")
"""Characters that XML does not have, beside those that are neutralised."""


def write(run: RunInfo, comparisons: Sequence[ComparisonSummary]) -> str:
    """The verdict of each case as a test, with its figures in the output of its suite."""
    suites = Element("testsuites")
    for number, section in enumerate(make_sections(run, comparisons)):
        _add_suite(suites, run, section, number)
    indent(suites)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(suites, encoding="unicode")}\n'


def _add_suite(suites: Element, run: RunInfo, section: Section, number: int) -> None:
    cases = section.summary.summaries
    found = [OUTCOMES.get(each.verdict) for each in cases]
    suite = SubElement(
        suites,
        "testsuite",
        name=_token(section.title),
        package="asgi-harness",
        id=str(number),
        timestamp=run.started_at[:19],
        hostname="localhost",
        tests=str(len(cases)),
        failures=str(found.count("failure")),
        errors=str(found.count("error")),
        skipped=str(found.count("skipped")),
        time=_seconds(run, cases),
    )
    properties = SubElement(suite, "properties")
    for name, value in (("run", run.id), ("conditions", str(run.conditions))):
        SubElement(properties, "property", name=name, value=_text(value))
    for each in cases:
        _add_test(suite, run, each, section.title)
    heads = section.table.columns
    shown = (
        "; ".join(f"{head}: {cell}" for head, cell in zip(heads, row.cells, strict=True)) for row in section.table.rows
    )
    SubElement(suite, "system-out").text = _text("\n".join(shown))
    SubElement(suite, "system-err")


def _add_test(suite: Element, run: RunInfo, case: CaseSummary, comparison: str) -> None:
    at = f" at {case.case.load.text}" if case.own_share is not None else ""
    names = {"name": _token(case.name + at), "classname": _token(comparison), "time": _seconds(run, [case])}
    test = SubElement(suite, "testcase", names)
    if kind := OUTCOMES.get(case.verdict):
        outcome = SubElement(test, kind, type=case.verdict, message=_text("; ".join(case.reasons)))
        outcome.text = _text("\n".join(f"{each}: {example}" for each, example in case.errors.examples.items()))


def _seconds(run: RunInfo, cases: Sequence[CaseSummary]) -> str:
    """For how long requests counted."""
    return f"{run.conditions.duration_s * sum(each.rounds for each in cases):.3f}"


def _token(text: str) -> str:
    return " ".join(_text(text).split())


def _text(text: str) -> str:
    return neutralise(text).translate(_NO_CHARACTERS)


FORMATS = (Format("junit", "the verdict of each case as a test, in JUnit's XML", write),)
