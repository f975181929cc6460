"""Finds servers, apps, scenarios and charts by listing folders: to add one, put a file there."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import pkgutil
import sys
import typing
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING, TypeVar

import harness.charts
import harness.servers
from harness.catalog import packages
from harness.model.errors import UsageError
from harness.model.protocols import PROTOCOLS, WEBSOCKET_PROTOCOLS, Protocol
from harness.model.targets import App, Scenario, Server
from harness.text.suggestions import suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import ModuleType

_PACKAGE = Path(__file__).parents[1]
_READY_PATH, _READY_BODY = "/plaintext", b"Hello, World!"
"""Every app of the catalogue gives this answer; a user app need not."""

_USERS = "harness.load"
"""Scenarios import this module; everything else of the package is internal and may move."""
_FORMER_USERS = frozenset({"harness.load.users", "harness.load.exchange"})
"""Where scenarios imported the same names from before; files of that time still run."""
_USERS_IMPORT = f"from {_USERS} import HttpScenario, get"
_SERVERS_IMPORT = "from harness.model import Launch, Server"

ALL = "all"
"""The name by which options choose every entry."""
_MOST_LISTED = 12
"""Of more names than this, a misspelt one is answered with the closest alone, which would be lost among them."""


class HasName(typing.Protocol):
    """Anything that users choose by its name."""

    @property
    def name(self) -> str:
        """The name that users write."""


Named = TypeVar("Named", bound=HasName | str)


def folder(name: str) -> Path:
    """`apps` or `scenarios`: beside the package in a checkout, inside it when installed from a wheel."""
    beside = _PACKAGE.parent / name
    return beside if beside.is_dir() else _PACKAGE / "bundled" / name


@cache
def servers() -> tuple[Server, ...]:
    """All entries of `harness/servers/`, in the order of the files' names."""
    return tuple(server for name in _module_names(harness.servers) for server in _import_server(name).SERVERS)


@cache
def apps() -> tuple[App, ...]:
    """All files of `apps/`."""
    return tuple(read_app(path) for path in python_files(folder("apps")))


@cache
def scenarios() -> tuple[Scenario, ...]:
    """All files of `scenarios/`."""
    return tuple(read_scenario(path) for path in python_files(folder("scenarios")))


def charts() -> tuple[ModuleType, ...]:
    """The modules of `harness/charts/`, each with `TITLE` and `draw`."""
    return tuple(importlib.import_module(name) for name in _module_names(harness.charts))


def read_app(path: Path) -> App:
    """Read, without running it, a file with an ASGI callable `app`.

    It may have four constants: `SCENARIOS`, the names of the scenarios that it answers, if not all; `REQUIRES`, the
    distributions that it imports; `WSGI_TWIN`, the same app as a WSGI callable, `module:attribute`; `ON_TRIO`, the
    names of the scenarios that it can answer without asyncio.
    Raises `UsageError` for a file that is not valid Python or has a malformed constant.
    """
    constants = _read_constants(_parse(path, "an app"))
    scenarios = constants.get("SCENARIOS")
    wsgi = constants.get("WSGI_TWIN")
    return App(
        path.stem,
        f"{path.parent.name}.{path.stem}:app",
        path.parent.parent,
        _READY_PATH,
        _READY_BODY,
        counts_workers=True,
        wsgi_target=None if wsgi is None else _parse_target(wsgi, path),
        scenarios=None if scenarios is None else frozenset(_parse_strings("SCENARIOS", scenarios, path)),
        requires=_parse_strings("REQUIRES", constants.get("REQUIRES", ast.Tuple([])), path),
        on_trio=frozenset(_parse_strings("ON_TRIO", constants.get("ON_TRIO", ast.Tuple([])), path)),
    )


def read_scenario(path: Path) -> Scenario:
    """Read, without running it, a Locust file: its docstring, its protocols, and `USERS`, how many it is meant for.

    Protocols are those of `PROTOCOLS`, else WebSocket's if its users are `WebSocketScenario`s only, else HTTP's.
    A file that does not import `harness.load` can only use HTTP/1.1 in clear text, since Locust's HttpUser does not
    trust the certificate of a run.
    Raises `UsageError` for a file that is not valid Python, has a malformed constant, or imports an internal module.
    """
    tree = _parse(path, "a Locust file")
    constants = _read_constants(tree)
    imported = list(_harness_imports(tree))
    for line, module, names in imported:
        if module != _USERS and not (module in _FORMER_USERS and names):
            raise UsageError(f"{path}, line {line}: expected `{_USERS_IMPORT}` or the like, found {module}")
    ours = bool(imported)
    protocols: frozenset[Protocol] = frozenset(PROTOCOLS) - WEBSOCKET_PROTOCOLS if ours else frozenset({"h1"})
    if _list_scenario_classes(tree) == {"WebSocketScenario"}:
        protocols = WEBSOCKET_PROTOCOLS
    if (value := constants.get("PROTOCOLS")) is not None:
        protocols = _parse_protocols(value, path)
    users = None if (value := constants.get("USERS")) is None else _parse_users(value, path)
    summary = (ast.get_docstring(tree) or path.stem).partition("\n")[0]
    return Scenario(path.stem, path.resolve(), protocols, summary, ours, users=users)


def _parse(path: Path, kind: str) -> ast.Module:
    try:
        return ast.parse(path.read_text(), str(path))
    except (OSError, SyntaxError, ValueError) as error:
        raise UsageError(f"{path}: expected {kind}, found {error}") from error


def _harness_imports(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """Line and module of each import from this package, and the names that a statement takes from one module.

    `from harness import load` counts as `harness.load`.
    """
    for node in ast.walk(tree):
        taken = ""
        match node:
            case ast.Import(names):
                modules = [alias.name for alias in names]
            case ast.ImportFrom("harness", names):
                modules = [f"harness.{alias.name}" for alias in names]
            case ast.ImportFrom(str(module), names, 0):
                modules, taken = [module], ", ".join(alias.name for alias in names)
            case _:
                continue
        yield from ((node.lineno, module, taken) for module in modules if module.partition(".")[0] == "harness")


def _list_scenario_classes(tree: ast.Module) -> set[str]:
    """The classes of `harness.load` that classes of a file are derived from."""
    bases = [base for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for base in node.bases]
    names = {ast.unparse(base).rpartition(".")[2] for base in bases}
    return names & {"HttpScenario", "WebSocketScenario"}


def _read_constants(tree: ast.Module) -> dict[str, ast.expr]:
    """The expressions that a file assigns to single names at its top level."""
    found = {}
    for node in tree.body:
        match node:
            case ast.Assign([ast.Name(name)], value) | ast.AnnAssign(ast.Name(name), _, ast.expr() as value):
                found[name] = value
    return found


def _parse_strings(name: str, value: ast.expr, path: Path) -> tuple[str, ...]:
    with suppress(ValueError, TypeError):
        strings = ast.literal_eval(value)
        if isinstance(strings, tuple) and all(isinstance(each, str) for each in strings):
            return strings
    raise UsageError(f'{path}: expected {name} like ("one", "two"), found {ast.unparse(value)}')


def _parse_target(value: ast.expr, path: Path) -> str:
    match value:
        case ast.Constant(str(target)) if all(target.partition(":")):
            return target
    raise UsageError(f'{path}: expected WSGI_TWIN like "module:attribute", found {ast.unparse(value)}')


def _parse_protocols(value: ast.expr, path: Path) -> frozenset[Protocol]:
    with suppress(ValueError, TypeError):
        named = frozenset(ast.literal_eval(value))
        if named <= frozenset(PROTOCOLS):
            return named
    raise UsageError(f"{path}: expected PROTOCOLS of {', '.join(PROTOCOLS)}, found {ast.unparse(value)}")


def _parse_users(value: ast.expr, path: Path) -> int:
    match value:
        case ast.Constant(int(users)) if users > 0 and not isinstance(users, bool):
            return users
    raise UsageError(f"{path}: expected USERS of at least 1, found {ast.unparse(value)}")


def choose(option: str, entries: Sequence[Named], names: Iterable[str]) -> tuple[Named, ...]:
    """The entries with these names, in the order of the names, each once; the single name `all` means every entry.

    Raises `UsageError` for a name that no entry has; it lists the names there are and suggests the closest.
    """
    wanted = list(dict.fromkeys(names))
    return tuple(entries) if wanted == [ALL] else tuple(find(option, entries, name) for name in wanted)


def find(option: str, entries: Sequence[Named], name: str) -> Named:
    """The entry with this name; raises `UsageError` as `choose` does."""
    by_name = {_name(entry): entry for entry in entries}
    if name in by_name:
        return by_name[name]
    hint = suggest(name, by_name)
    expected = (
        f"one of {len(by_name)} names" if hint and len(by_name) > _MOST_LISTED else f"any of {', '.join(by_name)}"
    )
    raise UsageError(f"--{option}: expected {expected}, found {name!r}{hint}")


def _name(entry: HasName | str) -> str:
    return entry if isinstance(entry, str) else entry.name


def version_of(entry: Server | App, python: str = sys.executable) -> str | None:
    """The version of the server or of an app's framework: the first of its required distributions.

    It is that beside `python`, unless the entry has an interpreter of its own.
    """
    return packages.version(entry.requires[0], entry.python or python) if entry.requires else None


def not_installed(chosen: Iterable[Server | App], python: str = sys.executable) -> dict[str, str]:
    """For each server and app that cannot run with its interpreter, what is missing and how to install it.

    That is `python`, unless it has one of its own.
    """
    missing = {entry.name: (entry, packages.missing(entry.requires, entry.python or python)) for entry in chosen}
    return {name: f"{text}{_suggest_variant(entry, python)}" for name, (entry, text) in missing.items() if text}


def keep_possible(server: Server, python: str = sys.executable) -> Server:
    """The server with the protocols for which everything is installed; why it does not speak the others is told."""
    missing = {protocol: packages.missing(names, python) for protocol, names in server.requires_for.items()}
    impossible = {protocol: text for protocol, text in missing.items() if text}
    return replace(
        server,
        protocols=server.protocols - impossible.keys(),
        unsupported={**server.unsupported, **impossible},
        requires_for={},
    )


def _suggest_variant(entry: Server | App, python: str) -> str:
    """The end of a message on a server's main entry: another entry of that server which lacks fewer packages.

    For a server that displaces another one, it is a warning.
    """
    if isinstance(entry, Server) and entry.displaces is not None:
        return f", which takes the place of {entry.displaces}"
    if not isinstance(entry, Server) or entry.name != entry.requires[0] or packages.lacking([entry.name], python):
        return ""
    variants = [
        each
        for each in servers()
        if (each.requires[0], each.interface) == (entry.name, entry.interface) and entry.protocols <= each.protocols
    ]
    least = min([entry, *variants], key=lambda each: len(packages.lacking(each.requires, python)))
    return "" if least is entry else f"; or choose {least.name}, which needs less"


def _import_server(name: str) -> ModuleType:
    """A file of `harness/servers/`; raises `UsageError` where it imports a name that this package does not have."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        spec = importlib.util.find_spec(name)
        if spec is None or not (error.name or "").startswith("harness."):
            raise
        line = next(frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == spec.origin)
        raise UsageError(
            f"{spec.origin}, line {line}: expected `{_SERVERS_IMPORT}` or the like, found: {error}"
        ) from error


def _module_names(package: ModuleType) -> list[str]:
    names = sorted(info.name for info in pkgutil.iter_modules(package.__path__))
    return [f"{package.__name__}.{name}" for name in names if not name.startswith("_")]


def python_files(directory: Path) -> list[Path]:
    """The Python files of a folder, without those whose names begin with an underscore."""
    return sorted(path for path in directory.glob("*.py") if not path.name.startswith("_"))
