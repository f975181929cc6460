"""Requests that write: bodies made from schemas, and values that must be new each time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import ALONE, SOUND, harness, summary_of

PEOPLE = """
import json

USER = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "examples": ["ann"]}}}
ORDER = {"type": "object", "required": ["item", "count"], "properties": {"item": {}, "count": {"type": "integer"}}}
TAG = {"type": "object", "required": ["id", "n"], "properties": {"id": {"format": "uuid"}, "n": {"type": "integer"}}}
CODE = {"type": "object", "required": ["code"], "properties": {"code": {"type": "integer", "maximum": 99}}}
PATHS = {"/users": USER, "/orders": ORDER, "/tags": TAG, "/codes": CODE}
BODY = {path: {"content": {"application/json": {"schema": schema}}} for path, schema in PATHS.items()}
DOCUMENT = {"paths": {path: {"post": {"requestBody": body}} for path, body in BODY.items()}}
KNOWN = set()


async def app(scope, receive, send):
    assert scope["type"] == "http"
    data = (await receive())["body"]
    status, answer = 200, DOCUMENT
    if scope["method"] == "POST":
        body = json.loads(data)
        if scope["path"] == "/orders":
            status = 201 if isinstance(body["item"], str) and isinstance(body["count"], int) else 422
        else:
            new = {f"{name}={value}" for name, value in body.items()}
            status = 409 if new & KNOWN else 201
            KNOWN.update(new)
        answer = body
    body = json.dumps(answer).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"""


@pytest.mark.long
def test_bodies_are_made_and_what_the_app_refuses_the_second_time_is_new_each_time(tmp_path: Path) -> None:
    (tmp_path / "people.py").write_text(PEOPLE)
    options = ("--app", "people:app", "--servers", "uvicorn", "--methods", "get,post", "--protocols", "h1")
    done = harness("run", *ALONE, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "POST /orders: its body is made from its schema" in done.stdout
    assert (
        "POST /users: the app refuses the same body again, so {unique} stands for a new value each time" in done.stdout
    )
    assert "so {unique:int} and {unique:uuid} stand for a new value each time" in done.stdout
    assert "left out: POST /codes: answered 409" in done.stdout
    assert "unique: add {unique} where a value must be new each time" in done.stdout
    (case,) = summary_of(tmp_path / "results/latest")["cases"]
    assert case["verdict"] in SOUND
    assert case["errors"]["total"] == 0
    text = (tmp_path / "results/scenarios/people.py").read_text()
    assert "#     Request('POST', '/codes'" in text


@pytest.mark.long
def test_a_request_that_was_left_out_works_with_the_placeholder(tmp_path: Path) -> None:
    (tmp_path / "people.py").write_text(PEOPLE)
    (tmp_path / "own.py").write_text(
        "from harness.load import HttpScenario, as_tasks, post\n"
        "class Own(HttpScenario):\n"
        "    tasks = as_tasks({post('/codes', b'{\"code\": \"{unique}\"}', 'application/json', status=201): 1})\n"
    )
    options = ("--app", "people:app", "--servers", "granian", "--locustfile", "own.py", "--protocols", "h1,h2c")
    done = harness("run", *ALONE, *options, "--load-processes", "2", "--rounds", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    cases = summary_of(tmp_path / "results/latest")["cases"]
    assert [(case["case"]["protocol"], case["errors"]["total"]) for case in cases] == [("h1", 0), ("h2c", 0)]
