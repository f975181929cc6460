"""Published runs that never took place, on successive days, for a history to be made from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.model.summaries import Ratio, Ratios
from harness.report.summary import encode
from tests import synthetic
from tests.synthetic import flat, grouped, no_faults

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from harness.model.run_info import RunInfo

SERVERS = ("uvicorn", "granian", "hypercorn")
ASKED = (("plaintext", "h1"), ("ws_echo", "ws"))


def write_summary(
    folder: Path,
    day: int,
    factors: Mapping[str, float] | None = None,
    *,
    run: RunInfo | None = None,
    servers: Sequence[str] = SERVERS,
) -> Path:
    """A run of a day of November, in which the ratios of these servers are so much higher than in others."""
    info = run or synthetic.run_info(servers, control=True)
    versions = {**info.environment.server_versions, "granian": f"2.8.{day}"}
    info = replace(
        info,
        id=f"run-{day}",
        started_at=f"2026-11-{day:02}T10:15:00+00:00",
        environment=replace(info.environment, server_versions=versions),
    )
    found = []
    for each in flat(synthetic.summaries(servers, ASKED, no_faults, 1_200, control=True)):
        ratios, factor = each.ratio_to_baseline, (factors or {}).get(each.case.server, 1.0)
        if ratios and not each.case.control and each.case.server != servers[0]:
            ratios = Ratios(_times(ratios.throughput, factor), ratios.cpu and _times(ratios.cpu, 1 / factor), None)
        found.append(replace(each, ratio_to_baseline=ratios))
    folder.mkdir(parents=True)
    (folder / "summary.json").write_bytes(encode(info, grouped(found)))
    return folder


def _times(ratio: Ratio, factor: float) -> Ratio:
    return Ratio(ratio.value * factor, ratio.low * factor, ratio.high * factor)
