"""Who may import whom: the table of rooms in docs/architecture.md as a test, with one rule for each room."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "harness"


class Room(NamedTuple):
    """What the modules of a folder may import of the package, beside each other, and of what is installed."""

    rooms: frozenset[str]
    own_libraries: frozenset[str] = frozenset()
    """Libraries that no other room may import."""
    pure: bool = False
    """Does it know no clock, no files and no processes?"""
    standard_library_only: bool = False
    """Does it run where nothing is installed?"""


def room(*rooms: str, own: tuple[str, ...] = (), pure: bool = False, standard_library_only: bool = False) -> Room:
    return Room(frozenset(rooms), frozenset(own), pure, standard_library_only)


ROOMS = {
    "model": room(pure=True, standard_library_only=True),
    "servers": room("model"),
    "text": room(own=("jinja2", "markupsafe"), pure=True),
    "charts": room("analysis", "model", "text", own=("matplotlib", "mpl_toolkits")),
    "load": room("model", own=("locust", "gevent", "greenlet")),
    "host": room("model"),
    "hosts": room("host", "catalog", "model", "text"),
    "catalog": room("model", "servers", "charts", "text"),
    "analysis": room("model", "text", pure=True),
    "plan": room("catalog", "hosts", "host", "model", "text"),
    "check/probe": room(standard_library_only=True),
    "check": room("host", "catalog", "model", "text"),
    "drill": room("host", "charts", "model", "text"),
    "report": room("charts", "analysis", "host", "model", "text"),
    "run/calibration/users": room(own=("locust",)),
    "run": room("plan", "analysis", "catalog", "hosts", "host", "model", "text"),
    "cli": room(
        *("run", "report", "charts", "check", "drill", "plan"),
        *("analysis", "catalog", "servers", "hosts", "host", "model", "text"),
        own=("typer", "rich"),
    ),
}
IMPURE = {"time", "datetime", "os", "io", "subprocess", "threading", "socket", "psutil", "tempfile", "shutil"}
BESIDE_THE_ROOMS = {"__init__", "__main__"}
"""All modules at the top level of the package."""


def modules() -> list[str]:
    return sorted(str(path.relative_to(PACKAGE).with_suffix("")) for path in PACKAGE.rglob("*.py"))


def in_rooms() -> list[str]:
    return [module for module in modules() if module not in BESIDE_THE_ROOMS]


def room_of(module: str) -> str:
    """The innermost room that a module lies in; raises `StopIteration` for one that lies in none."""
    parts = module.split("/")
    paths = ("/".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next(path for path in paths if path in ROOMS)


def imports(path: Path) -> set[str]:
    """Modules that a file imports, `from harness.host import cpus` as `harness.host.cpus`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            own = ".".join(path.parent.relative_to(ROOT).parts)
            found |= {f"{own}.{node.module or alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            if (ROOT / node.module.replace(".", "/")).is_dir():
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
            else:
                found.add(node.module)
    return found


def imported_rooms(names: set[str]) -> set[str]:
    return {room_of(name.partition(".")[2].replace(".", "/")) for name in names if name.startswith("harness.")}


def libraries(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names} - {"harness"}


def test_every_module_lies_in_a_room() -> None:
    assert {module for module in modules() if "/" not in module} == BESIDE_THE_ROOMS
    assert {room_of(module) for module in in_rooms()} == ROOMS.keys()


@pytest.mark.parametrize("module", in_rooms())
def test_a_room_imports_only_the_rooms_before_it(module: str) -> None:
    own = room_of(module)
    assert imported_rooms(imports(PACKAGE / f"{module}.py")) <= {own, *ROOMS[own].rooms}


@pytest.mark.parametrize("module", in_rooms())
def test_a_library_that_belongs_to_a_room_is_imported_there_alone(module: str) -> None:
    own = ROOMS[room_of(module)].own_libraries
    others = set().union(*(each.own_libraries for each in ROOMS.values())) - own
    tree = ast.parse((PACKAGE / f"{module}.py").read_text())
    at_run_time = [node for node in ast.walk(without_type_checking(tree)) if isinstance(node, ast.Import)]
    names = {alias.name for node in at_run_time for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not libraries(names) & others


def without_type_checking(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    return tree


@pytest.mark.parametrize("module", [name for name in in_rooms() if ROOMS[room_of(name)].pure])
def test_pure_rooms_know_no_clock_no_files_and_no_processes(module: str) -> None:
    assert not libraries(imports(PACKAGE / f"{module}.py")) & IMPURE


@pytest.mark.parametrize("module", [name for name in in_rooms() if ROOMS[room_of(name)].standard_library_only])
def test_what_runs_where_nothing_is_installed_imports_the_standard_library_alone(module: str) -> None:
    assert libraries(imports(PACKAGE / f"{module}.py")) <= sys.stdlib_module_names


@pytest.mark.parametrize("path", sorted((ROOT / "apps").glob("*.py")), ids=lambda path: path.stem)
def test_apps_know_nothing_of_the_harness(path: Path) -> None:
    assert imported_rooms(imports(path)) == set()


@pytest.mark.parametrize("path", sorted((ROOT / "scenarios").glob("*.py")), ids=lambda path: path.stem)
def test_scenarios_know_the_load_engine_and_locust(path: Path) -> None:
    assert imported_rooms(imports(path)) <= {"load"}
