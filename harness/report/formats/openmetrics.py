"""OpenMetrics 1.0 text (https://prometheus.io/docs/specs/om/open_metrics_spec/), stamped with the time of the run."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from harness.analysis.figures import list_rows
from harness.model.link import NEAR
from harness.report.formats import Format

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from harness.analysis.figures import Row
    from harness.model.plan import Case
    from harness.model.run_info import RunInfo
    from harness.model.summaries import CaseSummary, ComparisonSummary


class Family(NamedTuple):
    """A metric: figures of one kind in one of the format's base units."""

    name: str
    unit: str
    """What the name ends with, as the format demands; empty for what has none."""
    help: str
    figures: Mapping[str, Mapping[str, str]]
    """For the name of each of its figures, the labels that tell it from the others."""
    per_unit: float = 1
    """So much of the base unit is one of the figure's unit."""


PREFIX = "asgi_harness"
FAMILIES = (
    Family("throughput", "", "Right answers per second.", {"throughput": {}}),
    Family(
        "latency_seconds",
        "seconds",
        "Response time.",
        {"p50": {"percentile": "50"}, "p90": {"percentile": "90"}, "p99": {"percentile": "99"}}
        | {"p99_9": {"percentile": "99.9"}},
        1e-6,
    ),
    Family("request_cpu_seconds", "seconds", "CPU time of the server for each request.", {"cpu": {}}, 1e-6),
    Family("memory_bytes", "bytes", "Peak memory of the server's processes.", {"memory": {}}),
    Family("ready_seconds", "seconds", "Start-up time of the server.", {"ready": {}}),
    Family("throughput_ratio", "ratio", "Throughput relative to the baseline.", {"throughput ratio": {}}),
)
STATES: dict[str, tuple[str, Callable[[CaseSummary], bool]]] = {
    "valid": ("Is the case valid?", lambda case: case.verdict == "valid"),
    "disturbed": ("Did the host or other processes disturb the absolute figures?", lambda case: case.disturbed),
}
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def write(run: RunInfo, comparisons: Sequence[ComparisonSummary]) -> str:
    """Gauges with the label `bound`: the value, and both ends of its interval. Cases that are not valid have none.

    The states are 1 or 0 for each case.
    """
    at_s = datetime.fromisoformat(run.started_at).timestamp()
    rows = [row for row in list_rows(comparisons) if row.is_sound]
    lines = []
    for family in FAMILIES:
        own = [line for row in rows if row.figure.name in family.figures for line in _samples(family, row, at_s)]
        lines += [*_head(family), *own] if own else []
    cases = [each for comparison in comparisons for each in comparison.summaries]
    for name, (question, holds) in STATES.items():
        lines += _head(Family(name, "", question, {}))
        lines += [_sample(name, _label(each.case), float(holds(each)), at_s) for each in cases]
    return "\n".join([*lines, "# EOF", ""])


def _head(family: Family) -> list[str]:
    name = f"{PREFIX}_{family.name}"
    unit = [f"# UNIT {name} {family.unit}"] if family.unit else []
    return [f"# TYPE {name} gauge", *unit, f"# HELP {name} {family.help}"]


def _samples(family: Family, row: Row, at_s: float) -> Iterator[str]:
    labels = {**_label(row.case.case), **family.figures[row.figure.name]}
    for bound, value in (("value", row.value), ("low", row.low), ("high", row.high)):
        if value is not None:
            yield _sample(family.name, {**labels, "bound": bound}, value * family.per_unit, at_s)


def _sample(name: str, labels: Mapping[str, str], value: float, at_s: float) -> str:
    pairs = ",".join(f'{label}="{text.translate(_ESCAPES)}"' for label, text in labels.items())
    return f"{PREFIX}_{name}{{{pairs}}} {value!r} {at_s!r}"


def _label(case: Case) -> dict[str, str]:
    named = {"scenario": case.scenario, "protocol": case.protocol, "server": case.label, "app": case.app}
    return named | {
        "load": case.load.text,
        "users": str(case.users),
        "streams": str(case.streams),
        "workers": str(case.workers),
        **({"rtt_s": f"{case.rtt_s:g}", "loss": f"{case.loss:g}"} if case.distance != NEAR else {}),
    }


FORMATS = (Format("openmetrics", "gauges with the time of the run, as OpenMetrics text", write),)
