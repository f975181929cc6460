"""A user app as one has it before it is deployed: its own routes, environment variables and interpreter."""

from __future__ import annotations

import json
import re
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.command import ALONE, SOUND, harness, summary_of

QUICK = (*ALONE, "--protocols", "h1")
SHOP = """
import json
import os
import sys
import time
from pathlib import Path

DOCUMENT = {
    "openapi": "3.1.0",
    "paths": {
        "/health": {"get": {}},
        "/items/{id}": {"get": {"parameters": [{"name": "id", "in": "path", "required": True, "example": 7}]}},
        "/python": {"get": {}},
        "/link": {"get": {}},
        "/orders/{id}": {"get": {"parameters": [{"name": "id", "in": "path", "required": True}]}},
        "/orders": {"post": {}, "get": {}},
        "/started": {"get": {}},
        "/set": {"get": {}},
    },
}
ORDERS = []
ANSWERS = {
    "/": os.environ.get("GREETING", "hello"),
    "/health": "ok",
    "/items/7": "a chair",
    "/openapi.json": json.dumps(DOCUMENT),
    "/python": sys.prefix,
    "/started": str(int(time.time())),
    "/set": str({str(number) for number in range(50)}),
}
LINK = "/link"


async def app(scope, receive, send):
    assert scope["type"] == "http"
    host = dict(scope["headers"]).get(b"host", b"").decode()
    with Path("asked.txt").open("a") as file:
        file.write(f"{scope['method']} {scope['path']}\\n")
    if scope["method"] == "POST":
        ORDERS.append("a chair")
    text = ANSWERS.get(scope["path"])
    if scope["path"] == LINK:
        text = f"http://{host}/"
    elif scope["path"] == "/orders":
        text = str(len(ORDERS))
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 404 if text is None else 200, "headers": headers})
    await send({"type": "http.response.body", "body": (text or "no").encode()})
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP)
    return tmp_path


def cases(folder: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = summary_of(folder / "results" / "latest")["cases"]
    return found


def written(folder: Path, name: str = "shop") -> str:
    return (folder / "results" / "scenarios" / f"{name}.py").read_text()


def expected(folder: Path) -> dict[str, bool]:
    """For each request of the written scenario, whether its body is compared."""
    pattern = re.compile(r" +(?:Request\(')?(\w+)(?:\('|', ')([^']*)'(?:, name='([^']*)')?.*: 1,")
    matches = filter(None, map(pattern.match, written(folder).splitlines()))
    return {each[3] or f"{each[1].upper()} {each[2]}": "seen_body" in each[0] for each in matches}


def asked(folder: Path) -> list[str]:
    return (folder / "asked.txt").read_text().split("\n")[:-1]


def test_requests_are_made_from_the_openapi_document_and_what_is_left_out_is_reported(shop: Path) -> None:
    done = harness("run", *QUICK, "--app", "shop:app", "--servers", "uvicorn,granian", cwd=shop)
    assert done.returncode == 0, done.stderr
    assert "7 requests found, answered right each time, under uvicorn and granian" in done.stdout
    assert "left out: POST /orders: it may write; use --methods get,post to include it" in done.stdout
    assert {each.split()[0] for each in asked(shop)} == {"GET"}
    assert "left out: GET /orders/{id}: no example for path parameter id" in done.stdout
    assert [(case["case"]["server"], case["errors"]["total"]) for case in sorted(cases(shop), key=str)] == [  # type: ignore[index] # parsed JSON
        ("granian", 0),
        ("uvicorn", 0),
    ]
    records = [json.loads(line) for line in (shop / "results/latest/trials.jsonl").read_text().splitlines()]
    assert {each["name"] for each in records[0]["result"]["by_request"]} == {
        *("GET /health", "GET /items/{id}", "GET /link", "GET /orders", "GET /python", "GET /set", "GET /started")
    }
    assert [name for name, fixed in expected(shop).items() if not fixed] == ["GET /link", "GET /started", "GET /set"]


def test_a_plan_requests_only_the_document_and_says_so(shop: Path) -> None:
    done = harness("plan", "--app", "shop:app", "--servers", "uvicorn", cwd=shop)
    assert done.returncode == 0, done.stderr
    assert "shop:app was started under uvicorn to read its document, and was stopped again" in done.stdout
    assert "7 requests found" in done.stdout
    assert asked(shop)[-1] == "GET /openapi.json"
    assert set(asked(shop)) == {"GET /", "GET /openapi.json"}
    assert not (shop / "results/scenarios/shop.py").exists()


@pytest.mark.long
def test_the_body_of_an_answer_that_writing_requests_change_is_not_expected(shop: Path) -> None:
    options = ("--app", "shop:app", "--servers", "uvicorn", "--methods", "get,post")
    done = harness("run", *QUICK, *options, cwd=shop)
    assert done.returncode == 0, done.stderr
    found = expected(shop)
    assert (found["POST /orders"], found["GET /orders"], found["GET /health"]) == (False, False, True)
    assert cases(shop)[0]["errors"]["total"] == 0  # type: ignore[index] # parsed JSON


@pytest.mark.long
def test_the_written_scenario_can_be_edited_and_used_as_a_locust_file(shop: Path) -> None:
    options = ("--app", "shop:app", "--servers", "uvicorn")
    harness("run", *QUICK, *options, cwd=shop)
    own = "results/scenarios/shop.py"
    done = harness("run", *QUICK, *options, "--locustfile", own, cwd=shop)
    assert done.returncode == 0, done.stderr
    assert cases(shop)[0]["errors"]["total"] == 0  # type: ignore[index] # parsed JSON
    edited = written(shop).replace(": 1,", ": 3,", 1)
    (shop / own).write_text(edited)
    again = harness("run", *QUICK, *options, cwd=shop)
    assert (again.returncode, written(shop)) == (2, edited)
    assert again.stderr == (
        f"harness: --app: expected {own} as the harness wrote it, found it edited; "
        f"use it with --locustfile {own}, or delete it to have it written again\n"
    )


@pytest.mark.long
def test_a_file_that_the_harness_did_not_write_is_left_alone(shop: Path) -> None:
    place = shop / "results" / "scenarios"
    place.mkdir(parents=True)
    (place / "shop.py").write_text("# mine\n")
    options = ("--app", "shop:app", "--servers", "uvicorn", "--openapi", "document.json")
    (shop / "document.json").write_text(json.dumps({"paths": {"/health": {"get": {}}}}))
    done = harness("run", *QUICK, *options, cwd=shop)
    assert done.returncode == 0, done.stderr
    assert written(shop) == "# mine\n"
    assert "get('/health'" in written(shop, "shop-2")


@pytest.mark.long
def test_if_a_server_does_not_start_the_app_is_asked_under_the_next(shop: Path) -> None:
    refusing = "import sys\nif 'uvicorn' in sys.modules:\n    raise RuntimeError('not under this one')\n"
    (shop / "shop.py").write_text(refusing + SHOP)
    done = harness("plan", "--app", "shop:app", "--servers", "uvicorn,granian", cwd=shop)
    assert done.returncode == 0, done.stderr
    assert "shop:app was started under granian" in done.stdout
    alone = harness("plan", "--app", "shop:app", "--servers", "uvicorn", cwd=shop)
    assert alone.returncode == 2
    assert "--servers: expected one that starts with --app shop:app, found uvicorn: expected" in alone.stderr
    assert "RuntimeError: not under this one" in alone.stderr
    assert alone.stderr.count("\n") == 1


CHANGING = """
ASKED = []


async def app(scope, receive, send):
    assert scope["type"] == "http"
    ASKED.append(scope["path"])
    bodies = {"/": "a page", "/quota": f'{{"left": {1000 - len(ASKED) // 100}}}'}
    headers = [(b"content-type", b"application/json" if scope["path"] == "/quota" else b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": bodies.get(scope["path"], "no").encode()})
"""


@pytest.mark.long
def test_a_body_that_changes_in_the_run_costs_its_check_and_not_the_run(shop: Path) -> None:
    (shop / "shop.py").write_text(CHANGING)
    (shop / "document.json").write_text(json.dumps({"paths": {"/": {"get": {}}, "/quota": {"get": {}}}}))
    options = ("--app", "shop:app", "--servers", "uvicorn", "--openapi", "document.json")
    done = harness("run", *QUICK, *options, "--duration", "1s", cwd=shop)
    assert done.returncode == 0, done.stderr
    assert expected(shop) == {"GET /": True, "GET /quota": True}
    (case,) = cases(shop)
    told = "bodies that changed during the run, checked by status, type and length only: GET /quota (GET /quota: "
    assert case["verdict"] in SOUND
    assert told in str(case["reasons"])
    assert told in " ".join(done.stdout.split())


HTTPS_ONLY = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    host = dict(scope["headers"])[b"host"].decode()
    status = 200 if scope["scheme"] == "https" else 307
    headers = [(b"content-type", b"text/plain"), (b"location", f"https://{host}{scope['path']}".encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"safe"})
"""


@pytest.mark.long
def test_an_app_that_sends_clients_to_https_is_measured_over_tls_only(shop: Path) -> None:
    (shop / "shop.py").write_text(HTTPS_ONLY)
    quick = (*QUICK, "--protocols", "h1,h1-tls")
    done = harness("run", *quick, "--app", "shop:app", "--servers", "uvicorn", "--openapi", "none", cwd=shop)
    assert done.returncode == 0, done.stderr
    assert "h1 left out, since the app sends clients to https://" in done.stdout
    (case,) = cases(shop)
    assert case["case"]["protocol"] == "h1-tls"  # type: ignore[index] # parsed JSON
    assert case["verdict"] in SOUND


CLOSED = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    known = dict(scope["headers"]).get(b"authorization") == b"Bearer one, two"
    headers = [(b"content-type", b"text/plain"), (b"location", b"/enter")]
    await send({"type": "http.response.start", "status": 200 if known else STATUS, "headers": headers})
    await send({"type": "http.response.body", "body": b"Invalid host header"})
"""


def test_headers_are_sent_with_every_request(shop: Path) -> None:
    (shop / "shop.py").write_text(CLOSED.replace("STATUS", "401"))
    header = "Authorization: Bearer one, two"
    options = ("--app", "shop:app", "--servers", "uvicorn", "--header", header, "--header", "X-More: 1")
    done = harness("run", *QUICK, *options, cwd=shop)
    assert done.returncode == 0, done.stderr
    assert cases(shop)[0]["errors"]["total"] == 0  # type: ignore[index] # parsed JSON
    assert (shop / "results/scenarios/shop.py").stat().st_mode & 0o077 == 0
    run = json.loads((shop / "results/latest/run.json").read_text())
    assert "Authorization: ***" in run["argv"]
    assert "Bearer" not in json.dumps(run)


@pytest.mark.long
def test_a_host_header_replaces_the_address_in_requests(shop: Path) -> None:
    known = 'known = dict(scope["headers"]).get(b"host") == b"shop.example"'
    lines = [f"    {known}" if line.startswith("    known =") else line for line in CLOSED.splitlines()]
    (shop / "shop.py").write_text("\n".join(lines).replace("STATUS", "400"))
    quick = (*QUICK, "--protocols", "h1,h2c", "--users", "2")
    options = ("--app", "shop:app", "--servers", "granian", "--header", "Host: shop.example")
    done = harness("run", *quick, *options, cwd=shop)
    assert done.returncode == 0, done.stderr
    assert [case["errors"]["total"] for case in cases(shop)] == [0, 0]  # type: ignore[index] # parsed JSON


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        ("401", "answered 401; --header 'Authorization: …' or --login may let it in"),
        ("302", "answered 302, which points at /enter"),
        (
            "400",
            "answered 400, 'Invalid host header'); the app may expect its own host name: --header 'Host: shop.example'",
        ),
        ("500", "answered 500); its log is results/scenarios/shop-uvicorn.log"),
    ],
)
def test_if_an_app_answers_nothing_right_the_error_says_what_may_help(shop: Path, status: str, advice: str) -> None:
    (shop / "shop.py").write_text(CLOSED.replace("STATUS", status))
    done = harness("run", *QUICK, "--app", "shop:app", "--servers", "uvicorn", cwd=shop)
    assert done.returncode == 2
    assert advice in done.stderr


@pytest.mark.long
def test_an_app_in_a_folder_of_sources_finds_the_files_of_its_project(shop: Path) -> None:
    (shop / "src").mkdir()
    (shop / "shop.py").rename(shop / "src" / "shop.py")
    (shop / "greeting.txt").write_text("moin")
    source = (shop / "src" / "shop.py").read_text()
    (shop / "src" / "shop.py").write_text(f"{source}\nANSWERS['/health'] = Path('greeting.txt').read_text()\n")
    lost = harness("plan", "--app", "shop:app", "--servers", "uvicorn", cwd=shop)
    assert lost.returncode == 2
    assert "--app-dir src has a shop" in lost.stderr
    options = ("--app", "shop:app", "--app-dir", "src", "--servers", "uvicorn")
    done = harness("run", *QUICK, *options, cwd=shop)
    assert done.returncode == 0, done.stderr
    assert "b'moin'" in written(shop)


def test_an_app_factory_is_served_by_servers_without_an_option_for_it(shop: Path) -> None:
    (shop / "shop.py").write_text(f"{SHOP}\ndef create_app():\n    return app\n")
    options = ("--app", "shop:create_app", "--servers", "daphne,granian")
    done = harness("run", *QUICK, *options, "--factory", cwd=shop)
    assert done.returncode == 0, done.stderr
    assert [case["errors"]["total"] for case in cases(shop)] == [0, 0]  # type: ignore[index] # parsed JSON
    forgotten = harness("run", *QUICK, *options, "--out", "others", cwd=shop)
    assert forgotten.returncode == 2
    assert "use --factory if shop:create_app returns the app" in forgotten.stderr


@pytest.mark.long
def test_without_a_document_only_the_ready_path_is_requested(shop: Path) -> None:
    (shop / "shop.py").write_text(SHOP.replace('"/openapi.json":', '"/none.json":'))
    options = ("--app", "shop:app", "--servers", "uvicorn", "--env", "GREETING=moin")
    done = harness("run", *QUICK, *options, cwd=shop)
    assert done.returncode == 0, done.stderr
    nothing = "no OpenAPI document at /openapi.json or another usual path, so only / is requested"
    assert f"{nothing} (the app answered 404; --openapi" in done.stdout
    assert "b'moin'" in written(shop)


IN_PYTHON = (
    "an OpenAPI document in JSON or YAML in shop.py, found in line 9, mapping values are not allowed in this context"
)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("/none.json", "an OpenAPI document in JSON or YAML at /none.json, found that the app answered 404"),
        (
            "/health",
            "an OpenAPI document in JSON or YAML at /health, found that the app answered text/plain with no `paths`",
        ),
        ("none.json", "a file, a path that begins with /, or none, found no file none.json"),
        ("shop.py", IN_PYTHON),
    ],
)
def test_a_document_that_is_named_must_exist(shop: Path, place: str, message: str) -> None:
    done = harness("plan", "--app", "shop:app", "--servers", "uvicorn", "--openapi", place, cwd=shop)
    assert (done.returncode, done.stderr) == (2, f"harness: --openapi: expected {message}\n")


def test_an_app_that_answers_nothing_right_is_a_usage_error(shop: Path) -> None:
    options = ("--app", "shop:app", "--servers", "uvicorn", "--ready-path", "/nowhere")
    (shop / "shop.py").write_text(SHOP.replace('"/openapi.json":', '"/none.json":'))
    done = harness("run", *QUICK, *options, cwd=shop)
    assert done.returncode == 2
    assert done.stderr == (
        "harness: --app shop:app: expected a request with a right answer, found none "
        "(GET /nowhere: answered 404); name a path with --path, or use --locustfile\n"
    )


def test_the_named_interpreter_runs_the_servers_and_missing_packages_are_reported(shop: Path) -> None:
    place = shop / "own"
    venv.create(place, with_pip=False)
    python = place / "bin" / "python"
    options = ("--app", "shop:app", "--servers", "uvicorn", "--python", str(python))
    lacking = harness("run", *QUICK, *options, cwd=shop)
    assert lacking.returncode == 2
    assert f"{python} -m pip install uvicorn" in lacking.stderr
    libraries = place / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    (libraries / "installed.pth").write_text(sysconfig.get_path("purelib"))
    folder = ("--app", "shop:app", "--servers", "uvicorn", "--python", str(place))
    done = harness("run", *QUICK, *folder, cwd=shop)
    assert done.returncode == 0, done.stderr
    assert str(place) in written(shop)
    run = json.loads((shop / "results/latest/run.json").read_text())
    assert (
        run["environment"]["other_packages"]["uvicorn"]["uvicorn"] == run["environment"]["server_versions"]["uvicorn"]
    )


@pytest.mark.parametrize(
    ("python", "found"), [("/bin/ls", "that /bin/ls does not run Python"), ("src", "no {}/src/bin/python")]
)
def test_a_file_that_is_not_an_interpreter_is_an_error(shop: Path, python: str, found: str) -> None:
    (shop / "src").mkdir()
    done = harness("plan", "--app", "shop:app", "--python", python, cwd=shop)
    message = f"--python: expected an interpreter such as ../shop/.venv/bin/python, found {found.format(shop)}"
    assert (done.returncode, done.stderr) == (2, f"harness: {message}\n")


def test_a_start_up_that_takes_too_long_is_reported_with_its_limit(shop: Path) -> None:
    (shop / "shop.py").write_text("import time\ntime.sleep(60)\n" + SHOP)
    options = ("--app", "shop:app", "--servers", "uvicorn", "--ready-within", "500ms", "--scenarios", "plaintext")
    done = harness("run", *QUICK, *options, cwd=shop)
    assert done.returncode == 3
    (case,) = cases(shop)
    assert case["verdict"] == "failed"
    assert "within 0.5 s" in str(case["reasons"])
