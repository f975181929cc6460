"""Runs that never took place, for the tests of reports."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.model.loads import Sweep
from harness.model.summaries import Ratio, Ratios
from tests import synthetic
from tests.synthetic import Fault, flat, grouped, under

if TYPE_CHECKING:
    from harness.model.run_info import RunInfo
    from harness.model.summaries import CaseSummary, ComparisonSummary

Reported = tuple["RunInfo", list["ComparisonSummary"]]
"""All that a report is made from."""

RUN = synthetic.run_info()
SWEEP = under(RUN, load=Sweep())
ASKED = (("plaintext", "h1"), ("json", "h2"), ("echo", "h2"), ("ws_echo", "ws"))
COMPARISONS = synthetic.summaries(asked=ASKED, requests_per_case=1_200)
WS_ECHO = COMPARISONS[-1]
"""All of its cases are valid."""
ODD = "a|b <script>alert(1)</script> *x* `y` [z](javascript:0)"
"""A name that would be code in Markdown and in HTML."""


def odd_run() -> Reported:
    """A run with odd names and reasons everywhere."""
    run = replace(synthetic.run_info((ODD, "uvicorn")), argv=("harness", ODD))
    fault = Fault("invalid", (f"{ODD}\nsecond line",))
    return run, synthetic.summaries((ODD, "uvicorn"), [(ODD, "h1")], lambda case: fault if case.server == ODD else None)


def baseline_first() -> list[CaseSummary]:
    """The cases of WebSocket echo, in the order in which the run names its servers."""
    servers = list(RUN.environment.server_versions)
    return sorted(WS_ECHO.summaries, key=lambda each: servers.index(each.case.server))


def control_run(throughput: Ratio, *, asked: int = 1, rounds: int = 5) -> Reported:
    """A run with a control, whose throughput has this ratio to the baseline in the first comparison."""
    run = synthetic.run_info(("uvicorn", "granian"), control=True)
    where = [("plaintext", "h1"), ("json", "h1"), ("echo", "h1"), ("items", "h1")][:asked]
    comparisons = synthetic.summaries(("uvicorn",), where, synthetic.no_faults, 200, control=True)
    even = Ratio(1.0, 0.99, 1.01)
    found = []
    for number, each in enumerate(flat(comparisons)):
        ratios = Ratios(throughput if number < 2 else even, even, None)
        found.append(replace(each, ratio_to_baseline=ratios, rounds=rounds))
    return run, grouped(found)


def interrupted_run(*missing: str) -> Reported:
    """A run of four servers that ended early, without a number of the `missing` ones."""
    summaries = baseline_first()
    planned = tuple(each.case for each in summaries)
    done = [
        replace(each, rounds=1 + number % 2) for number, each in enumerate(summaries) if each.case.server not in missing
    ]
    return replace(RUN, planned=planned, complete=False), grouped(done)


def without_baseline() -> Reported:
    """A comparison over HTTP/2, which the baseline does not speak: granian, the fastest, takes its place."""
    (found,) = synthetic.summaries(("granian", "hypercorn"), [("plaintext", "h2")], synthetic.no_faults, 200)
    fault = Fault("unsupported", ("uvicorn speaks no HTTP/2",))
    (silent,) = synthetic.summaries(("uvicorn",), [("plaintext", "h2")], lambda _: fault, 200)
    return RUN, [replace(found, summaries=(*found.summaries, *silent.summaries))]
