"""Finds servers, apps, scenarios and charts by listing folders: a file put there is all that an addition takes."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import importlib.util
import pkgutil
import shlex
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from packaging.requirements import Requirement

import harness.charts
import harness.servers
from harness.model import PROTOCOLS, WEBSOCKET_PROTOCOLS, App, Protocol, Scenario, Server, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import ModuleType

_PACKAGE = Path(__file__).parent
_READY_PATH, _READY_BODY = "/plaintext", b"Hello, World!"
"""What every app of the catalogue answers; a user's own app need not."""

_USERS = "harness.load.users"

Named = TypeVar("Named", Server, App, Scenario)


def folder(name: str) -> Path:
    """`apps` or `scenarios`: beside the package in a checkout, inside it when installed from a wheel."""
    beside = _PACKAGE.parent / name
    return beside if beside.is_dir() else _PACKAGE / "bundled" / name


@cache
def servers() -> tuple[Server, ...]:
    """All entries of `harness/servers/`, in the order of the files' names."""
    return tuple(server for module in _modules(harness.servers) for server in module.SERVERS)


@cache
def apps() -> tuple[App, ...]:
    """All files of `apps/`."""
    directory = folder("apps")
    return tuple(
        App(
            path.stem,
            f"{directory.name}.{path.stem}:app",
            directory.parent,
            _READY_PATH,
            _READY_BODY,
            counts_workers=True,
        )
        for path in _python_files(directory)
    )


@cache
def scenarios() -> tuple[Scenario, ...]:
    """All files of `scenarios/`."""
    return tuple(read_scenario(path) for path in _python_files(folder("scenarios")))


def charts() -> tuple[ModuleType, ...]:
    """The modules of `harness/charts/`, each with `TITLE` and `draw`."""
    return tuple(_modules(harness.charts))


def read_scenario(path: Path) -> Scenario:
    """A Locust file, read but not run: its docstring, and `PROTOCOLS` where it speaks others than HTTP's.

    A file that does without our users speaks HTTP/1.1 in clear, as Locust's own do: HttpUser trusts no authority of
    ours. Raises `UsageError` for a file that cannot be a Locust file.
    """
    try:
        tree = ast.parse(path.read_text(), str(path))
    except (OSError, SyntaxError) as error:
        raise UsageError(f"{path}: expected a Locust file, found {error}") from error
    ours = any(isinstance(node, ast.ImportFrom) and (node.module or "") == _USERS for node in ast.walk(tree))
    protocols: frozenset[Protocol] = frozenset(PROTOCOLS) - WEBSOCKET_PROTOCOLS if ours else frozenset({"h1"})
    for node in tree.body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["PROTOCOLS"]:
            protocols = _protocols(node.value, path)
    summary = (ast.get_docstring(tree) or path.stem).partition("\n")[0]
    return Scenario(path.stem, path.resolve(), protocols, summary, ours)


def _protocols(value: ast.expr, path: Path) -> frozenset[Protocol]:
    with suppress(ValueError, TypeError):
        named = frozenset(ast.literal_eval(value))
        if named <= frozenset(PROTOCOLS):
            return named
    raise UsageError(f"{path}: expected PROTOCOLS of {', '.join(PROTOCOLS)}, found {ast.unparse(value)}")


def own_app(target: str, directory: Path, ready_path: str = "/") -> App:
    """A user's app, named `module:attribute`; raises `UsageError` when the module is not there."""
    module, colon, attribute = target.partition(":")
    if not (colon and module and attribute):
        raise UsageError(f"--app: expected module:attribute such as shop.main:app, found {target!r}")
    place = directory.joinpath(*module.split("."))
    if not (place.with_suffix(".py").is_file() or place.is_dir()):
        raise UsageError(f"--app: expected {module} in --app-dir {directory}, found no {place.name}.py there")
    return App(module.split(".")[0], target, directory.resolve(), ready_path)


def choose(kind: str, entries: Sequence[Named], names: Iterable[str]) -> tuple[Named, ...]:
    """The entries of these names, in their order; raises `UsageError` for a name that is not among them."""
    by_name = {entry.name: entry for entry in entries}
    for name in names:
        if name not in by_name:
            raise UsageError(f"--{kind}: expected any of {', '.join(by_name)}, found {name!r}")
    return tuple(by_name[name] for name in dict.fromkeys(names))


def version_of(server: Server) -> str | None:
    """The installed version of the server's own distribution; None when it is not installed."""
    return _installed(server.requires[0])


def not_installed(chosen: Iterable[Server]) -> dict[str, str]:
    """For each server that cannot run here, what is missing and how to get it."""
    missing = {}
    for server in chosen:
        lacking = [name for name in server.requires if _installed(name) is None]
        if lacking:
            missing[server.name] = f"not installed: {', '.join(lacking)}; pip install {shlex.join(server.requires)}"
    return missing


def versions(names: Iterable[str]) -> dict[str, str]:
    """Installed versions of distributions; those not installed are left out."""
    return {name: version for name in names if (version := _installed(name)) is not None}


def _installed(requirement: str) -> str | None:
    parsed = Requirement(requirement)
    try:
        return importlib.metadata.version(parsed.name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _modules(package: ModuleType) -> Iterable[ModuleType]:
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
        if not info.name.startswith("_"):
            yield importlib.import_module(f"{package.__name__}.{info.name}")


def _python_files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.glob("*.py") if not path.name.startswith("_"))
