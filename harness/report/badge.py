"""`badge.json`: the result of a run in a few words, for https://shields.io/badges/endpoint-badge. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from harness.analysis.naming import Naming
from harness.model.loads import Rate
from harness.report.sections import is_sweep
from harness.report.sentences import list_first, list_ranked
from harness.text.numbers import join

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.model.run_info import RunInfo
    from harness.report.sections import Section

NO_RESULT = "nothing ranked"


def make_badge(run: RunInfo, sections: Sequence[Section]) -> bytes:
    """The badge. It is blue, or grey without a result: none of the candidates is good or bad by itself."""
    what = Naming.of(each.case.candidate for section in sections for each in section.summary.summaries).title
    by = "lowest p99" if isinstance(run.conditions.load, Rate) else "fastest"
    message = describe_result(run, sections)
    badge = {
        "schemaVersion": 1,
        "label": f"{by} {what.lower()}",
        "message": message,
        "color": "lightgrey" if message == NO_RESULT else "blue",
    }
    return msgspec.json.format(msgspec.json.encode(badge), indent=2) + b"\n"


def describe_result(run: RunInfo, sections: Sequence[Section]) -> str:
    """Who is first most often: `granian`, `granian and uvicorn tied`, `uvicorn in 5 of 9`."""
    leaders = [list_first(section) for section in sections if list_ranked(section)]
    if not leaders or is_sweep(run):
        return NO_RESULT
    if len(leaders) == 1:
        names = join([each.name for each in leaders[0]])
        return f"{names} tied" if len(leaders[0]) > 1 else names
    places = Counter(first[0].name for first in leaders if len(first) == 1)
    most = max(places.values(), default=0)
    if not most:
        return f"tied in all {len(leaders)}"
    best = [name for name, number in places.items() if number == most]
    each = "each " if len(best) > 1 else ""
    return f"{join(best)} {each}in {most} of {len(leaders)}"
