"""What scenario files import: `harness.load`, and nothing below it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import harness.load

SCENARIOS = Path(__file__).parents[3] / "scenarios"


def python(text: str) -> str:
    """What a fresh interpreter prints."""
    return subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=True, cwd=SCENARIOS.parent
    ).stdout.strip()


def test_importing_requests_and_answers_does_not_patch_the_process() -> None:
    assert python("import sys; from harness.load import Request, get; print('gevent' in sys.modules)") == "False"


def test_every_public_name_is_there() -> None:
    assert python("from harness.load import *; print(HttpScenario.abstract, WebSocketScenario.abstract)") == "True True"


def test_a_name_that_is_not_public_is_not_found() -> None:
    with pytest.raises(AttributeError, match=r"module 'harness\.load' has no attribute 'Account'"):
        harness.load.Account  # noqa: B018 - looking it up is the test


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.py")), ids=lambda path: path.stem)
def test_a_scenario_imports_only_public_names(path: Path) -> None:
    imported = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    ours = [node for node in imported if (node.module or "").startswith("harness")]
    assert {node.module for node in ours} == {"harness.load"}
    assert {alias.name for node in ours for alias in node.names} <= set(harness.load.__all__)
