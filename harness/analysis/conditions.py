"""What must be equal for two runs to be compared, and what else changed between them. Pure."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Literal

from harness.model.plan import TOGETHER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from harness.model.plan import Candidate
    from harness.model.records import ServerStart
    from harness.model.run_info import Environment, RunInfo

GENERATOR = ("asgi-harness", "locust", "gevent")
"""Packages that generate the load: runs with other versions of them cannot be compared."""
MEMORY_LEEWAY = 0.01
"""Memory sizes that differ by no more than this are equal: kernels reserve different amounts of the same memory."""

_MEMORY = "memory in bytes"
_ELSEWHERE = {
    "machine processor model",
    "machine system kernel",
    "machine system os",
    "machine ram total_bytes",
    "machine python implementation",
    "machine python version",
}
"""These facts about the machine are listed under their names in `Environment` instead."""
_TRANSIENT = {
    "machine activity",
    "machine processor current_mhz",
    "machine ram available_bytes",
    "machine ram swap_used_bytes",
    "machine network time_wait",
    "machine power battery_ratio",
}
"""These facts about the machine change from minute to minute."""


Kind = Literal["condition", "server", "arguments", "app", "package", "event loop", "module", "harness"]
"""What kind of thing differs.

`condition` must be equal in both runs. `server`, `app` and `package` are versions (of a user app, its commit).
`arguments` are what `--server-args` added. `event loop` and `module` are what a server ran its app with. `harness` is
the commit of the harness.
"""


@dataclass(frozen=True)
class Contrast:
    """Something that differs between the two sides; None where a side does not have it."""

    kind: Kind
    name: str
    a: str | None
    b: str | None


def list_conditions(info: RunInfo, server: str | None = None) -> dict[str, object]:
    """Everything that must be equal in two runs for their numbers to be compared, by name.

    With a `server`, only its interpreter is listed, not those of the other servers.
    """
    environment = info.environment
    pythons = {text for name, text in environment.interpreters.items() if server in {None, name}}
    return {
        "CPU model": environment.cpu_model,
        "CPUs": environment.cpu_count,
        _MEMORY: environment.memory_bytes,
        "kernel": environment.kernel,
        "Python": environment.python,
        **({"Python of the servers": "; ".join(sorted(pythons))} if pythons else {}),
        "CPUs of the server": _text(environment.server_cpus),
        "CPUs of the load": _text(environment.load_cpus),
        **{name: environment.packages.get(name) for name in GENERATOR},
        "schema": info.schema,
        "load": str(info.conditions.load),
        "users": _text(info.conditions.users),
        "streams": info.conditions.streams,
        "workers": _text(info.conditions.workers),
        "warm-up in s": info.conditions.warmup_s,
        "duration in s": info.conditions.duration_s,
        "candidates together": info.conditions.together or TOGETHER,
        "slice in s": info.conditions.slice_s or "auto",
        "request timeout in s": info.conditions.request_timeout_s,
        "longest body in bytes": info.conditions.max_body_bytes,
        "compression": info.conditions.compression,
        "load processes": info.conditions.load_processes,
        "layout": _describe_layout(info),
        "RTT in s": _text(info.conditions.rtt_s),
        "packet loss": info.conditions.loss,
        **{name: value for name, value in _leaves("machine", environment.machine) if name not in _ELSEWHERE},
    }


def _describe_layout(info: RunInfo) -> str:
    """Which part of the run is where."""
    elsewhere = any(each.role == "server" for each in info.hosts)
    servers = (
        "in a network namespace" if info.conditions.netns else f"on {'another host' if elsewhere else 'this machine'}"
    )
    remote = f"{info.conditions.load_processes} load workers on other hosts"
    return f"servers {servers}, load from {remote if info.conditions.remote_load else 'this machine'}"


def find_mismatches(
    a: RunInfo, b: RunInfo, servers: tuple[str | None, str | None] = (None, None)
) -> tuple[Contrast, ...]:
    """Conditions that differ between two runs, or between a candidate of each; those that one lacks are left out."""
    ours, theirs = list_conditions(a, servers[0]), list_conditions(b, servers[1])
    return tuple(
        Contrast("condition", name, str(ours[name]), str(theirs[name]))
        for name in ours
        if name in theirs and not _is_equal(name, ours[name], theirs[name])
    )


def find_resume_mismatches(before: RunInfo, now: RunInfo) -> tuple[Contrast, ...]:
    """Why an interrupted run cannot be resumed: conditions, plan or versions that differ from what they were."""
    planned = [
        Contrast("condition", name.replace("_", " "), str(ours), str(theirs))
        for name in ("rounds", "precision", "max_rounds", "control")
        if (ours := getattr(before.conditions, name)) != (theirs := getattr(now.conditions, name))
    ]
    if before.baseline != now.baseline:
        planned.append(Contrast("condition", "baseline", _name(before.baseline), _name(now.baseline)))
    if before.prefer != now.prefer:
        planned.append(Contrast("condition", "preferred figure", before.prefer, now.prefer))
    if before.planned != now.planned:
        words = ("as planned", "other servers, apps, scenarios or protocols")
        planned.append(Contrast("condition", "cases", *words))
    return (*find_mismatches(before, now), *planned, *_list_changed_code(before, now))


def _list_changed_code(before: RunInfo, now: RunInfo) -> Iterator[Contrast]:
    """What would be measured, or would measure, in another version than before: everything that was recorded of it."""
    ones, others = before.environment, now.environment
    yield from _contrasts("server", ones.server_versions, others.server_versions)
    yield from _contrasts("app", ones.app_versions, others.app_versions)
    yield from _contrasts("arguments", ones.server_args, others.server_args)
    yield from _contrasts("server", _prefix("Python of", ones.interpreters), _prefix("Python of", others.interpreters))
    if ones.app_commit != others.app_commit:
        yield Contrast("app", "commit of the app", ones.app_commit, others.app_commit)
    if ones.git_commit != others.git_commit:
        yield Contrast("harness", "commit of the harness", ones.git_commit, others.git_commit)
    yield from _contrasts("package", ones.packages, others.packages)
    for server in sorted(ones.other_packages.keys() | others.other_packages.keys()):
        own = (_prefix(f"{server}'s", each.other_packages.get(server, {})) for each in (ones, others))
        yield from _contrasts("package", *own)
    for name in sorted(before.sources.keys() & now.sources.keys()):
        if before.sources[name] != now.sources[name]:
            yield Contrast("app", f"the source of {name}", "as it was", "it edited")
    for name in sorted(before.workloads.keys() & now.workloads.keys()):
        if before.workloads[name] != now.workloads[name] and before.sources == now.sources:
            yield Contrast("condition", f"what users of {name} send", "as it was", "other tags or headers")
    # A run of an earlier version recorded neither.
    for name in sorted(before.given.keys() | now.given.keys()) if before.sources else ():
        if before.given.get(name) != now.given.get(name):
            ours = "as it was" if name in before.given else "not given"
            yield Contrast("condition", name, ours, "another value" if name in now.given else "none")


def _prefix(words: str, values: Mapping[str, str]) -> dict[str, str]:
    return {f"{words} {name}": value for name, value in values.items()}


def find_changes(
    a: RunInfo,
    b: RunInfo,
    servers: Iterable[tuple[str, str]],
    starts: tuple[Sequence[ServerStart], Sequence[ServerStart]],
    apps: Iterable[tuple[str, str]] = (),
) -> tuple[Contrast, ...]:
    """What may explain a difference: versions of servers, apps and packages, event loops, commits.

    `servers` and `apps` are the names of those that are compared, A and B; `starts` are the server starts of the runs.
    """
    ones, others = a.environment, b.environment
    pairs = sorted(set(servers))
    sources: tuple[tuple[Kind, Mapping[str, str], Mapping[str, str]], ...] = (
        ("server", ones.server_versions, others.server_versions),
        ("arguments", ones.server_args, others.server_args),
    )
    found = [
        _contrast(kind, pair, values)
        for kind, mine, yours in sources
        for pair in pairs
        if _differ(values := (mine.get(pair[0]), yours.get(pair[1])))
    ]
    common = ones.app_versions.keys() & others.app_versions.keys()
    found += _contrasts("app", ones.app_versions, others.app_versions, common)
    for pair in sorted({each for each in apps if _differ(each)}):
        found.append(_contrast("app", pair, (ones.app_versions.get(pair[0]), others.app_versions.get(pair[1]))))
        if pair[0] in ones.other_packages and pair[1] in others.other_packages:
            found += _compare_packages(pair, ones, others)
        if _differ(pythons := (ones.interpreters.get(pair[0]), others.interpreters.get(pair[1]))):
            found.append(_contrast("app", pair, pythons))
    if ones.app_commit != others.app_commit:
        found.append(Contrast("app", "commit", ones.app_commit, others.app_commit))
    for pair in pairs:
        found += _compare_packages(pair, ones, others)
        found += _compare_active(pair, starts)
    commits = Contrast("harness", "commit", ones.git_commit, others.git_commit)
    return (*dict.fromkeys(found), *([commits] if commits.a != commits.b else []))


def _name(candidate: Candidate) -> str:
    return f"{candidate.server} with {candidate.app}"


def _compare_packages(pair: tuple[str, str], ones: Environment, others: Environment) -> list[Contrast]:
    """Packages of the server's environment that differ, except the server itself and those that generate the load.

    A virtual environment made for a server has fewer packages than that of the harness. If only one side has one, only
    the packages in it are compared.
    """
    own = ones.other_packages.get(pair[0]), others.other_packages.get(pair[1])
    apart = [packages.keys() for packages in own if packages is not None]
    found = _contrasts(
        "package",
        ones.packages if own[0] is None else own[0],
        others.packages if own[1] is None else own[1],
        apart[0] if len(apart) == 1 else None,
    )
    return [each for each in found if each.name not in {*GENERATOR, *map(_base, pair)}]


def _compare_active(
    pair: tuple[str, str], starts: tuple[Sequence[ServerStart], Sequence[ServerStart]]
) -> list[Contrast]:
    """Event loops that differ, and for two versions of one server the modules that only one of them has loaded."""
    seen = [
        [each.active for each in several if each.config.server == server and each.active is not None]
        for server, several in zip(pair, starts, strict=True)
    ]
    if not all(seen):
        return []
    loops = [", ".join(sorted({each.loop or "none" for each in several})) for several in seen]
    found = [_contrast("event loop", pair, loops)] if _differ(loops) else []
    if _base(pair[0]) == _base(pair[1]):
        loaded = [{name for each in several for name in each.modules} for several in seen]
        found += [Contrast("module", _base(pair[0]), name, None) for name in sorted(loaded[0] - loaded[1])]
        found += [Contrast("module", _base(pair[0]), None, name) for name in sorted(loaded[1] - loaded[0])]
    return found


def _contrast(kind: Kind, pair: tuple[str, str], values: Sequence[str | None]) -> Contrast:
    """Put the server in the name, or where A and B have different servers, in front of each value."""
    if pair[0] == pair[1]:
        return Contrast(kind, pair[0], *values)
    return Contrast(
        kind, "", *(f"{_base(name)} {value or ''}".strip() for name, value in zip(pair, values, strict=True))
    )


def _base(server: str) -> str:
    return server.partition("@")[0]


def _contrasts(
    kind: Kind, ours: Mapping[str, str], theirs: Mapping[str, str], names: Iterable[str] | None = None
) -> list[Contrast]:
    """Entries that differ, among these names or among all."""
    asked = ours.keys() | theirs.keys() if names is None else names
    pairs = {name: (ours.get(name), theirs.get(name)) for name in sorted(asked)}
    return [Contrast(kind, name, *pair) for name, pair in pairs.items() if _differ(pair)]


def _differ(pair: Sequence[str | None]) -> bool:
    return pair[0] != pair[1]


def _is_equal(name: str, ours: object, theirs: object) -> bool:
    if name == _MEMORY and isinstance(ours, int) and isinstance(theirs, int):
        return abs(ours - theirs) <= MEMORY_LEEWAY * max(ours, theirs)
    return ours == theirs


def _leaves(name: str, value: object) -> Iterator[tuple[str, object]]:
    """The plain values in a tree of dataclasses, each with its path as its name, except transient ones."""
    if name in _TRANSIENT or (value is None and name == "machine"):
        return
    if is_dataclass(value):
        for field in fields(value):
            yield from _leaves(f"{name} {field.name}", getattr(value, field.name))
    elif isinstance(value, tuple) and any(map(is_dataclass, value)):
        for number, each in enumerate(value):
            yield from _leaves(f"{name} {number}", each)
    else:
        yield name, _text(value) if isinstance(value, tuple) else value


def _text(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))
