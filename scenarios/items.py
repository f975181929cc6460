"""REST /items: create, read, update and delete an item, each with the right status."""

import itertools
import json
from typing import Any

from locust import task

from harness.load import Answer, HttpScenario, delete, get, post, put

_numbers = itertools.count(1)


def _holds(fields: dict[str, str], *headers: str) -> dict[str, Any]:
    """Keywords of a request whose answer is an item with these fields and has these headers."""

    def check(answer: Answer) -> str | None:
        for name in headers:
            if answer.header(name) is None:
                return f"expected a {name} header, found none"
        found = answer.json()
        return None if fields.items() <= found.items() else f"expected an item with {fields}, found {found}"

    return {"expected_type": "application/json", "check": check}


def _body(fields: dict[str, str]) -> bytes:
    return json.dumps(fields).encode()


class Items(HttpScenario):
    """Creates, changes and deletes one item after the other."""

    @task
    def use_item(self) -> None:
        """Send five requests; the last one checks that the item is deleted."""
        old, new = {"name": f"item {next(_numbers)}"}, {"name": f"item {next(_numbers)}"}
        created = self.send(
            post("/items", _body(old), "application/json", name="create", status=201, **_holds(old, "location"))
        )
        path = str(created.header("location"))
        self.send(get(path, name="read", **_holds(old)))
        self.send(put(path, _body(new), "application/json", name="update", **_holds(new)))
        self.send(delete(path, name="delete", status=204, expected_body=b""))
        self.send(get(path, name="read deleted", status=404))
