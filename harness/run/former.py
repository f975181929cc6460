"""Files of the former schema, 1, brought to today's. Pure: plain values in, plain values out.

In schema 1 the conditions stood beside the other facts of a run, facts about the machine stood twice, and the control
was a server whose name had a suffix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA = 1
STARTS = "lives.jsonl"
"""What the file of server starts was called."""
_CONDITIONS = (
    *("load", "users", "streams", "workers", "rounds", "precision", "max_rounds"),
    *("warmup_s", "duration_s", "seed", "load_processes"),
)
_ON_ITS_OWN = ("cpu_model", "cpu_count", "memory_bytes", "kernel", "system", "python")
"""Facts of the environment that the machine has too."""

Plain = dict[str, Any]


def upgrade_run(old: Plain) -> Plain:
    """`run.json`."""
    planned = [_upgrade_case(case, old) for case in old.get("planned", ())]
    app = old.get("baseline_app") or next((case["app"] for case in planned), "asgi")
    conditions = {name: old[name] for name in _CONDITIONS if old.get(name) is not None}
    kept = ("id", "started_at", "argv", "ceilings", "complete")
    return {
        **{name: old[name] for name in kept if name in old},
        "environment": _upgrade_environment(old["environment"]),
        "baseline": {"server": old["baseline"], "app": app},
        "conditions": {**conditions, "control": old.get("twin") is not None},
        "planned": planned,
    }


def upgrade_trial(old: Plain, run: Mapping[str, Any]) -> Plain:
    """A line of `trials.jsonl`; `run` is what `run.json` held."""
    new = {name: value for name, value in old.items() if name not in {"foreign_ratio", "spoiled", "schema"}}
    return {
        **new,
        "case": _upgrade_case(old["case"], run),
        "other_cpu_ratio": old.get("foreign_ratio"),
        "disturbed": old.get("spoiled", False),
    }


def upgrade_start(old: Plain, run: Mapping[str, Any]) -> Plain:
    """A line of `lives.jsonl`; `run` is what `run.json` held."""
    new = {name: value for name, value in old.items() if name not in {"life", "schema"}}
    return {**new, "config": _upgrade_case(old["life"], run)}


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
