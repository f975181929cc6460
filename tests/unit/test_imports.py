"""Who may import whom: the layout shows the data flow only as long as this holds."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "harness"
MODEL = {
    "harness.model",
    "harness.loads",
    "harness.machine",
    "harness.findings",
    "harness.summaries",
    "harness.histogram",
}
"""What every module may import."""

ALLOWED = {
    "histogram": set(),
    "model": set(),
    "loads": set(),
    "machine": set(),
    "findings": {"harness.model", "harness.loads", "harness.machine", "harness.histogram"},
    "summaries": {"harness.model", "harness.findings", "harness.histogram"},
    "plan": MODEL,
    "search": {*MODEL, "harness.intervals"},
    "intervals": MODEL,
    "verdict": MODEL,
    "outcome": {*MODEL, "harness.intervals", "harness.verdict"},
    "stats": {*MODEL, "harness.intervals", "harness.outcome"},
    "gates": MODEL,
    "conditions": MODEL,
    "comparison": {*MODEL, "harness.conditions", "harness.gates"},
    "compare": {
        *MODEL,
        *("harness.comparison", "harness.conditions", "harness.gates", "harness.intervals", "harness.outcome"),
    },
    "packages": set(),
    "catalog": {*MODEL, "harness.charts", "harness.packages", "harness.servers"},
    "config": MODEL,
    "guard": set(),
    "cpus": MODEL,
    "cgroups": {*MODEL, "harness.cpus"},
    "survey": {*MODEL, "harness.cgroups", "harness.cpus"},
    "doctor": {*MODEL, "harness.cpus", "harness.verdict"},
    "noise": {*MODEL, "harness.doctor", "harness.intervals", "harness.outcome"},
    "readiness": MODEL,
    "sample": MODEL,
    "record": {*MODEL, "harness.packages"},
    "logs": set(),
    "server": {*MODEL, "harness.cpus", "harness.guard", "harness.logs", "harness.readiness"},
    "load/trial": {*MODEL, "harness.cpus", "harness.guard", "harness.logs"},
}
"""Of the package itself; modules not named here are held by the rules for their folder."""
INSIDE = {"harness.load.trial"}
"""What is seen of the load engine from outside."""
PURE = (
    *("findings", "loads", "plan", "search", "intervals", "verdict", "outcome", "stats", "histogram", "model"),
    *("machine", "doctor", "noise", "gates", "conditions", "comparison", "compare"),
)
IMPURE = {"time", "datetime", "os", "io", "subprocess", "threading", "socket", "psutil", "tempfile", "shutil"}


def modules() -> list[str]:
    return sorted(str(path.relative_to(PACKAGE).with_suffix("")) for path in PACKAGE.rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Modules that a file imports, `from harness import x` as `harness.x`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "harness" or (ROOT / node.module.replace(".", "/")).is_dir():
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
            else:
                found.add(node.module)
    return found


def own(names: set[str]) -> set[str]:
    return {name for name in names if name.partition(".")[0] == "harness"}


def outside(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names} - {"harness"}


@pytest.mark.parametrize("module", sorted(ALLOWED))
def test_a_stage_imports_only_what_comes_before_it(module: str) -> None:
    assert own(imports(PACKAGE / f"{module}.py")) <= ALLOWED[module]


@pytest.mark.parametrize("module", PURE)
def test_pure_modules_know_no_clock_no_files_and_no_processes(module: str) -> None:
    assert not outside(imports(PACKAGE / f"{module}.py")) & IMPURE


@pytest.mark.parametrize("module", [name for name in modules() if name.startswith("servers/")])
def test_servers_know_only_the_model(module: str) -> None:
    assert own(imports(PACKAGE / f"{module}.py")) <= MODEL


@pytest.mark.parametrize("module", [name for name in modules() if name.startswith("charts/")])
def test_charts_know_only_the_model_and_each_others_style(module: str) -> None:
    assert all(name in MODEL or name.startswith("harness.charts._") for name in own(imports(PACKAGE / f"{module}.py")))


@pytest.mark.parametrize("module", [name for name in modules() if not name.startswith("charts/")])
def test_only_charts_draw(module: str) -> None:
    tree = ast.parse((PACKAGE / f"{module}.py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    names = {
        name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in (each.name for each in node.names)
    }
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert "matplotlib" not in outside(names)


@pytest.mark.parametrize("module", [name for name in modules() if name.startswith("load/") and name != "load/trial"])
def test_the_load_engine_knows_itself_and_the_model(module: str) -> None:
    assert all(name in MODEL or name.startswith("harness.load.") for name in own(imports(PACKAGE / f"{module}.py")))


@pytest.mark.parametrize("module", [name for name in modules() if not name.startswith("load/")])
def test_nobody_else_looks_inside_the_load_engine(module: str) -> None:
    names = imports(PACKAGE / f"{module}.py")
    assert {name for name in names if name == "harness.load" or name.startswith("harness.load.")} <= INSIDE
    assert not outside(names) & {"locust", "gevent"}


@pytest.mark.parametrize("module", [name for name in modules() if name.startswith("check/")])
def test_checks_know_the_model_and_each_other_and_their_target_starts_servers(module: str) -> None:
    allowed = MODEL | ({"harness.server"} if module == "check/target" else set())
    assert all(name in allowed or name.startswith("harness.check") for name in own(imports(PACKAGE / f"{module}.py")))


@pytest.mark.parametrize("module", [name for name in modules() if name.startswith("check/probe")])
def test_the_probe_runs_where_nothing_is_installed(module: str) -> None:
    names = imports(PACKAGE / f"{module}.py")
    assert own(names) == set()
    assert {name for name in outside(names) if not name.startswith("probe")} <= sys.stdlib_module_names


@pytest.mark.parametrize("path", sorted((ROOT / "apps").glob("*.py")), ids=lambda path: path.stem)
def test_apps_know_nothing_of_the_harness(path: Path) -> None:
    assert own(imports(path)) == set()


@pytest.mark.parametrize("path", sorted((ROOT / "scenarios").glob("*.py")), ids=lambda path: path.stem)
def test_scenarios_know_the_load_engine_and_locust(path: Path) -> None:
    assert all(name in MODEL or name.startswith("harness.load.") for name in own(imports(path)))
