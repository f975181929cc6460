"""The options and keys of the settings: what each may be set to, and how they are read from text and from files."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import msgspec
from msgspec import Meta

from harness.catalog import own_servers
from harness.model.errors import UsageError
from harness.model.loads import EXPECTED, parse_load
from harness.model.protocols import METHODS, PROTOCOLS
from harness.plan.settings import MOST_NUMBERS, SERVERS, Names, Settings
from harness.plan.values import read_share, read_size, read_slice, read_time_s, read_times_s, write_size
from harness.text.suggestions import suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from harness.model.targets import Server

_LISTS = frozenset(
    {
        "servers",
        "servers_from",
        "apps",
        "scenarios",
        "protocols",
        "env",
        "workers",
        "methods",
        "users",
        "tags",
        "exclude_tags",
        "rtt",
    }
)
_LISTS_OF_NUMBERS = frozenset({"users", "workers"})
_REPEATED = frozenset({"env", "header", "server", "url", "pid", "cgroup", "server_args", "path"})
ABOUT_SERVERS = ("servers", "server", "url", "servers_from")
"""The keys that say which servers there are, for commands that take no others from the file."""
_MEASURED = "measured"
"""The key of the table `[servers]` that names what is measured; every other key is a server of one's own."""
_LONGEST_TEXT = 4_096
"""The longest path of Linux, and longer than any name; a variable of `--env` may be longer."""
_SIZES = frozenset({"max_body", "load_memory"})
_PATHS = frozenset({"app_dir", "python", "openapi", "locustfile", "out", "resume"})
_SHARES = frozenset({"precision", "loss"})
_TIMES = frozenset({"rtt", "warmup", "duration", "slice", "ready_within", "request_timeout"})
_ALLOWED = {
    "load": EXPECTED.removeprefix("expected "),
    "protocols": f"any of {', '.join(PROTOCOLS)}",
    "methods": f"any of {', '.join(METHODS)}",
    "precision": "a share such as 5%",
    "loss": "a share such as 0.1%",
    "rtt": "times such as 0,5ms,20ms",
    "with_reference": "on, off",
    "prefer": "throughput, p99, cpu or memory",
    "env": "NAME=VALUE",
    "header": "'Name: value'",
    "server": "NAME=COMMAND",
    "url": "NAME=URL",
    "pid": "NAME=PID",
    "cgroup": "NAME=DIR",
    "server_args": "SERVER=ARGUMENTS",
    "path": "a path such as /items",
}
"""What these keys may be set to, where their types do not say it."""
_CHOICES = {
    "protocols": PROTOCOLS,
    "methods": METHODS,
    "with_reference": ("on", "off"),
    "prefer": ("throughput", "p99", "cpu", "memory"),
}
"""The names that there are, where there are few."""
_SHOWN = 100
"""An error message repeats so many characters of a value."""
_SECRET = frozenset({"env", "header"})
"""The values of these keys are not repeated in error messages."""
_SURROGATE = "Cs"
"""Unicode category of the halves of surrogate pairs, as which Python hands on bytes that are not UTF-8."""
_LINE_BREAKS = frozenset({"Cc", _SURROGATE, "Zl", "Zp"})
"""Unicode categories that no name has: control characters and ends of lines too."""
_HINTS: Mapping[str, Any] = get_type_hints(Settings, include_extras=True)


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
    for field in msgspec.structs.fields(Settings):
        meta: Meta = _HINTS[field.name].__metadata__[0]
        flag = field.default is False
        limits = _describe_limits(field.name)
        default = f" [{write_size(field.default)}]" if field.name in _SIZES else _describe_default(field.default)
        text = f"{meta.description}{f' {limits[0].upper()}{limits[1:]}.' if limits else ''}{default}"
        yield Option(field.name, text, meta.title or "", flag, field.name in _REPEATED)


def _describe_default(value: Any) -> str:
    match value:
        case None | False | () | 0.0 | (0.0,):
            return ""
        case tuple():
            return f" [{', '.join(map(str, value))}]"
        case float():
            return f" [{value:g}s]"
    return f" [{value}]"


def read_settings(
    given: Mapping[str, str | bool | list[str] | None],
    directory: Path | None,
    file: Path | None = None,
    *,
    only: Collection[str] = Settings.__struct_fields__,
) -> Settings:
    """Read settings from `file`, or from a file in `directory`, and override them with the options that are not None.

    Without a directory, no file is read; of a file, `only` these keys count.

    Raises `UsageError` that names the key that is unknown, of the wrong type or out of range, and what was expected.
    """
    source, keys = ("", {}) if directory is None else _read_file(directory, file)
    flat, tables = _read_server_tables(keys, source)
    from_file = _convert(flat, source, "_")
    from_file = _add_servers(from_file, tables)
    own = {"server", "url"} & {key for key, value in given.items() if value}
    overridden = {"server"} if own else set()
    kept = {key: getattr(from_file, key) for key in only if key not in overridden}
    from_options = {
        key: [part for each in value for part in _split_values(key, each)] if isinstance(value, list) else value
        for key, value in given.items()
        if value not in (None, [])
    }
    settings = _convert({**kept, **from_options}, "--", "-")
    return _add_servers(settings, from_file.server) if own else settings


def _read_server_tables(keys: Mapping[str, Any], source: str) -> tuple[Mapping[str, Any], list[Server]]:
    """The keys of a file, in which `servers` is a list of names, and the servers of its tables `[servers.NAME]`."""
    tables = keys.get("servers")
    if not isinstance(tables, dict):
        return keys, []
    own = {name: table for name, table in tables.items() if name != _MEASURED}
    made = [own_servers.read_table(name, table, f"{source}servers.{name}") for name, table in own.items()]
    return {**keys, "servers": tables.get(_MEASURED, [*SERVERS, *own])}, made


def _add_servers(settings: Settings, others: Iterable[Server]) -> Settings:
    """Measure the servers of `server` and `url` beside the named ones; the `others` are there to be named.

    Where all that is said is what runs already, nothing else is measured.
    """
    added = (*settings.server, *settings.url)
    names = [each.name for each in added]
    known = (each for each in others if each.name not in names)
    measured = settings.servers
    if settings.url and not settings.server and settings.app is None and measured == SERVERS:
        measured = ()
    if measured != ("all",):
        measured = tuple(dict.fromkeys((*measured, *names)))
    return msgspec.structs.replace(settings, server=(*known, *added), url=(), servers=measured)


def _split_values(key: str, value: str) -> list[str]:
    """Split one use of an option that can be given several times: `env` before each `NAME=`, others not at all."""
    parts = re.split(r",\s*(?=[A-Za-z_]\w*=)", value) if key == "env" else [value]
    return [part.strip() for part in parts if part.strip()]


def _read_file(directory: Path, file: Path | None) -> tuple[str, dict[str, Any]]:
    """The prefix of keys in error messages, and the keys; none without a file."""
    own, project = directory / "harness.toml", directory / "pyproject.toml"
    if file is not None or own.is_file():
        return f"{(file or own).name}: ", _read_toml(file or own)
    if not project.is_file():
        return "", {}
    found: Any = {"tool": _read_toml(project).get("tool", {})}
    for key in ("tool", "harness"):
        found = found.get(key, {})
        if not isinstance(found, dict):
            raise UsageError(f"pyproject.toml: {key}: expected a table, found {_show(found)}")
    return "pyproject.toml: tool.harness.", found


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"--config: expected a TOML file, found {path} ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: expected TOML, found that {error}") from error


def _convert(keys: Mapping[str, Any], prefix: str, separator: str) -> Settings:
    known = Settings.__struct_fields__
    for key in keys:
        if key not in known:
            raise UsageError(f"{prefix}{_show(key)}: expected any of {', '.join(known)}{suggest(key, known)}")
    shown = {key: f"{prefix}{key.replace('_', separator)}" for key in keys}
    for key, value in keys.items():
        for text in value if isinstance(value, list | tuple) else [value]:
            if isinstance(text, str):
                _check_text(key, text, shown[key])
    normal = {key: _parse_text(value, key, shown[key]) for key, value in keys.items()}
    for key, parse in (("server", own_servers.parse_command), ("url", own_servers.parse_url)):
        if isinstance(given := normal.get(key), list | tuple):
            normal[key] = [parse(each, shown[key]) if isinstance(each, str) else each for each in given]
    try:
        settings = msgspec.convert(normal, Settings, strict=False, dec_hook=_pass_load)
    except msgspec.ValidationError as error:
        key = re.split(r"[\[`]", str(error).rpartition(" - at `$.")[2])[0]
        raise _make_error(key, keys[key], shown[key]) from error
    return msgspec.structs.replace(settings, **{key: _drop_repeats(getattr(settings, key)) for key in _LISTS})


def _make_error(key: str, value: object, shown: str) -> UsageError:
    found = "something else" if key in _SECRET else _show(value)
    return UsageError(f"{shown}: expected {_describe_allowed(key)}, found {found}{_suggest_value(key, value)}")


def _suggest_value(key: str, value: object) -> str:
    """What was meant by the first wrong name of a list that is closed, or by the wrong value of a choice."""
    names = _CHOICES.get(key, ())
    parts = [each.strip() for each in value.split(",")] if isinstance(value, str) else []
    return next((suggest(each, names) for each in parts if each not in names), "")


def _check_text(key: str, text: str, shown: str) -> None:
    """Raise `UsageError` for text that no name or path has, and that would break error messages or system calls."""
    categories = set(map(unicodedata.category, text))
    if key == "env":  # values may have several lines and any length
        if "\0" in text or _SURROGATE in categories:
            raise UsageError(f"{shown}: expected text in UTF-8 without NUL, found something else")
    elif not text and key not in _LISTS | _REPEATED:
        raise _make_error(key, text, shown)
    elif len(text) > _LONGEST_TEXT:
        raise UsageError(f"{shown}: expected at most {_LONGEST_TEXT} characters, found {len(text)}")
    elif categories & _LINE_BREAKS:
        found = "something else" if key in _SECRET else _show(text)
        raise UsageError(f"{shown}: expected one line of text in UTF-8, found {found}")
    elif key in _PATHS:
        try:
            Path(text).stat()
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            found = f"{_show(text)} ({error.strerror})"
            raise UsageError(f"{shown}: expected a path that can be looked up, found {found}") from error


def _show(value: object) -> str:
    """A value in one short line."""
    if value == "":
        return "nothing"
    text = value if isinstance(value, str) and value.isprintable() else repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _describe_allowed(key: str) -> str:
    """What a key may be set to, for an error message."""
    if key in _ALLOWED:
        allowed = _ALLOWED[key]
    elif key in _SIZES:
        allowed = "a size such as 64MiB"
    elif key in _TIMES:
        allowed = "a time such as 2s or 500ms"
    elif _find_limits(_HINTS[key]) is not None:
        allowed = "whole numbers" if key in _LISTS_OF_NUMBERS else "a whole number"
    elif key in _LISTS | _REPEATED:
        allowed = "one name or more"
    else:
        allowed = "true or false" if _HINTS[key].__origin__ is bool else "text"
    limits = _describe_limits(key)
    return allowed + (f" {limits}" if limits else "") + (" or auto" if "auto" in str(_HINTS[key].__origin__) else "")


def _describe_limits(key: str) -> str:
    """The least and the greatest value of a number, `from 1 to 1000`; empty for anything else."""
    limits = _find_limits(_HINTS[key])
    if limits is None:
        return ""
    least, most = limits.ge or 0, limits.le
    if key in _SHARES:
        return f"from {100 * least:g}% to {100 * (most or 0):g}%"
    if key in _SIZES:
        return f"from {write_size(int(least))} to {write_size(int(most or 0))}"
    several = f", at most {MOST_NUMBERS} of them" if key in _LISTS else ""
    if key in _TIMES:
        return f"from {f'{1000 * least:g}ms' if least else '0s'} to {most:g}s{several}"
    return f"from {least} to {most}{several}"


def _find_limits(hint: Any) -> Meta | None:
    """The limits of a number in a type, however deep it is wrapped."""
    metas = (each for each in getattr(hint, "__metadata__", ()) if each.ge is not None)
    inner = (found for each in get_args(hint) if (found := _find_limits(each)) is not None)
    return next(metas, None) or next(inner, None)


def _pass_load(_kind: type, value: object) -> object:
    """Return a load that is parsed already; msgspec checks its type."""
    return value


def _drop_repeats(values: Names | None) -> Names | None:
    return None if values is None else tuple(dict.fromkeys(values))


def _parse_text(value: Any, key: str, shown: str) -> Any:
    """Parse the text of a key: names become a list, times seconds, a share a number, a load a `Load`."""
    if key in _LISTS_OF_NUMBERS and isinstance(value, int) and not isinstance(value, bool):
        return [value]
    if not isinstance(value, str) and key != "rtt":
        return 0.0 if value == 0.0 and isinstance(value, float) else value  # -0.0 would be printed as -0
    if key in _READERS:
        try:
            return _READERS[key](value)
        except ValueError:
            raise _make_error(key, value, shown) from None
    if key in _REPEATED:
        return _split_values(key, value)
    if key in _LISTS:
        text = value.lower() if key == "methods" else value
        names = [name.strip() for name in text.split(",") if name.strip()]
        return list(PROTOCOLS) if key == "protocols" and names == ["all"] else names
    return value


_READERS: Mapping[str, Callable[[str], Any]] = {
    "load": parse_load,
    **dict.fromkeys(_SHARES, read_share),
    "rtt": read_times_s,
    "slice": read_slice,
    **dict.fromkeys(_SIZES, read_size),
    **dict.fromkeys(_TIMES - {"slice", "rtt"}, read_time_s),
}
"""The functions that read the text of a key; each raises `ValueError` for any other text."""
