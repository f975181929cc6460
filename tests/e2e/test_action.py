"""The action for pull requests, as far as it runs without the service: its steps, against an API of our own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from markdown_it import MarkdownIt

from tests.repositories import commit, git

ROOT = Path(__file__).parents[2]
APP = """
async def app(scope, receive, send):
    for _ in range(WORK):
        pass
    await send({"type": "http.response.start", "status": STATUS, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"ok"})
"""


class Comments(ThreadingHTTPServer):
    """An API that keeps the comments of pull request 7, a page of which holds 100."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.kept: list[dict[str, Any]] = [{"id": number, "body": "LGTM"} for number in range(100)]
        self.refuses_with: int | None = None


class Handler(BaseHTTPRequestHandler):
    server: Comments

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        size, page = int(query["per_page"][0]), int(query["page"][0])
        self.answer(200, self.server.kept[(page - 1) * size : page * size])

    def do_POST(self) -> None:
        assert self.path == "/repos/ann/shop/issues/7/comments"
        self.server.kept.append({"id": len(self.server.kept), **self.read()})
        self.answer(201, self.server.kept[-1])

    def do_PATCH(self) -> None:
        number = int(self.path.removeprefix("/repos/ann/shop/issues/comments/"))
        self.server.kept[number].update(self.read())
        self.answer(200, self.server.kept[number])

    def read(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers["content-length"])))

    def answer(self, status: int, content: Any) -> None:
        assert self.headers["authorization"] == "Bearer secret"
        body = json.dumps(content).encode()
        self.send_response(self.server.refuses_with or status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def comments() -> Iterator[Comments]:
    with Comments() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


class Job:
    """A job on a pull request's merge commit, which runs the action's steps in bash as a runner does."""

    def __init__(self, shop: Path, folder: Path, comments: Comments, **inputs: str) -> None:
        self.shop = shop
        self.folder = folder
        action = yaml.safe_load((ROOT / "action.yml").read_text())
        self.steps = {each["name"]: each for each in action["runs"]["steps"]}
        self.inputs = {name: each.get("default", "") for name, each in action["inputs"].items()} | inputs
        self.outputs: dict[str, str] = {}
        folder.mkdir()
        # In place of the first step, which installs the harness into this folder.
        (folder / "harness").symlink_to(sys.prefix)
        self.environment = {
            **os.environ,
            "RUNNER_TEMP": str(folder),
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_API_URL": f"http://127.0.0.1:{comments.server_port}",
            "GITHUB_REPOSITORY": "ann/shop",
            "GITHUB_WORKFLOW": "Performance",
            "GITHUB_JOB": "compare",
            "GITHUB_OUTPUT": str(folder / "output"),
            "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        }

    def run(self, name: str) -> subprocess.CompletedProcess[str]:
        step = self.steps[name]
        own = {key: self.evaluate(value) for key, value in step.get("env", {}).items()}
        (self.folder / "output").write_text("")
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
            cwd=self.shop,
            env=self.environment | own,
            capture_output=True,
            text=True,
            check=False,
        )
        self.outputs |= dict(line.split("=", 1) for line in (self.folder / "output").read_text().splitlines())
        return done

    def evaluate(self, text: str) -> str:
        known = {
            "github.event.pull_request.number": "7",
            "github.token": "secret",
            **{f"inputs.{name}": value for name, value in self.inputs.items()},
            **{f"steps.compare.outputs.{name}": value for name, value in self.outputs.items()},
        }
        while found := re.search(r"\$\{\{ (.*?) }}", text):
            text = text.replace(found[0], known[found[1]])
        return text

    @property
    def comment(self) -> Path:
        return self.folder / "comparison.md"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    commit(folder, {"shop.py": "WORK, STATUS = 2_000, 200" + APP})
    return folder


@pytest.mark.long
def test_a_change_that_costs_ten_times_as_much_fails_the_job_and_has_one_comment(
    shop: Path, tmp_path: Path, comments: Comments
) -> None:
    slower = commit(shop, {"shop.py": "WORK, STATUS = 200_000, 200" + APP})
    quick = "--protocols h1 --rounds 2 --warmup 100ms --duration 400ms --users 4 --junit 'the gates.xml'"
    job = Job(shop, tmp_path / "job", comments, app="shop:app", args=quick, **{"fail-if": "cpu>100%,errors>0%"})
    done = job.run("Measure and compare")
    assert done.returncode == 0, done.stderr
    assert job.outputs == {"status": "1"}, done.stderr
    for _ in range(2):
        assert job.run("Post the comparison").returncode == 0
    assert job.run("Fail on gates").returncode == 1
    assert len(comments.kept) == 101, "a second comparison replaces the first"
    html = MarkdownIt("gfm-like", {"linkify": False}).render(comments.kept[-1]["body"])
    shown, details = html.split("<details>")
    assert shown.startswith("<!-- asgi-harness Performance/compare -->\n<h3>✗ 1 of 2 gates missed</h3>")
    assert "<li>✗ <code>cpu&gt;100%</code>: missed in 1" in shown
    assert "<li>✓ <code>errors&gt;0%</code>: met in 1</li>" in shown
    assert "The control: A measured twice" in shown
    assert f"head {slower}" in shown
    assert shown.count("<table>") == details.count("<table>") == 1
    assert (tmp_path / "job" / "summary.md").read_text() == job.comment.read_text()
    gates = ET.parse(shop / "the gates.xml")
    assert [each.get("name") for each in gates.iter("testsuite")] == ["cpu>100%", "errors>0%"]
    run = json.loads((shop / "results" / "latest" / "summary.json").read_text())
    candidates = sorted((each["case"]["server"], each["case"]["app"]) for each in run["cases"])
    assert candidates == [("uvicorn", "base"), ("uvicorn", "head"), ("uvicorn-control", "base")]
    assert len(git(shop, "worktree", "list").splitlines()) == 1


@pytest.mark.long
def test_a_change_that_breaks_a_route_has_errors_and_no_figures(shop: Path, tmp_path: Path, comments: Comments) -> None:
    commit(shop, {"shop.py": "WORK, STATUS = 2_000, 500" + APP})
    quick = "--protocols h1 --rounds 2 --warmup 100ms --duration 400ms --users 4"
    job = Job(shop, tmp_path / "job", comments, app="shop:app", args=quick, **{"fail-if": "errors>0%"})
    assert job.run("Measure and compare").returncode == 0
    assert job.outputs == {"status": "1"}
    assert "✗ `errors>0%`: missed in 1" in job.comment.read_text().replace("&gt;", ">")


def test_bad_usage_fails_the_job_and_posts_nothing(shop: Path, tmp_path: Path, comments: Comments) -> None:
    job = Job(shop, tmp_path / "job", comments, app="shop:app")
    done = job.run("Measure and compare")
    assert job.outputs == {"status": "2"}
    assert "--base: expected a commit, branch or tag of " in done.stderr
    assert "none is posted" in job.run("Post the comparison").stdout
    assert job.run("Fail on gates").returncode == 2
    assert len(comments.kept) == 100


def test_a_token_that_may_not_write_does_not_fail_the_job(shop: Path, tmp_path: Path, comments: Comments) -> None:
    job = Job(shop, tmp_path / "job", comments)
    job.comment.write_text("### A comparison\n")
    comments.refuses_with = 403
    done = job.run("Post the comparison")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("::notice::expected to post the comparison, found HTTP Error 403")


def test_the_workflow_uses_inputs_that_the_action_has(tmp_path: Path, comments: Comments, shop: Path) -> None:
    workflow = yaml.safe_load((ROOT / "docs" / "ci" / "compare.yml").read_text())
    (step,) = (each for each in workflow["jobs"]["compare"]["steps"] if "asgi-harness" in each.get("uses", ""))
    assert step["with"].keys() <= Job(shop, tmp_path / "job", comments).inputs.keys()
