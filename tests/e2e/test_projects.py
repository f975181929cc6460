"""Projects as people have them, in their own environments: what is counted is what they saw and stored."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from harness.host import process
from tests.command import ALONE, HARNESS, QUICK, harness, names_of, records_of, summary_of
from tests.projects import Project, assert_all_were_seen, between

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]  # the first test of a project installs its packages

USERS = 4
LOOKS = 2
"""The app is started twice before a run, and logged in to each time."""


def run(project: Project, *options: str, command: str = "run") -> subprocess.CompletedProcess[str]:
    given = ("--python", project.python, "--protocols", "h1", *options)
    return harness(command, *given, cwd=project.folder)


def measured(project: Project) -> list[Any]:
    """The records of the latest run, all of which have right answers only."""
    records = records_of(project.folder / "results" / "latest")
    for record in records:
        assert record["verdict"] in {"valid", "client-limited"}, record["reasons"]
        assert record["result"]["errors"]["total"] == 0, record["result"]["errors"]
    return records


def requests_of(record: Any) -> set[str]:
    return {each["name"] for each in record["result"]["by_request"]}


@pytest.fixture
def shop(tmp_path: Path) -> Project:
    return Project.copy("shop", tmp_path)


SHOP = ("--app", "shop.main:app", "--ready-path", "/health")
SHOP_LOGIN = ("--login", "POST /auth/token username=ann&password=open-sesame")


def test_a_shop_in_fastapi_is_read_without_a_login_and_reports_are_made_again(shop: Project) -> None:
    done = run(shop, *SHOP, "--servers", "uvicorn,granian", *QUICK)
    assert done.returncode == 0, done.stderr
    assert "3 requests found, answered right each time, under uvicorn and granian" in done.stdout
    scenario = (shop.folder / "results" / "scenarios" / "shop.py").read_text()
    for left_out in (
        "GET /me: answered 401; --header 'Authorization: …' or --login may let it in",
        "GET /orders: answered 401; --header 'Authorization: …' or --login may let it in",
        "GET /orders/{order}: no example for path parameter order",
        "POST /orders: it may write; use --methods get,post to include it",
        "DELETE /orders/{order}: it may write; use --methods get,delete to include it",
    ):
        assert f"#   {left_out}\n" in scenario
    records = measured(shop)
    assert names_of(records) == [("granian", False), ("uvicorn", False), ("uvicorn", True)]
    for record in records:
        assert requests_of(record) == {"GET /health", "GET /products", "GET /products/{product}"}
    assert_all_were_seen(shop.seen(), records)
    assert {each.method for each in shop.seen()} == {"GET"}
    assert [shop.query("shop.db", f"SELECT count(*) FROM {table}") for table in ("logins", "orders", "products")] == [
        *(0, 0, 3)
    ]
    latest = shop.folder / "results" / "latest"
    summary = summary_of(latest)
    again = harness("report", "results/latest", cwd=shop.folder)
    assert again.returncode == 0, again.stderr
    assert summary_of(latest) == summary
    compared = harness("compare", "results/latest:uvicorn", "results/latest:granian", cwd=shop.folder)
    assert compared.returncode == 3, compared.stderr  # one round has no interval
    assert all(name in compared.stdout for name in ("uvicorn", "granian")), compared.stdout


def test_a_shop_in_fastapi_stores_each_order_and_product_that_is_counted(shop: Project) -> None:
    done = run(shop, *SHOP, *SHOP_LOGIN, "--methods", "get,post", "--servers", "uvicorn,granian", *ALONE)
    assert done.returncode == 0, done.stderr
    assert "7 requests found" in done.stdout
    assert "bodies that change, so that only status, type and length are checked: " in done.stdout
    assert "POST /orders: its body is made from its schema" in done.stdout
    assert "POST /products: its body is made from its schema; the app refuses the same body again" in done.stdout
    assert "left out: POST /auth/token: it is the login, which each user sends once" in done.stdout
    assert "left out: POST /auth/logout: it may end the login of all other requests" in done.stdout
    records = measured(shop)
    for record in records:
        assert requests_of(record) == {
            *("GET /health", "GET /products", "GET /products/{product}", "GET /me", "GET /orders"),
            *("POST /orders", "POST /products"),
        }
    assert_all_were_seen(shop.seen(), records)
    assert shop.query("shop.db", "SELECT count(*) FROM logins") == LOOKS + USERS * len(records)
    assert len(shop.seen("POST", "/auth/token")) == LOOKS + USERS * len(records)
    assert shop.query("shop.db", "SELECT count(*) FROM orders") == len(shop.seen("POST", "/orders", 201))
    assert shop.query("shop.db", "SELECT count(*) FROM products") == 3 + len(shop.seen("POST", "/products", 201))
    # Refused when the app was looked at: the same product a second and a third time, before {unique} was tried.
    assert len(shop.seen("POST", "/products", 409)) == LOOKS
    assert shop.seen("POST", "/orders", 409) == []


SOLD_OUT = """
from harness.load import HttpScenario, Login, as_tasks, post

LAMP = b'{"product": 3, "quantity": 1}'


class Buyer(HttpScenario):
    login = Login("POST", "/auth/token", "application/x-www-form-urlencoded", "username=ann&password=open-sesame")
    tasks = as_tasks({post("/orders", LAMP, "application/json", status=201): 1})
"""


def test_what_a_shop_in_fastapi_refuses_in_mid_run_is_counted_as_errors_and_not_as_orders(shop: Project) -> None:
    (shop.folder / "buyer.py").write_text(SOLD_OUT)
    done = run(shop, *SHOP, "--servers", "uvicorn", "--locustfile", "buyer.py", *ALONE)
    (record,) = records_of(shop.folder / "results" / "latest")
    errors = record["result"]["errors"]
    assert errors["total"] == len(shop.seen("POST", "/orders", 409))
    stored = shop.query("shop.db", "SELECT count(*) FROM orders")
    assert stored == len(shop.seen("POST", "/orders", 201)) <= 40
    for each in record["result"]["slices"]:
        seen = between(shop.seen("POST", "/orders", 201), each["opened_ns"], each["drained_ns"])
        assert each["finished"] == len(seen)
    if errors["total"]:  # unless the machine was too slow to sell all
        assert stored == 40
        assert errors["by_kind"] == {"status": errors["total"]}
        assert (done.returncode, record["verdict"]) == (3, "invalid")
        assert "expected 201, found 409" in done.stdout


def test_a_shop_in_fastapi_is_planned_and_served_from_its_own_environment(shop: Project) -> None:
    planned = run(shop, *SHOP, "--servers", "uvicorn,granian", command="plan")
    assert planned.returncode == 0, planned.stderr
    assert "shop.main:app was started under uvicorn to read its document, and was stopped again" in planned.stdout
    assert {each.path for each in shop.seen()} == {"/health", "/openapi.json"}
    checked = harness(
        "check",
        "--servers",
        "uvicorn",
        "--protocols",
        "h1",
        "--checks",
        "keep-alive",
        "--format",
        "json",
        cwd=shop.folder,
    )
    assert checked.returncode == 0, checked.stderr
    assert [each["outcome"] for each in json.loads(checked.stdout)["results"]] == ["pass"]
    port = process.free_port("127.0.0.1")
    options = ("--python", shop.python, *SHOP, "--port", str(port))
    unbuffered = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [*HARNESS, "serve", "granian", *options], cwd=shop.folder, stdout=subprocess.PIPE, text=True, env=unbuffered
    ) as serving:
        try:
            assert serving.stdout is not None
            assert serving.stdout.readline().startswith(f"granian answers on http://127.0.0.1:{port} after ")
            connection = HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/products/2")
            assert json.loads(connection.getresponse().read())["sku"] == "table"
            connection.close()
        finally:
            serving.send_signal(signal.SIGINT)
    assert serving.returncode == 0


PASSWORD = "correct-horse-9"
NOTES = ("--app", "notes.asgi:application", "--wsgi", "notes.wsgi:application", "--ready-path", "/health/")
NOTES_LOGIN = ("--login", f"POST /admin/login/ username=ann&password={PASSWORD}")
BOTH = ("--servers", "uvicorn,gunicorn-gthread")


@pytest.fixture
def notes(tmp_path: Path) -> Project:
    project = Project.copy("notes", tmp_path)
    project.call("manage.py", "migrate", "--verbosity", "0")
    named = {"DJANGO_SUPERUSER_USERNAME": "ann", "DJANGO_SUPERUSER_EMAIL": "ann@example.com"}
    project.call("manage.py", "createsuperuser", "--noinput", **named, DJANGO_SUPERUSER_PASSWORD=PASSWORD)
    return project


def test_notes_in_django_are_written_under_asgi_and_wsgi_with_sessions_and_csrf_tokens(notes: Project) -> None:
    options = ("--openapi", "openapi.yaml", "--methods", "get,post")
    done = run(notes, *NOTES, *NOTES_LOGIN, *BOTH, *options, *ALONE)
    assert done.returncode == 0, done.stderr
    assert "6 requests found, answered right each time, under uvicorn and gunicorn-gthread" in done.stdout
    assert "left out: POST /notes/: answered 302, which points at /notes/" in done.stdout
    assert "left out: GET /api/notes/{number}/: no example for path parameter number" in done.stdout
    records = measured(notes)
    assert names_of(records) == [("gunicorn-gthread", False), ("uvicorn", False)]
    for record in records:
        assert requests_of(record) == {
            *("GET /health/", "GET /notes/", "GET /api/notes/", "GET /admin/", "GET /admin/notes/note/"),
            "POST /api/notes/",
        }
    assert_all_were_seen(notes.seen(), records)
    written = len(notes.seen("POST", "/api/notes/", 201)) + len(notes.seen("POST", "/notes/", 302))
    assert notes.query("notes.db", "SELECT count(*) FROM notes_note") == written
    assert notes.query("notes.db", "SELECT count(*) FROM django_session") == LOOKS + USERS * len(records)
    assert len(notes.seen("POST", "/admin/login/", 302)) == LOOKS + USERS * len(records)
    assert notes.seen(status=403) == []


FORM = f"""
from harness.load import HttpScenario, Login, as_tasks, get, post

FORM = "application/x-www-form-urlencoded"


class Writer(HttpScenario):
    login = Login("POST", "/admin/login/", FORM, "username=ann&password={PASSWORD}")
    tasks = as_tasks({{post("/notes/", b"text=Buy+a+chair", FORM, status=302): 1, get("/notes/"): 3}})
"""


def test_a_form_of_notes_in_django_is_sent_and_its_redirect_is_the_right_answer(notes: Project) -> None:
    (notes.folder / "writer.py").write_text(FORM)
    done = run(notes, *NOTES, *BOTH, "--locustfile", "writer.py", *ALONE)
    assert done.returncode == 0, done.stderr
    records = measured(notes)
    assert_all_were_seen(notes.seen(), records)
    written = notes.seen("POST", "/notes/", 302)
    assert notes.query("notes.db", "SELECT count(*) FROM notes_note") == len(written) >= len(records)
    assert notes.seen(status=403) == []


@pytest.fixture
def chat(tmp_path: Path) -> Project:
    return Project.copy("chat", tmp_path)


CHAT = ("--app", "chat:app", "--ready-path", "/health")


def test_a_chat_in_starlette_is_measured_with_the_locust_file_that_it_has(chat: Project) -> None:
    done = run(chat, *CHAT, "--servers", "uvicorn,granian", "--locustfile", "locustfile.py", "--by-request", *ALONE)
    assert done.returncode == 0, done.stderr
    records = measured(chat)
    assert names_of(records) == [("granian", False), ("uvicorn", False)]
    for record in records:
        assert requests_of(record) == {"/rooms/{room}", "/rooms/{room}/messages"}
        for each in record["result"]["slices"]:
            seen = between(chat.seen(), each["opened_ns"], each["drained_ns"])
            assert abs(each["finished"] - len(seen)) <= 2 * USERS  # Locust's own users do not stop between slices


def test_members_of_a_chat_in_starlette_hear_what_all_say(chat: Project) -> None:
    options = ("--python", chat.python, "--protocols", "ws", "--servers", "uvicorn,granian", "--locustfile", "room.py")
    done = harness("run", *CHAT, *options, *ALONE, cwd=chat.folder)
    assert done.returncode == 0, done.stderr
    records = measured(chat)
    assert names_of(records) == [("granian", False), ("uvicorn", False)]
    for record in records:
        for each in record["result"]["slices"]:
            assert each["finished"] == len(between(chat.seen("SAY"), each["opened_ns"], each["drained_ns"]))
    # Each member hears the others; those who are not there yet, or not any more, hear nothing.
    pushes = sum(record["result"]["pushes"] for record in records)
    assert 0 < pushes <= (USERS - 1) * len(chat.seen("SAY"))


def test_readers_of_a_chat_in_starlette_end_a_stream_that_does_not_end(chat: Project) -> None:
    done = run(chat, *CHAT, "--servers", "uvicorn,granian", "--locustfile", "events.py", *ALONE)
    assert done.returncode == 0, done.stderr
    records = measured(chat)
    assert_all_were_seen(chat.seen(), records)
    for record in records:
        (read,) = [each for each in record["result"]["by_request"] if each["method"] == "GET"]
        assert read["stream"]["events"] >= read["requests"]
