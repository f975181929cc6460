"""`harness.toml`, or `[tool.harness]` in `pyproject.toml`, and the options of the command line: one set of settings.

Every key of the file is an option of `harness run` and `harness plan` of the same name, and the option wins.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

import msgspec
from msgspec import Meta

from harness.model.errors import UsageError
from harness.model.loads import Load, parse_load
from harness.model.plan import Conditions, Selection
from harness.model.protocols import METHODS, PROTOCOLS, SAFE_METHODS, Method, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

Names = tuple[str, ...]
SERVERS: Names = ("uvicorn", "hypercorn", "daphne", "granian")
SCENARIOS: Names = ("plaintext", "echo", "ws_echo")
"""What is measured unless something else is named."""
_LISTS = frozenset({"servers", "apps", "scenarios", "protocols", "env", "workers", "methods"})
_REPEATED = frozenset({"env", "header"})
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0}


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a run is asked to do, before names are looked up. The descriptions are the options' help."""

    servers: Annotated[Names, Meta(description="Names from `harness list`, with commas; or all.", title="A,B")] = (
        SERVERS
    )
    apps: Annotated[Names, Meta(description="Apps from `harness list`, with commas; or all.", title="A,B")] = ("asgi",)
    app: Annotated[str | None, Meta(description="Your own app in their place.", title="MODULE:CALLABLE")] = None
    app_dir: Annotated[str, Meta(description="Folder that your app is imported from.", title="DIR")] = "."
    factory: Annotated[bool, Meta(description="Your app is what that callable returns.", title="")] = False
    python: Annotated[
        str | None,
        Meta(
            description="Interpreter that runs the servers, such as ../shop/.venv/bin/python, "
            "or the virtual environment that it belongs to.",
            title="FILE",
        ),
    ] = None
    env: Annotated[
        Names,
        Meta(
            description="Environment of your app; a comma begins another variable where its NAME= follows. "
            "The option may be given several times.",
            title="NAME=VALUE,…",
        ),
    ] = ()
    header: Annotated[
        Names,
        Meta(
            description="Header of the requests to your app, such as 'Authorization: Bearer …'; "
            "the option is given once for each.",
            title="NAME: VALUE",
        ),
    ] = ()
    ready_path: Annotated[str, Meta(description="What your app is asked for until it answers.", title="PATH")] = "/"
    ready_within: Annotated[
        float, Meta(gt=0, description="How long a server may take until its first right answer.", title="TIME")
    ] = Selection.ready_within_s
    scenarios: Annotated[
        Names | None,
        Meta(
            description="What the users do, with commas; or all. "
            f"\\[{','.join(SCENARIOS)}; with an app of your own, what its OpenAPI document says]",
            title="A,B",
        ),
    ] = None
    openapi: Annotated[
        str | None,
        Meta(
            description="Where your app serves its OpenAPI document, or a file of it. "
            "\\[/openapi.json, if it is there]",
            title="PATH",
        ),
    ] = None
    methods: Annotated[
        tuple[Method, ...],
        Meta(
            min_length=1,
            description=f"Of {', '.join(METHODS)}, with commas: what the document's routes are asked by. "
            "All but get may change what your app stores.",
            title="A,B",
        ),
    ] = SAFE_METHODS
    locustfile: Annotated[
        str | None, Meta(description="Your own Locust file in their place, whatever users it has.", title="FILE")
    ] = None
    protocols: Annotated[
        tuple[Protocol, ...], Meta(description=f"Of {', '.join(PROTOCOLS)}, with commas; or all.", title="A,B")
    ] = ("h1", "h2", "ws")
    load: Annotated[
        Load,
        Meta(
            description="saturate: closed loop, each user sends again once it has its answer. "
            "rate=R: open loop, R requests a second are due, evenly or with ,arrivals=poisson. "
            "capacity=p99<50ms[,errors<0.1%]: the highest rate at which that holds. "
            "sweep: each server at shares of its own rate and at rates that all share.",
            title="LOAD",
        ),
    ] = Conditions.load
    users: Annotated[int, Meta(ge=1, description="Requests in flight at once, whatever the protocol.", title="N")] = (
        Conditions.users
    )
    streams: Annotated[int, Meta(ge=1, description="HTTP/2 and 3: users that share one connection.", title="N")] = (
        Conditions.streams
    )
    load_processes: Annotated[
        Annotated[int, Meta(ge=1)] | Literal["auto"],
        Meta(description="Processes that make the load; auto: one for every two CPUs.", title="N"),
    ] = 1
    server_cpus: Annotated[
        str | None, Meta(description="CPUs for the servers, such as 0-3,8; whole cores unless given.", title="CPUS")
    ] = None
    load_cpus: Annotated[str | None, Meta(description="CPUs for the load generator.", title="CPUS")] = None
    workers: Annotated[
        tuple[Annotated[int, Meta(ge=1)], ...],
        Meta(min_length=1, description="Worker processes of each server; several, as 1,2,4, to compare.", title="N"),
    ] = Conditions.workers
    rounds: Annotated[int, Meta(ge=1, description="How often each case is measured, in a new order.", title="N")] = (
        Conditions.rounds
    )
    precision: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(
            description="Add rounds until the intervals of throughput and CPU ÷ baseline are within ±P, such as 5%.",
            title="P",
        ),
    ] = None
    max_rounds: Annotated[int, Meta(ge=1, description="Where --precision gives up.", title="N")] = Conditions.max_rounds
    aa: Annotated[
        bool,
        Meta(description="Enter the baseline twice, and tell the difference between it and itself.", title=""),
    ] = False
    warmup: Annotated[float, Meta(ge=0, description="Load before each window, such as 500ms.", title="TIME")] = (
        Conditions.warmup_s
    )
    duration: Annotated[float, Meta(gt=0, description="Length of each window, such as 2s.", title="TIME")] = (
        Conditions.duration_s
    )
    baseline: Annotated[
        str | None,
        Meta(description="Server or app that the others are compared with; the first unless given.", title="NAME"),
    ] = None
    seed: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="Fixes every shuffle; drawn and recorded if not given.", title="N"),
    ] = None
    out: Annotated[str, Meta(description="Folder for results.", title="DIR")] = "results"
    resume: Annotated[
        str | None,
        Meta(
            description="Folder of an interrupted run to go on with, such as results/latest; "
            "all else is given as it was then.",
            title="RUN",
        ),
    ] = None

    def conditions(self, seed: int, load_processes: int) -> Conditions:
        """The conditions of a run; the two that may be left open here are given."""
        return Conditions(
            load=self.load,
            users=self.users,
            streams=self.streams,
            workers=self.workers,
            rounds=self.rounds,
            precision=self.precision,
            max_rounds=max(self.rounds, self.max_rounds),
            warmup_s=self.warmup,
            duration_s=self.duration,
            seed=seed,
            load_processes=load_processes,
            control=self.aa,
        )


@dataclass(frozen=True)
class Option:
    """A setting as the command line shows it."""

    key: str
    help: str
    metavar: str
    flag: bool = False
    repeated: bool = False
    """Is it given once for each of its values?"""


def list_options() -> Iterator[Option]:
    """All settings, in order; the help ends with the default."""
    hints = get_type_hints(Settings, include_extras=True)
    for field in msgspec.structs.fields(Settings):
        meta: Meta = hints[field.name].__metadata__[0]
        flag = field.default is False
        text = f"{meta.description}{_default(field.default)}"
        yield Option(field.name, text, meta.title or "", flag, field.name in _REPEATED)


def _default(value: Any) -> str:
    match value:
        case None | False | ():
            return ""
        case tuple():
            return f" \\[{','.join(map(str, value))}]"
        case float():
            return f" \\[{value:g}s]"
    return f" \\[{value}]"


def read_settings(
    given: Mapping[str, str | bool | list[str] | None], directory: Path | None, file: Path | None = None
) -> Settings:
    """Settings from the file in `directory`, or from `file`, and over them the options that are not None.

    Without a directory the options are all there is.

    Raises `UsageError` naming the key that is unknown, of the wrong type or out of range, and what was expected.
    """
    source, keys = ("", {}) if directory is None else _read(directory, file)
    from_file = _convert(keys, source, "_")
    from_options = {
        key: [part for each in value for part in _apart(key, each)] if isinstance(value, list) else value
        for key, value in given.items()
        if value not in (None, [])
    }
    return _convert({**msgspec.structs.asdict(from_file), **from_options}, "--", "-")


def _apart(key: str, value: str) -> list[str]:
    """What one use of an option that may be given several times holds: of `env` each `NAME=VALUE`, commas included."""
    parts = re.split(r",\s*(?=[A-Za-z_]\w*=)", value) if key == "env" else [value]
    return [part.strip() for part in parts if part.strip()]


def _read(directory: Path, file: Path | None) -> tuple[str, dict[str, Any]]:
    """Where the settings stand, and the settings there; none where there is no file."""
    own, project = directory / "harness.toml", directory / "pyproject.toml"
    if file is not None or own.is_file():
        return f"{(file or own).name}: ", _table(file or own)
    if project.is_file():
        return "pyproject.toml: tool.harness.", _table(project).get("tool", {}).get("harness", {})
    return "", {}


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise UsageError(f"--config: expected a TOML file, found {path} ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: expected TOML, found that {error}") from error


def _convert(keys: Mapping[str, Any], prefix: str, separator: str) -> Settings:
    known = Settings.__struct_fields__
    for key in keys:
        if key not in known:
            raise UsageError(f"{prefix}{key}: expected any of {', '.join(known)}")
    normal = {key: _normal(value, key, f"{prefix}{key.replace('_', separator)}") for key, value in keys.items()}
    try:
        settings = msgspec.convert(normal, Settings, strict=False, dec_hook=_keep)
        return msgspec.structs.replace(settings, **{key: _once(getattr(settings, key)) for key in _LISTS})
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$.")
        key = re.split(r"[\[`]", place)[0]
        found = keys[key] if isinstance(keys[key], str) else repr(keys[key])
        expected = message[0].lower() + message.partition(", got")[0][1:].replace("`", "")
        if key == "protocols":
            expected = f"expected any of {', '.join(PROTOCOLS)}"
        if key == "methods":
            expected = f"expected any of {', '.join(METHODS)}"
        raise UsageError(f"{prefix}{key.replace('_', separator)}: {expected}, found {found}") from error


def _keep(_kind: type, value: object) -> object:
    """Loads are parsed before; msgspec checks that this is one."""
    return value


def _once(values: Names | None) -> Names | None:
    return None if values is None else tuple(dict.fromkeys(values))


def _normal(value: Any, key: str, shown: str) -> Any:
    """Comma-separated names as a list, `all` spelt out for protocols, times in seconds, a load as what it means."""
    if not isinstance(value, str):
        return value
    if key in _READERS:
        return _READERS[key](value, shown)
    if key in _REPEATED:
        return _apart(key, value)
    if key in _LISTS:
        text = value.lower() if key == "methods" else value
        names = [name.strip() for name in text.split(",") if name.strip()]
        return list(PROTOCOLS) if key == "protocols" and names == ["all"] else names
    return value


def _read_load(text: str, shown: str) -> Load:
    try:
        return parse_load(text)
    except ValueError as error:
        raise UsageError(f"{shown}: {error}") from error


def _read_share(text: str, shown: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", text.strip())
    if found is None:
        raise UsageError(f"{shown}: expected a share such as 5%, found {text}")
    return float(found[1]) / 100


def _read_time_s(text: str, shown: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m)?", text.strip())
    if found is None:
        raise UsageError(f"{shown}: expected a time such as 2s or 500ms, found {text}")
    return float(found[1]) * _UNITS_S[found[2] or "s"]


_READERS: Mapping[str, Callable[[str, str], Any]] = {
    "load": _read_load,
    "precision": _read_share,
    **dict.fromkeys(("warmup", "duration", "ready_within"), _read_time_s),
}
"""How the text of a key is read; each is given the text, and the key's name for errors."""
