"""One set of settings from `harness.toml`, or `[tool.harness]` in `pyproject.toml`, and the command line.

Each key of the file is an option of `harness run` and `harness plan` with the same name; an option overrides the file.
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
from harness.model.plan import TOGETHER, Compression, Conditions, Selection
from harness.model.protocols import METHODS, PROTOCOLS, SAFE_METHODS, Method, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

Names = tuple[str, ...]
SERVERS: Names = ("uvicorn", "hypercorn", "daphne", "granian")
"""The servers that are measured by default."""
SCENARIOS: Names = ("plaintext", "echo", "ws_echo")
"""The scenarios that are measured by default."""
_LISTS = frozenset({"servers", "apps", "scenarios", "protocols", "env", "workers", "methods", "users"})
_LISTS_OF_NUMBERS = frozenset({"users", "workers"})
_REPEATED = frozenset({"env", "header"})
MOST_USERS = 100_000
"""No load generator of one machine has more connections."""
LEAST_BODY_BYTES = 64 * 1024
"""Shorter bodies are not checked one by one."""
LEAST_LOAD_MEMORY_BYTES = 128 * 1024 * 1024
"""What a load process needs before it has users."""
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0}
_UNITS_BYTES = {"B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_SIZES = ("max_body", "load_memory")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a run is asked to do, before names are looked up. The descriptions are the help of the options."""

    servers: Annotated[Names, Meta(description="Comma-separated servers from `harness list`; or all.", title="A,B")] = (
        SERVERS
    )
    apps: Annotated[Names, Meta(description="Comma-separated apps from `harness list`; or all.", title="A,B")] = (
        "asgi",
    )
    app: Annotated[str | None, Meta(description="Your own app, instead of --apps.", title="MODULE:CALLABLE")] = None
    app_dir: Annotated[str, Meta(description="Folder from which your app is imported.", title="DIR")] = "."
    factory: Annotated[bool, Meta(description="The callable of --app returns the app.", title="")] = False
    python: Annotated[
        str | None,
        Meta(
            description="Interpreter that runs the servers, such as ../shop/.venv/bin/python, "
            "or its virtual environment.",
            title="FILE",
        ),
    ] = None
    env: Annotated[
        Names,
        Meta(
            description="Environment variables of your app; a comma is part of a value unless NAME= follows. "
            "Can be given several times.",
            title="NAME=VALUE,…",
        ),
    ] = ()
    header: Annotated[
        Names,
        Meta(
            description="Header of every request to your app, such as 'Authorization: Bearer …'. "
            "Can be given several times.",
            title="NAME: VALUE",
        ),
    ] = ()
    login: Annotated[
        str | None,
        Meta(
            description="How each user of your app logs in, once at its start: method, path and a body in JSON or as a "
            "form, such as 'POST /login user=ann&password=…'. Cookies, a bearer token and CSRF tokens are sent with "
            "each later request.",
            title="REQUEST",
        ),
    ] = None
    compression: Annotated[
        Compression,
        Meta(
            description="off, gzip or br: the Accept-Encoding of each request. Compressed answers are verified, too.",
            title="CODING",
        ),
    ] = Conditions.compression
    ready_path: Annotated[
        str, Meta(description="Path that is requested from your app until it answers.", title="PATH")
    ] = "/"
    ready_within: Annotated[
        float, Meta(gt=0, description="Time within which a server must give its first right answer.", title="TIME")
    ] = Selection.ready_within_s
    scenarios: Annotated[
        Names | None,
        Meta(
            description="Comma-separated scenarios from `harness list`; or all. "
            f"\\[{','.join(SCENARIOS)}; with --app, requests from its OpenAPI document]",
            title="A,B",
        ),
    ] = None
    openapi: Annotated[
        str | None,
        Meta(
            description="Path at which your app serves its OpenAPI document, a file with it, in JSON or YAML, "
            "or none. \\[/openapi.json, or where frameworks usually serve it]",
            title="PATH",
        ),
    ] = None
    methods: Annotated[
        tuple[Method, ...],
        Meta(
            min_length=1,
            description="Comma-separated methods that are requested from the OpenAPI document, "
            f"of {', '.join(METHODS)}. All except get may change what your app stores.",
            title="A,B",
        ),
    ] = SAFE_METHODS
    locustfile: Annotated[
        str | None, Meta(description="Your own Locust file with any users, instead of --scenarios.", title="FILE")
    ] = None
    protocols: Annotated[
        tuple[Protocol, ...],
        Meta(description=f"Comma-separated protocols, of {', '.join(PROTOCOLS)}; or all.", title="A,B"),
    ] = ("h1", "h2", "ws")
    load: Annotated[
        Load,
        Meta(
            description="saturate: closed loop, each user sends its next request when the last one is answered. "
            "rate=R: open loop, R requests/s are due, evenly spaced or with ,arrivals=poisson. "
            "capacity=p99<50ms[,errors<0.1%]: search for the highest rate that meets this service level. "
            "sweep: open loops at shares of each server's own rate and at common rates.",
            title="LOAD",
        ),
    ] = Conditions.load
    users: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=MOST_USERS)], ...],
        Meta(
            min_length=1,
            description="Number of users, each with one request in flight; 8,32,128 measures each number.",
            title="N",
        ),
    ] = Conditions.users
    streams: Annotated[int, Meta(ge=1, description="Users that share one HTTP/2 or HTTP/3 connection.", title="N")] = (
        Conditions.streams
    )
    load_processes: Annotated[
        Annotated[int, Meta(ge=1)] | Literal["auto"],
        Meta(description="Processes of the load generator; auto: one for every two CPUs.", title="N"),
    ] = 1
    server_cpus: Annotated[
        str | None, Meta(description="CPUs for the servers, such as 0-3,8. \\[whole cores]", title="CPUS")
    ] = None
    load_cpus: Annotated[str | None, Meta(description="CPUs for the load generator.", title="CPUS")] = None
    workers: Annotated[
        tuple[Annotated[int, Meta(ge=1)], ...],
        Meta(min_length=1, description="Worker processes of each server; 1,2,4 measures each number.", title="N"),
    ] = Conditions.workers
    rounds: Annotated[int, Meta(ge=1, description="How often each case is measured, in a new order.", title="N")] = (
        Conditions.rounds
    )
    precision: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(
            description="Add rounds until the intervals of throughput and CPU ÷ baseline are at most ±P, such as 5%.",
            title="P",
        ),
    ] = None
    max_rounds: Annotated[int, Meta(ge=1, description="Most rounds with --precision.", title="N")] = (
        Conditions.max_rounds
    )
    aa: Annotated[
        bool,
        Meta(
            description="Measure the baseline a second time as a control (A/A test). "
            "This is the default; it overrides --no-control.",
            title="",
        ),
    ] = False
    no_control: Annotated[bool, Meta(description="Measure no control.", title="")] = False
    together: Annotated[
        Annotated[int, Meta(ge=1)] | Literal["auto"],
        Meta(
            description="Candidates that run at the same time and take turns; 1 for an app that cannot run twice, "
            f"auto: up to {TOGETHER}.",
            title="N",
        ),
    ] = "auto"
    warmup: Annotated[
        float,
        Meta(ge=0, description="Load on each candidate before each measurement; it does not count.", title="TIME"),
    ] = Conditions.warmup_s
    duration: Annotated[
        float, Meta(gt=0, description="Counted time of each case in a round, cut into slices.", title="TIME")
    ] = Conditions.duration_s
    slice: Annotated[
        Annotated[float, Meta(gt=0)] | Literal["auto"],
        Meta(description="Counted time of each slice, such as 200ms; auto: by the service times.", title="TIME"),
    ] = "auto"
    request_timeout: Annotated[
        float, Meta(gt=0, description="A request without an answer after this time is unanswered.", title="TIME")
    ] = Conditions.request_timeout_s
    max_body: Annotated[
        int,
        Meta(ge=LEAST_BODY_BYTES, description="A longer body of an answer, or message, is an error.", title="SIZE"),
    ] = Conditions.max_body_bytes
    load_memory: Annotated[
        int,
        Meta(ge=LEAST_LOAD_MEMORY_BYTES, description="Memory that each load process may use.", title="SIZE"),
    ] = Conditions.load_memory_bytes
    baseline: Annotated[
        str | None,
        Meta(description="Server or app that the others are compared with. \\[the first]", title="NAME"),
    ] = None
    seed: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="Seed of every random choice. \\[random, and recorded]", title="N"),
    ] = None
    out: Annotated[str, Meta(description="Folder for results.", title="DIR")] = "results"
    resume: Annotated[
        str | None,
        Meta(
            description="Folder of an interrupted run to continue, such as results/latest; "
            "all other options must be as they were.",
            title="RUN",
        ),
    ] = None

    def conditions(self, seed: int, load_processes: int) -> Conditions:
        """Make the conditions of a run, with the two values that settings may leave open."""
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
            control=self.aa or not self.no_control,
            slice_s=None if self.slice == "auto" else float(self.slice),
            together=None if self.together == "auto" else self.together,
            request_timeout_s=self.request_timeout,
            max_body_bytes=self.max_body,
            load_memory_bytes=self.load_memory,
            compression=self.compression,
        )


@dataclass(frozen=True)
class Option:
    """A setting as the command line shows it."""

    key: str
    help: str
    metavar: str
    flag: bool = False
    repeated: bool = False
    """Can it be given several times?"""


def list_options() -> Iterator[Option]:
    """List all settings in order; the help ends with the default."""
    hints = get_type_hints(Settings, include_extras=True)
    for field in msgspec.structs.fields(Settings):
        meta: Meta = hints[field.name].__metadata__[0]
        flag = field.default is False
        default = f" \\[{field.default >> 20}MiB]" if field.name in _SIZES else _describe_default(field.default)
        text = f"{meta.description}{default}"
        yield Option(field.name, text, meta.title or "", flag, field.name in _REPEATED)


def _describe_default(value: Any) -> str:
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
    """Read settings from `file`, or from a file in `directory`, and override them with the options that are not None.

    Without a directory, no file is read.

    Raises `UsageError` that names the key that is unknown, of the wrong type or out of range, and what was expected.
    """
    source, keys = ("", {}) if directory is None else _read_file(directory, file)
    from_file = _convert(keys, source, "_")
    from_options = {
        key: [part for each in value for part in _split_values(key, each)] if isinstance(value, list) else value
        for key, value in given.items()
        if value not in (None, [])
    }
    return _convert({**msgspec.structs.asdict(from_file), **from_options}, "--", "-")


def _split_values(key: str, value: str) -> list[str]:
    """Split one use of an option that can be given several times: `env` before each `NAME=`, others not at all."""
    parts = re.split(r",\s*(?=[A-Za-z_]\w*=)", value) if key == "env" else [value]
    return [part.strip() for part in parts if part.strip()]


def _read_file(directory: Path, file: Path | None) -> tuple[str, dict[str, Any]]:
    """The prefix of keys in error messages, and the keys; none without a file."""
    own, project = directory / "harness.toml", directory / "pyproject.toml"
    if file is not None or own.is_file():
        return f"{(file or own).name}: ", _read_toml(file or own)
    if project.is_file():
        return "pyproject.toml: tool.harness.", _read_toml(project).get("tool", {}).get("harness", {})
    return "", {}


def _read_toml(path: Path) -> dict[str, Any]:
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
    normal = {key: _parse_text(value, key, f"{prefix}{key.replace('_', separator)}") for key, value in keys.items()}
    try:
        settings = msgspec.convert(normal, Settings, strict=False, dec_hook=_pass_load)
        return msgspec.structs.replace(settings, **{key: _drop_repeats(getattr(settings, key)) for key in _LISTS})
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


def _pass_load(_kind: type, value: object) -> object:
    """Return a load that is parsed already; msgspec checks its type."""
    return value


def _drop_repeats(values: Names | None) -> Names | None:
    return None if values is None else tuple(dict.fromkeys(values))


def _parse_text(value: Any, key: str, shown: str) -> Any:
    """Parse the text of a key: names become a list, times seconds, a share a number, a load a `Load`."""
    if key in _LISTS_OF_NUMBERS and isinstance(value, int) and not isinstance(value, bool):
        return [value]
    if not isinstance(value, str):
        return value
    if key in _READERS:
        return _READERS[key](value, shown)
    if key in _REPEATED:
        return _split_values(key, value)
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


def _read_size(text: str, shown: str) -> int:
    found = re.fullmatch(r"(\d+)\s*([KMG]i?B?|B)?", text.strip(), re.IGNORECASE)
    if found is None:
        raise UsageError(f"{shown}: expected a size such as 64MiB, found {text}")
    return int(found[1]) * _UNITS_BYTES[(found[2] or "B")[0].upper()]


def _read_slice(text: str, shown: str) -> float | str:
    return text if text == "auto" else _read_time_s(text, shown)


_READERS: Mapping[str, Callable[[str, str], Any]] = {
    "load": _read_load,
    "precision": _read_share,
    "slice": _read_slice,
    **dict.fromkeys(_SIZES, _read_size),
    **dict.fromkeys(("warmup", "duration", "ready_within", "request_timeout"), _read_time_s),
}
"""The functions that read the text of a key; each gets the text, and the name of the key for its error message."""
