"""An app of one's own, as somebody has it who is about to deploy: its own routes, environment and interpreter."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

HARNESS = (sys.executable, "-m", "harness")
QUICK = ("--rounds", "1", "--warmup", "50ms", "--duration", "200ms", "--users", "4", "--protocols", "h1")
SHOP = """
import json
import os
import sys

DOCUMENT = {
    "openapi": "3.1.0",
    "paths": {
        "/health": {"get": {}},
        "/items/{id}": {"get": {"parameters": [{"name": "id", "in": "path", "required": True, "example": 7}]}},
        "/python": {"get": {}},
        "/link": {"get": {}},
        "/orders/{id}": {"get": {"parameters": [{"name": "id", "in": "path", "required": True}]}},
    },
}
ANSWERS = {
    "/": os.environ.get("GREETING", "hello"),
    "/health": "ok",
    "/items/7": "a chair",
    "/openapi.json": json.dumps(DOCUMENT),
    "/python": sys.prefix,
}
LINK = "/link"


async def app(scope, receive, send):
    assert scope["type"] == "http"
    host = dict(scope["headers"]).get(b"host", b"").decode()
    text = f"http://{host}/" if scope["path"] == LINK else ANSWERS.get(scope["path"])
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 404 if text is None else 200, "headers": headers})
    await send({"type": "http.response.body", "body": (text or "no").encode()})
"""


def harness(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*HARNESS, *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=110)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP)
    return tmp_path


def cases(folder: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads((folder / "results" / "latest" / "summary.json").read_text())["cases"]
    return found


def test_its_openapi_document_is_turned_into_requests_and_what_is_left_out_is_told(shop: Path) -> None:
    done = harness("run", *QUICK, "--app", "shop:app", "--servers", "uvicorn,granian", cwd=shop)
    assert done.returncode == 0, done.stderr
    assert "4 requests found" in done.stdout
    assert "left out: GET /orders/{id}: no example for path parameter id" in done.stdout
    assert [(case["case"]["server"], case["errors"]["total"]) for case in sorted(cases(shop), key=str)] == [  # type: ignore[index] # parsed JSON
        ("granian", 0),
        ("uvicorn", 0),
    ]
    records = [json.loads(line) for line in (shop / "results/latest/trials.jsonl").read_text().splitlines()]
    assert set(records[0]["result"]["by_name"]) == {"GET /health", "GET /items/{id}", "GET /link", "GET /python"}


def test_the_scenario_that_was_written_can_be_named_afterwards(shop: Path) -> None:
    harness("plan", "--app", "shop:app", cwd=shop)
    written = "results/scenarios/shop.py"
    done = harness("run", *QUICK, "--app", "shop:app", "--servers", "uvicorn", "--locustfile", written, cwd=shop)
    assert done.returncode == 0, done.stderr
    assert cases(shop)[0]["errors"]["total"] == 0  # type: ignore[index] # parsed JSON


def test_without_a_document_it_is_asked_for_the_ready_path(shop: Path) -> None:
    options = ("--app", "shop:app", "--servers", "uvicorn", "--openapi", "/none.json", "--env", "GREETING=moin")
    done = harness("run", *QUICK, *options, cwd=shop)
    assert done.returncode == 0, done.stderr
    assert "no OpenAPI document at /none.json, so only / is asked for" in done.stdout
    assert "b'moin'" in (shop / "results/scenarios/shop.py").read_text()


def test_an_app_that_answers_nothing_right_is_a_usage_error(shop: Path) -> None:
    options = ("--app", "shop:app", "--servers", "uvicorn", "--openapi", "/none.json", "--ready-path", "/nowhere")
    done = harness("run", *QUICK, *options, cwd=shop)
    assert done.returncode == 2
    assert done.stderr == (
        "harness: --app shop:app: expected a request that is answered right, found none "
        "(GET /nowhere: answered 404); name one by --ready-path, or bring a --locustfile\n"
    )


def test_its_own_interpreter_runs_the_servers_and_what_it_lacks_is_told(shop: Path) -> None:
    place = shop / "own"
    venv.create(place, with_pip=False)
    python = place / "bin" / "python"
    options = ("--app", "shop:app", "--servers", "uvicorn", "--python", str(python))
    lacking = harness("run", *QUICK, *options, cwd=shop)
    assert lacking.returncode == 2
    assert f"{python} -m pip install uvicorn" in lacking.stderr
    libraries = place / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    (libraries / "installed.pth").write_text(sysconfig.get_path("purelib"))
    done = harness("run", *QUICK, *options, cwd=shop)
    assert done.returncode == 0, done.stderr
    assert str(place) in (shop / "results/scenarios/shop.py").read_text()
    run = json.loads((shop / "results/latest/run.json").read_text())
    assert (
        run["environment"]["other_packages"]["uvicorn"]["uvicorn"] == run["environment"]["server_versions"]["uvicorn"]
    )


def test_a_start_up_that_takes_too_long_is_told_with_its_limit(shop: Path) -> None:
    (shop / "shop.py").write_text("import time\ntime.sleep(60)\n" + SHOP)
    options = ("--app", "shop:app", "--servers", "uvicorn", "--ready-within", "500ms", "--scenarios", "plaintext")
    done = harness("run", *QUICK, *options, cwd=shop)
    assert done.returncode == 3
    (case,) = cases(shop)
    assert case["verdict"] == "failed"
    assert "in time" in str(case["reasons"])
