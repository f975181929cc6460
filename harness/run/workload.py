"""The digest of a workload: what users send, not which answers are right, so that two runs can be told apart by it."""

from __future__ import annotations

import ast
import hashlib
import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from harness.model.targets import App, Scenario

_LONGEST_NAME = 200
"""A longer text in the code is not the name of a file."""
_EXPECTATIONS = frozenset({"answers", "check", "seen_body", "status", "until"})


def list_files(scenario: Path) -> list[Path]:
    """A Locust file, and what lies beside it and is imported or named (payloads), directly or through another."""
    found, waiting = dict.fromkeys([scenario]), [scenario]
    while waiting:
        for path in _list_files_beside(waiting.pop(), scenario.parent):
            if path not in found:
                found[path] = None
                waiting.append(path)
    return list(found)


def digest_workload(scenario: Scenario, apps: Iterable[App]) -> str:
    """A line for each part: tags, names of headers and of variables, and each file, with its weights and payloads.

    As from `sha256sum`, a line has the digest of the part and its name.
    """
    names = sorted({name for headers in (scenario.headers, *(app.headers for app in apps)) for name, _ in headers})
    parts = {
        "tags": repr((scenario.tags, scenario.excluded_tags)),
        "names of headers": repr(names),
        "names of variables": repr(sorted(scenario.environment)),
    }
    for path in list_files(scenario.path):
        with suppress(OSError):
            parts[os.path.relpath(path, scenario.path.parent)] = _describe(path)
    return "\n".join(f"{_digest(text.encode())} {name}" for name, text in parts.items())


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def _describe(path: Path) -> str:
    """The code of a file without comments, docstrings and expectations of answers; any other file as it is."""
    if path.suffix != ".py":
        return _digest(path.read_bytes())
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return path.read_text(errors="replace")
    for node in ast.walk(tree):
        match node:
            case ast.Assign([ast.Name("HEADERS")], ast.Tuple(pairs)):
                # A written scenario has the values of --header, which are secrets, and other ones in each run.
                for pair in pairs:
                    if isinstance(pair, ast.Tuple):
                        pair.elts = pair.elts[:1]
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


def _list_files_beside(path: Path, folder: Path) -> Iterator[Path]:
    """The modules and packages of a folder that a file imports, and the files there whose names are in its code."""
    if path.suffix != ".py":
        return
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        match node:
            case ast.Constant(str(text)) if 0 < len(text) < _LONGEST_NAME:
                with suppress(OSError, ValueError):
                    if (folder / text).is_file() and (folder / text).resolve().is_relative_to(folder.resolve()):
                        yield folder / text
            case _:
                yield from (file for module in _list_modules(node) for file in _find_module(folder / module))


def _list_modules(node: ast.AST) -> list[str]:
    """The top-level modules that a statement imports."""
    match node:
        case ast.Import(names) | ast.ImportFrom(None, names):
            modules = [each.name for each in names]
        case ast.ImportFrom(str(module)):
            modules = [module]
        case _:
            modules = []
    return [module.partition(".")[0] for module in modules]


def _find_module(place: Path) -> list[Path]:
    """The files of a module or of a package; none where it is not there."""
    module = place.with_suffix(".py")
    return [module] if module.is_file() else sorted(place.rglob("*.py"))
