"""`cli/terminal/` prints, and no other module of the command does."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

CLI = Path(__file__).parents[3] / "harness" / "cli"
PRINTING = {"print", "echo", "secho", "Console", "stdout", "stderr", "rich"}


def names(tree: ast.AST) -> set[str]:
    """Every name, attribute and imported package of a module."""
    found = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    found |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {(node.module or "").partition(".")[0], *(alias.name for alias in node.names)}
    return found


@pytest.mark.parametrize("path", sorted(CLI.glob("*.py")), ids=lambda path: path.stem)
def test_a_verb_leaves_printing_to_the_terminal(path: Path) -> None:
    assert not names(ast.parse(path.read_text())) & PRINTING


@pytest.mark.parametrize(
    "source", ["print(1)", "typer.echo(1)", "sys.stderr.write('')", "import rich.table", "from rich.text import Text"]
)
def test_every_way_to_print_is_noticed(source: str) -> None:
    assert names(ast.parse(source)) & PRINTING
