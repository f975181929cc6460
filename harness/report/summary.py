"""`summary.json`: what other programs read. A key changes its meaning only with a new `SUMMARY_SCHEMA`."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from harness.model.errors import UsageError
from harness.model.histogram import Histogram
from harness.model.link import NEAR
from harness.model.loads import Load, parse_load
from harness.model.plan import Candidate, Conditions
from harness.model.run_info import Environment, RunInfo
from harness.model.summaries import SUMMARY_SCHEMA, CaseSummary, ComparisonSummary
from harness.report.server_share import describe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.model.plan import Case, Comparison
    from harness.model.server_share import ServerShare

Converted = TypeVar("Converted")

_DISTANCE = ("rtt_s", "loss")
"""Keys that are written only where they are used."""


def to_contract(
    run: RunInfo, comparisons: Sequence[ComparisonSummary], shares: Sequence[ServerShare] = ()
) -> dict[str, Any]:
    """The run and its cases as plain values; histograms and time-lines stay in `trials.jsonl`."""
    cases = [
        {**_case(summary, comparison), "workload": run.workloads.get(summary.case.scenario)}
        for comparison in comparisons
        for summary in comparison.summaries
    ]
    controls = [_control(summary) for comparison in comparisons for summary in comparison.controls]
    return {
        "schema": SUMMARY_SCHEMA,
        "run": _run(run),
        "controls": controls,
        "cases": cases,
        "server_share": [_server_share(each) for each in shares],
    }


def _server_share(share: ServerShare) -> dict[str, Any]:
    """How much the server matters for an app in one comparison, with the sentences of the report."""
    plain = to_plain(share)
    comparison, parts = plain.pop("comparison"), plain.pop("parts")
    del comparison["distance"]  # the least of the run
    plain["most_change"] = share.most_change
    return {**comparison, **plain, "servers": parts, "answer": describe(share)}


def _control(summary: CaseSummary) -> dict[str, Any]:
    """A server against itself in one comparison: what the run itself calls no difference."""
    case = _key(summary.case)
    named = ("scenario", "protocol", "load", "users", "workers")
    ratios = None if summary.ratio_to_baseline is None else to_plain(summary.ratio_to_baseline)
    original = summary.case.candidate.original
    who = {"server": original.server, "app": original.app}
    far = {name: case[name] for name in _DISTANCE if name in case}
    return {
        **{name: case[name] for name in named},
        **far,
        **who,
        **(ratios or dict.fromkeys(("throughput", "cpu", "p99"))),
    }


def _run(run: RunInfo) -> dict[str, Any]:
    """The run with its conditions beside its other facts, as the contract has them; its `twin` is the control."""
    conditions = to_plain(run.conditions)
    control = conditions.pop("control")
    conditions["user_levels"] = conditions["users"]
    conditions["users"] = max(run.conditions.users)
    if run.conditions.precision is None:
        conditions["max_rounds"] = None
    if not run.conditions.netns:
        del conditions["netns"]
        if run.conditions.distances == (NEAR,):
            for name in _DISTANCE:
                del conditions[name]
    return {
        "id": run.id,
        "started_at": run.started_at,
        "argv": run.argv,
        "environment": _environment(run.environment),
        "baseline": run.baseline.server,
        "baseline_app": run.baseline.app,
        "prefer": run.prefer,
        **conditions,
        "twin": _label(run.baseline.server) if control else None,
        "ceilings": run.ceilings,
        "load_workers": [to_plain(worker) for worker in run.load_workers],
        "planned": [_key(case) for case in run.planned],
        "complete": run.complete,
        "sources": run.sources,
        "part": run.part,
        **({} if run.link is None else {"link": to_plain(run.link)}),
        **({"hosts": [to_plain(each) for each in run.hosts]} if run.hosts else {}),
    }


def _environment(environment: Environment) -> dict[str, Any]:
    """The environment, with the facts about the machine that the contract also has on their own."""
    named = ("cpu_model", "cpu_count", "memory_bytes", "kernel", "system", "python")
    return {**{name: getattr(environment, name) for name in named}, **to_plain(environment)}


def _case(summary: CaseSummary, comparison: ComparisonSummary) -> dict[str, Any]:
    """A case, with what its ratios are ratios to: not the baseline where that does not speak the protocol."""
    plain = to_plain(replace(summary, response=Histogram(), timeline=()))
    del plain["response"], plain["timeline"]
    plain["case"] = _key(summary.case)
    reference = comparison.reference if summary.ratio_to_baseline else None
    return {**plain, "ratio_to": None if reference is None else {"server": reference.server, "app": reference.app}}


def _key(case: Case) -> dict[str, Any]:
    """What was measured; the distance only where there is one."""
    plain = to_plain(case)
    return plain if case.distance != NEAR else {name: plain[name] for name in plain if name not in _DISTANCE}


def to_plain(value: object) -> dict[str, Any]:
    """The fields of a dataclass for programs: a load as its text, the control under a separate server name.

    Programs find a case by its server, and must not take the control for the baseline.
    """
    plain: dict[str, Any] = _to_builtins(value)
    return plain


def _to_builtins(value: Any) -> Any:
    """As `msgspec.to_builtins`, but with the fields that a file of an earlier version lacked."""
    match value:
        case Load():
            return value.text
        case dict():
            return {key: _to_builtins(each) for key, each in value.items()}
        case list() | tuple():
            return [_to_builtins(each) for each in value]
        case _ if is_dataclass(value):
            plain = {field.name: _to_builtins(getattr(value, field.name)) for field in fields(value)}
            return {**plain, "server": _label(plain["server"])} if plain.get("control") and "server" in plain else plain
    return value


def _label(server: str) -> str:
    """What `Case.label` is for the control."""
    return f"{server}-control"


def encode(run: RunInfo, comparisons: Sequence[ComparisonSummary], shares: Sequence[ServerShare] = ()) -> bytes:
    """The contract as indented JSON, with a newline at its end."""
    return msgspec.json.format(msgspec.json.encode(to_contract(run, comparisons, shares)), indent=2) + b"\n"


def decode(text: bytes, where: object) -> tuple[RunInfo, list[ComparisonSummary]]:
    """The run and its comparisons, without what only its records tell; in a sweep, each rate is a comparison.

    Raises `UsageError` for anything else than the contract; `where` is for its message.
    """
    try:
        plain = msgspec.json.decode(text)
        if plain["schema"] != SUMMARY_SCHEMA:
            raise UsageError(f"{where}: expected schema {SUMMARY_SCHEMA} of this version, found {plain['schema']}")
        info = _read_run(plain)
        found: dict[Comparison, list[CaseSummary]] = {}
        references: dict[Comparison, Candidate] = {}
        for each in plain["cases"]:
            summary = _convert({**each, "case": _without_label(each["case"])}, CaseSummary)
            comparison = summary.case.comparison
            found.setdefault(comparison, []).append(summary)
            if each.get("ratio_to") and not summary.case.control:
                references[comparison] = _convert(each["ratio_to"], Candidate)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{where}: expected what harness writes, found that {error}") from error
    except (LookupError, TypeError, AttributeError) as error:
        raise UsageError(f"{where}: expected what harness writes, found something else ({error})") from error
    return info, [ComparisonSummary(each, tuple(own), references.get(each)) for each, own in found.items()]


def _read_run(plain: dict[str, Any]) -> RunInfo:
    run = plain["run"]
    conditions = {name: run[name] for name in (each.name for each in fields(Conditions)) if run.get(name) is not None}
    return RunInfo(
        run["id"],
        run["started_at"],
        tuple(run["argv"]),
        _convert(run["environment"], Environment),
        Candidate(run["baseline"], run["baseline_app"]),
        _convert({**conditions, "users": run["user_levels"], "control": run["twin"] is not None}, Conditions),
        complete=run.get("complete"),
        workloads={each["case"]["scenario"]: each["workload"] for each in plain["cases"] if each.get("workload")},
        prefer=run.get("prefer"),
    )


def _without_label(case: dict[str, Any]) -> dict[str, Any]:
    """A case as it is in records, the control under the name of its server."""
    return {**case, "server": case["server"].removesuffix(_label(""))} if case.get("control") else case


def _convert(plain: Any, kind: type[Converted]) -> Converted:
    return msgspec.convert(plain, kind, dec_hook=lambda _, value: parse_load(str(value)))
