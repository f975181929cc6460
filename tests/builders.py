"""Machines, runs, records and results for tests: sound ones, of which a test changes what it is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from harness.model.histogram import Histogram
from harness.model.machine import Activity, Busy, Cpu, Limits, Machine, Network, Power, Processor, Python, Ram, System
from harness.model.plan import Candidate, Case, Conditions
from harness.model.results import Connections, Environment, Errors, LoadResult, Record, RunInfo, Sample, Verdict

SECOND_NS = 1_000_000_000
CASE = Case("a", "asgi", "plaintext", "h1")
MACHINE = Machine(
    Processor("EPYC", (Cpu(0), Cpu(1)), True, "acpi-cpufreq", ("performance",), True, 2_450.0, 1_500.0, 3_500.0),
    System("6.1.0", "Debian 12", True, None),
    Ram(8 * 1024**3, 6 * 1024**3, 0, 0),
    Limits((0, 1), True, 2, 2.0, None, 4 * 1024**3, 1024, 4096),
    Network(32768, 60999, 5, 2, 4096),
    Power(None, None),
    Activity((0.1, 0.1, 0.1), 0.0, 1.0, 0.0, 0.1, (Busy(1, "init", 0.1),)),
    Python("CPython", "3.11.2", "GCC", True, True, False, True),
)
ENVIRONMENT = Environment(
    host="bench-1",
    machine=MACHINE,
    packages={"locust": "2.47.0", "gevent": "26.9.0"},
    server_cpus=(0,),
    load_cpus=(1,),
)
RUN = RunInfo("one", "2026-11-20T10:00:00+00:00", (), ENVIRONMENT, Candidate("a", "asgi"), Conditions(seed=7))


def run_info(info: RunInfo = RUN, **changes: Any) -> RunInfo:
    """A run with these changes, of its conditions or of itself."""
    own = {field.name for field in fields(Conditions)} & changes.keys()
    conditions = replace(info.conditions, **{name: changes.pop(name) for name in own})
    return replace(info, conditions=conditions, **changes)


def load_result(answers: int = 1_000, response_us: int | Sequence[int] = 1_000, **changes: Any) -> LoadResult:
    """A window of one second in which so many requests were answered, all of them right."""
    times_us = [response_us] * answers if isinstance(response_us, int) else response_us
    response = Histogram.of(times_us)
    result = LoadResult(
        window_start_ns=SECOND_NS,
        window_end_ns=2 * SECOND_NS,
        answers=answers,
        requests=answers,
        started=answers,
        finished=answers,
        abandoned=0,
        errors=Errors(),
        response=response,
        service=response,
        send_lag=Histogram.of([0] * answers),
        by_name={},
        connections=Connections(opened=32, negotiated="http/1.1"),
        cpu_ratio=0.5,
    )
    return replace(result, **changes)


def record(
    case: Case = CASE,
    number: int = 0,
    answers: int = 1_000,
    *,
    verdict: Verdict = "valid",
    cpu_s: float = 0.5,
    peak_bytes: int = 40_000_000,
    **result: Any,
) -> Record:
    """A trial of one second, sampled from the start of its window to the end; keywords as for `load_result`."""
    samples = (Sample(SECOND_NS, 1.0, 1, peak_bytes), Sample(2 * SECOND_NS, 1.0 + cpu_s, 1))
    reasons = () if verdict == "valid" else (f"{verdict} for a reason",)
    return Record(case, number, number, verdict, reasons, "", load_result(answers, **result), samples)
