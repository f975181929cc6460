"""Machines, runs, records and results for tests: sound ones, of which a test changes what it is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from harness.model.histogram import Histogram
from harness.model.machine import Activity, Busy, Cpu, Limits, Machine, Network, Power, Processor, Python, Ram, System
from harness.model.plan import Candidate, Case, Conditions
from harness.model.records import Record, Sample, Verdict
from harness.model.results import Connections, Errors, LoadResult, Slice
from harness.model.run_info import Environment, Host, RunInfo

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
HOSTS = (
    Host("load", "bench-1", MACHINE, "0.1.0", "CPython 3.11.2"),
    Host("server", "ann@10.0.0.2", MACHINE, "0.1.0", "CPython 3.12.1", "10.0.0.2", 41),
)
"""Load from here, servers on another machine."""


def run_info(info: RunInfo = RUN, **changes: Any) -> RunInfo:
    """A run with these changes, of its conditions or of itself."""
    own = {field.name for field in fields(Conditions)} & changes.keys()
    conditions = replace(info.conditions, **{name: changes.pop(name) for name in own})
    return replace(info, conditions=conditions, **changes)


def load_slices(
    answers: Sequence[float] = (1_000,),
    length_ns: int = SECOND_NS,
    *,
    apart_ns: int = 0,
    lead_in_ns: int = 0,
    in_flight: float = 1.0,
) -> tuple[Slice, ...]:
    """A slice for each cycle, in which so many requests were answered; the others' turns between take `apart_ns`."""
    found = []
    start_ns = SECOND_NS
    for cycle, number in enumerate(answers):
        opened_ns, end_ns = start_ns - lead_in_ns, start_ns + length_ns
        whole = round(number)
        found.append(Slice(cycle, opened_ns, start_ns, end_ns, end_ns, number, whole, whole, in_flight))
        start_ns = end_ns + apart_ns + lead_in_ns
    return tuple(found)


def load_result(
    answers: int | Sequence[int] = 1_000, response_us: int | Sequence[int] = 1_000, **changes: Any
) -> LoadResult:
    """One slice of one second in which so many requests were answered, all of them right; or a slice for each cycle."""
    slices = changes.pop("slices", None) or load_slices([answers] if isinstance(answers, int) else answers)
    finished = sum(each.finished for each in slices)
    response = Histogram.of([response_us] * finished if isinstance(response_us, int) else response_us)
    result = LoadResult(
        slices=slices,
        started=finished,
        finished=finished,
        abandoned=0,
        errors=Errors(),
        response=response,
        service=response,
        send_lag=Histogram.of([0] * finished),
        connections=Connections(opened=32, negotiated="http/1.1"),
        cpu_ratio=0.5,
    )
    return replace(result, **changes)


def record(
    case: Case = CASE,
    number: int = 0,
    answers: int | Sequence[int] = 1_000,
    *,
    verdict: Verdict = "valid",
    cpu_s: float = 0.5,
    peak_bytes: int = 40_000_000,
    **result: Any,
) -> Record:
    """A trial, sampled at its start and its end, with `cpu_s` shared by answers; keywords as for `load_result`."""
    found = load_result(answers, **result)
    first, last = found.slices[0], found.slices[-1]
    samples = (Sample(first.opened_ns, 1.0, 1, peak_bytes), Sample(last.drained_ns, 1.0 + cpu_s, 1))
    finished = sum(each.finished for each in found.slices) or 1
    return Record(
        case,
        number,
        number,
        verdict,
        () if verdict == "valid" else (f"{verdict} for a reason",),
        result=found,
        samples=samples,
        slice_cpu_s=tuple(cpu_s * each.finished / finished for each in found.slices),
    )
