"""Files of former schemas brought to today's. Pure: plain values in, plain values out.

Schema 2 is today's, but for trials, which had all of their histograms in full and as JSON.

In schema 1 the conditions stood beside the other facts of a run, facts about the machine stood twice, and the control
was a server whose name had a suffix. One server ran at a time, and a trial was a single window, which is one slice now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.analysis.cpu_time import cpu_between
from harness.model.records import TRIAL_SCHEMA, Sample

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA = 1
VERBOSE_SCHEMA = 2
"""That of trials in which nothing was left out that stood there already."""
STARTS = "lives.jsonl"
"""What the file of server starts was called."""
_CONDITIONS = (
    *("load", "streams", "workers", "rounds", "precision", "max_rounds"),
    *("warmup_s", "duration_s", "seed", "load_processes"),
)
_ON_ITS_OWN = ("cpu_model", "cpu_count", "memory_bytes", "kernel", "system", "python")
"""Facts of the environment that the machine has too."""

Plain = dict[str, Any]


def upgrade_run(old: Plain) -> Plain:
    """`run.json`; it keeps its schema, as its trials were measured in windows and not in slices."""
    planned = [_upgrade_case(case, old) for case in old.get("planned", ())]
    app = old.get("baseline_app") or next((case["app"] for case in planned), "asgi")
    conditions = {name: old[name] for name in _CONDITIONS if old.get(name) is not None}
    kept = ("id", "started_at", "argv", "ceilings", "complete")
    return {
        **{name: old[name] for name in kept if name in old},
        "schema": SCHEMA,
        "environment": _upgrade_environment(old["environment"]),
        "baseline": {"server": old["baseline"], "app": app},
        "conditions": {
            **conditions,
            "users": [old["users"]],
            "slice_s": old.get("duration_s"),
            "together": 1,
            "control": old.get("twin") is not None,
        },
        "planned": planned,
    }


def was_repeated(line: bytes) -> bool:
    """Is this line of `trials.jsonl` a disturbed trial? Such a trial was repeated, and the repetition counted."""
    return b'"repeated":true' in line


def upgrade_trial(old: Plain, run: Mapping[str, Any]) -> Plain:
    """A line of `trials.jsonl`; `run` is what `run.json` held."""
    result = old.get("result")
    return {
        **_without(old, "foreign_ratio", "spoiled", "repeated"),
        "schema": TRIAL_SCHEMA,
        "case": _upgrade_case(old["case"], run),
        "result": result and _upgrade_result(result),
        "samples": [_rename(each, "pss_bytes", "memory_bytes") for each in old.get("samples", ())],
        "slice_cpu_s": [_cpu_s(old)] if result else [],
        "other_cpu_ratio": old.get("foreign_ratio"),
        "disturbed": old.get("spoiled", False),
    }


def upgrade_verbose_trial(old: Plain) -> Plain:
    """A line of `trials.jsonl` of schema 2."""
    return {**old, "schema": TRIAL_SCHEMA}


def upgrade_start(old: Plain, run: Mapping[str, Any]) -> Plain:
    """A line of `lives.jsonl`; `run` is what `run.json` held."""
    new = _rename(_without(old, "life", "schema"), "idle_pss_bytes", "idle_memory_bytes")
    return {**new, "config": _upgrade_case(old["life"], run)}


def _upgrade_result(old: Plain) -> Plain:
    """Only requests that lay wholly inside the window were in the histograms; more were answered in it."""
    start_ns, end_ns = old["window_start_ns"], old["window_end_ns"]
    window = {
        "cycle": 0,
        "opened_ns": start_ns,
        "start_ns": start_ns,
        "end_ns": end_ns,
        "drained_ns": end_ns,
        "answers": old["answers"],
        "requests": old["requests"],
        "finished": old["answers"],
    }
    return {**_without(old, "window_start_ns", "window_end_ns", "answers", "requests"), "slices": [window]}


def _cpu_s(old: Plain) -> float | None:
    """CPU seconds of the server in the window, interpolated between samples."""
    samples = [Sample(each["at_ns"], each["cpu_s"], each["processes"]) for each in old.get("samples", ())]
    return cpu_between(samples, old["result"]["window_start_ns"], old["result"]["window_end_ns"])


def _without(old: Plain, *names: str) -> Plain:
    return {name: value for name, value in old.items() if name not in names}


def _rename(old: Plain, former: str, name: str) -> Plain:
    return {**_without(old, former), name: old.get(former)}


def _upgrade_case(old: Plain, run: Mapping[str, Any]) -> Plain:
    """A case, or the configuration of a server: the second entry of the baseline is the control."""
    if run.get("twin") is not None and old["server"] == run["twin"]:
        return {**old, "server": run["baseline"], "control": True}
    return old


def _upgrade_environment(old: Plain) -> Plain:
    new = {name: value for name, value in old.items() if name not in _ON_ITS_OWN}
    twin_names = [name for name in old.get("server_versions", {}) if name.endswith("-again")]
    for facts in ("server_versions", "interpreters", "other_packages"):
        if facts in new:
            new[facts] = {name: value for name, value in new[facts].items() if name not in twin_names}
    return {**new, "machine": old.get("machine") or _machine(old)}


def _machine(old: Plain) -> Plain:
    """The machine, of a run that recorded only a few facts of it."""
    implementation, _, version = old["python"].partition(" ")
    unknown = dict.fromkeys
    return {
        "processor": {
            **unknown(("smt", "driver", "turbo", "current_mhz", "min_mhz", "max_mhz")),
            "model": old["cpu_model"],
            "cpus": [{"number": number} for number in range(old["cpu_count"])],
            "governors": [],
        },
        "system": {**unknown(("hypervisor", "product")), "kernel": old["kernel"], "os": old["system"]},
        "ram": {
            **unknown(("available_bytes", "swap_total_bytes", "swap_used_bytes")),
            "total_bytes": old["memory_bytes"],
        },
        "limits": {
            **unknown(("cgroup", "quota_cpus", "cpuset", "memory_bytes", "open_files", "open_files_hard")),
            "affinity": [],
            "may_pin": True,
        },
        "network": unknown(("first_port", "last_port", "time_wait", "tcp_tw_reuse", "somaxconn")),
        "power": unknown(("on_battery", "battery_ratio")),
        "activity": {
            **unknown(("load_average", "steal_ratio_since_boot", "steal_ratio", "busy_cpus")),
            "look_s": 0.0,
            "busiest": [],
        },
        "python": {
            **unknown(("optimised", "lto")),
            "implementation": implementation,
            "version": version,
            "compiler": "",
            "debug": False,
            "gil": True,
        },
    }
