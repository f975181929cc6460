"""JUnit's XML, as Ant writes it and Jenkins reads it.

JUnit itself publishes no schema. The elements and attributes here are those that both usual ones allow: that of Ant's
reports (https://github.com/windyroad/JUnit-Schema) and that of Jenkins (its plugin xunit, junit-10.xsd).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from harness.text.plain import neutralise

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Outcome = Literal["passed", "failure", "error", "skipped"]
"""The element in a test, but for one that passed, which has none."""
_NO_CHARACTERS = str.maketrans("", "", "\ufffe\uffff")
"""Characters that XML does not have, beside those that are neutralised."""


@dataclass(frozen=True)
class Test:
    """A test of a suite."""

    name: str
    outcome: Outcome
    kind: str = ""
    """Of an outcome other than `passed`."""
    message: str = ""
    details: str = ""
    time_s: float = 0.0


@dataclass(frozen=True)
class Suite:
    """Tests that are reported together."""

    name: str
    started_at: str
    tests: tuple[Test, ...]
    properties: Mapping[str, str]
    output: str = ""
    time_s: float = 0.0


def write(suites: Iterable[Suite]) -> str:
    """The whole document."""
    root = Element("testsuites")
    for number, each in enumerate(suites):
        _add_suite(root, each, number)
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'


def _add_suite(root: Element, suite: Suite, number: int) -> None:
    outcomes = [each.outcome for each in suite.tests]
    element = SubElement(
        root,
        "testsuite",
        name=_token(suite.name),
        package="asgi-harness",
        id=str(number),
        timestamp=suite.started_at[:19],
        hostname="localhost",
        tests=str(len(outcomes)),
        failures=str(outcomes.count("failure")),
        errors=str(outcomes.count("error")),
        skipped=str(outcomes.count("skipped")),
        time=f"{suite.time_s:.3f}",
    )
    properties = SubElement(element, "properties")
    for name, value in suite.properties.items():
        SubElement(properties, "property", name=name, value=_text(value))
    for each in suite.tests:
        _add_test(element, each, suite.name)
    SubElement(element, "system-out").text = _text(suite.output)
    SubElement(element, "system-err")


def _add_test(suite: Element, test: Test, of: str) -> None:
    names = {"name": _token(test.name), "classname": _token(of), "time": f"{test.time_s:.3f}"}
    element = SubElement(suite, "testcase", names)
    if test.outcome != "passed":
        found = SubElement(element, test.outcome, type=test.kind, message=_text(test.message))
        found.text = _text(test.details)


def _token(text: str) -> str:
    return " ".join(_text(text).split())


def _text(text: str) -> str:
    return neutralise(text).translate(_NO_CHARACTERS)
