"""The contract of `summary.json`: its schema, what it accepts, and the page that shows it to people.

`python -m tests.contract_page` writes the tables of the page again after a change of the schema.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "summary.md"
SCHEMA: dict[str, Any] = json.loads((DOCS / "summary.schema.json").read_text())
CONTRACT = Draft202012Validator(SCHEMA)
BEGIN, END = "<!-- tables of the schema -->", "<!-- end of the tables -->"


def close(schema: Any) -> Any:
    """The schema without room for keys that it does not name."""
    if isinstance(schema, list):
        return [close(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: close(each) for key, each in schema.items()}
    return {**closed, "additionalProperties": False} if isinstance(schema.get("properties"), dict) else closed


def list_faults(summary: object, validator: Draft202012Validator = CONTRACT) -> list[str]:
    """Where a summary breaks the contract, and how."""
    return [f"{each.json_path}: {each.message[:200]}" for each in validator.iter_errors(summary)]


def write_tables(page: str) -> str:
    """The page with a table for each object of the schema."""
    objects = {"The file": SCHEMA, **SCHEMA["$defs"]}
    tables = "\n\n".join(_write_table(name, each) for name, each in objects.items())
    before, after = page.split(BEGIN, maxsplit=1)[0], page.split(END)[1]
    return f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}"


def _write_table(name: str, schema: dict[str, Any]) -> str:
    always = set(schema["required"])
    rows = [
        f"| `{key}`{'' if key in always else ' *'} | {_kind(each)} | {_meaning(each)} |"
        for key, each in schema["properties"].items()
    ]
    head = f"### {name}\n\n{schema['description']}\n\n| key | value | meaning |\n|---|---|---|\n"
    return head + "\n".join(rows)


def _meaning(schema: dict[str, Any]) -> str:
    values = [f"`{each}`" for each in schema.get("enum", ()) if each is not None]
    return f"{schema['description']} One of {', '.join(values)}." if values else str(schema["description"])


def _kind(schema: dict[str, Any]) -> str:
    """What a value is: `number or null`, `list of string`, `estimate` with a link to its table."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name})"
    if "const" in schema:
        return str(schema["const"])
    if "anyOf" in schema:
        return " or ".join(map(_kind, schema["anyOf"]))
    types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    return " or ".join(_name(each, schema) for each in types)


def _name(kind: str, schema: dict[str, Any]) -> str:
    if kind == "array":
        return f"list of {_kind(schema['items'])}"
    if kind == "object" and "additionalProperties" in schema:
        return f"{_kind(schema['additionalProperties'])} by name"
    return kind


if __name__ == "__main__":
    PAGE.write_text(write_tables(PAGE.read_text()))
