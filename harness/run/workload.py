"""The digest of a workload: what users send, not which answers are right, so that two runs can be told apart by it."""

from __future__ import annotations

import ast
import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from harness.model.targets import App, Scenario

_EXPECTATIONS = frozenset({"check", "status"})


def list_files(scenario: Path) -> list[Path]:
    """A Locust file, and what it imports that lies beside it, directly or through another."""
    found, waiting = dict.fromkeys([scenario]), [scenario]
    while waiting:
        for path in _list_imports_beside(waiting.pop(), scenario.parent):
            if path not in found:
                found[path] = None
                waiting.append(path)
    return list(found)


def digest_workload(scenario: Scenario, apps: Iterable[App]) -> str:
    """Of the requests with weights and payloads, the tags, and the names of headers and of the file's variables."""
    found = hashlib.blake2b(digest_size=8)
    names = sorted({name for headers in (scenario.headers, *(app.headers for app in apps)) for name, _ in headers})
    for part in (scenario.tags, scenario.excluded_tags, names, sorted(scenario.environment)):
        found.update(repr(list(part)).encode())
    for path in list_files(scenario.path):
        with suppress(OSError):
            found.update(_describe(path).encode())
    return found.hexdigest()


def _describe(path: Path) -> str:
    """The code of a file without comments, docstrings and expectations of answers."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return path.read_text(errors="replace")
    for node in ast.walk(tree):
        match node:
            case ast.Call(keywords=keywords):
                node.keywords = [each for each in keywords if not _is_expectation(each.arg or "")]
            case ast.Module(body=[ast.Expr(ast.Constant(str())), *rest]):
                node.body = rest
            case (
                ast.ClassDef(body=[ast.Expr(ast.Constant(str())), *rest])
                | ast.FunctionDef(body=[ast.Expr(ast.Constant(str())), *rest])
            ):
                node.body = rest
    return ast.dump(tree)


def _is_expectation(keyword: str) -> bool:
    return keyword in _EXPECTATIONS or keyword.startswith("expected_")


def _list_imports_beside(path: Path, folder: Path) -> Iterator[Path]:
    """The modules and packages of a folder that a file imports."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        match node:
            case ast.Import(names):
                modules = [each.name for each in names]
            case ast.ImportFrom(str(module)):
                modules = [module]
            case ast.ImportFrom(None, names):
                modules = [each.name for each in names]
            case _:
                continue
        for module in modules:
            place = folder / module.partition(".")[0]
            if place.with_suffix(".py").is_file():
                yield place.with_suffix(".py")
            elif place.is_dir():
                yield from sorted(place.rglob("*.py"))
