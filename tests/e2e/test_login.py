"""Apps that want a login: each user logs in once at its start, and what it gets goes with each request."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command import ALONE, SOUND, harness, summary_of

PASSWORD = "correct-horse-9"
SHOP = f"""
import gzip
import json
import secrets
from pathlib import Path

DOCUMENT = {{"paths": {{"/me": {{"get": {{}}}}, "/orders": {{"post": {{}}}}}}}}
KNOWN = set()
BODY = b"moin " * 100


async def app(scope, receive, send):
    assert scope["type"] == "http"
    path, given, data = scope["path"], dict(scope["headers"]), (await receive())["body"]
    headers, status, body = [(b"content-type", b"application/json")], 200, b"{{}}"
    signed_in = given.get(b"authorization", b"")[7:].decode() in KNOWN
    if path == "/openapi.json":
        body = json.dumps(DOCUMENT).encode()
    elif path == "/login" and scope["method"] == "POST":
        if json.loads(data).get("password") == "{PASSWORD}":
            token = secrets.token_hex()
            KNOWN.add(token)
            with Path("logins.txt").open("a") as file:
                file.write(given.get(b"host", b"").decode() + chr(10))
            body = json.dumps({{"access_token": token, "token_type": "bearer"}}).encode()
        else:
            status = 401
    elif not signed_in:
        status = 401
    elif path == "/me":
        body = BODY
        if given.get(b"accept-encoding") == b"gzip":
            body = gzip.compress(BODY)
            headers.append((b"content-encoding", b"gzip"))
    elif path == "/orders":
        status = 201 if given.get(b"x-tenant", b"t1") == b"t1" else 400
    headers.append((b"content-length", b"%d" % len(body)))
    await send({{"type": "http.response.start", "status": status, "headers": headers}})
    await send({{"type": "http.response.body", "body": body}})
"""
LOGIN = f'POST /login {{"user": "ann", "password": "{PASSWORD}"}}'
OPTIONS = ("--app", "shop:app", "--servers", "uvicorn", "--methods", "get,post", "--protocols", "h1", "--login", LOGIN)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP)
    return tmp_path


def summary(folder: Path) -> dict[str, object]:
    (case,) = summary_of(folder / "results/latest")["cases"]
    found: dict[str, object] = case
    return found


@pytest.mark.long
def test_each_user_logs_in_once_and_nobody_can_read_its_password(shop: Path) -> None:
    done = harness("run", *ALONE, *OPTIONS, "--compression", "gzip", cwd=shop)
    assert done.returncode == 0, done.stderr
    case = summary(shop)
    assert case["verdict"] in SOUND
    assert case["errors"]["total"] == 0  # type: ignore[index] # parsed JSON
    # One for each look at the app, one for each user.
    assert len((shop / "logins.txt").read_text().splitlines()) == 2 + 4
    records = [json.loads(line) for line in (shop / "results/latest/trials.jsonl").read_text().splitlines()]
    assert {each["name"] for each in records[0]["result"]["by_request"]} == {"GET /me", "POST /orders"}
    for path in (shop / "results/latest").rglob("*"):
        if path.is_file() and path.suffix != ".log":
            assert PASSWORD.encode() not in path.read_bytes(), path
    run = json.loads((shop / "results/latest/run.json").read_text())
    assert "POST /login ***" in run["argv"]
    assert run["conditions"]["compression"] == "gzip"
    scenario = shop / "results/scenarios/shop.py"
    assert "login = Login('POST', '/login'" in scenario.read_text()
    assert scenario.parent.stat().st_mode & 0o077 == 0


def test_a_login_that_fails_says_what_the_app_did_without_the_password(shop: Path) -> None:
    wrong = LOGIN.replace("correct", "incorrect")
    done = harness("plan", *OPTIONS[:-1], wrong, cwd=shop)
    assert (done.returncode, done.stderr) == (
        2,
        "harness: --login: expected a login that succeeds, found that POST /login answered 401\n",
    )


@pytest.mark.long
def test_headers_are_sent_with_a_file_of_ones_own_which_may_log_in_itself(shop: Path) -> None:
    (shop / "own.py").write_text(
        "from harness.load import HttpScenario, as_tasks, get, post\n"
        f'BODY = b\'{{"password": "{PASSWORD}"}}\'\n'
        "class Own(HttpScenario):\n"
        "    tasks = as_tasks({post('/orders', b'', 'application/json', status=201): 1, get('/me'): 1})\n"
        "    def log_in(self):\n"
        "        answer = self.ask(post('/login', BODY, 'application/json'))\n"
        "        return (('authorization', 'Bearer ' + answer.json()['access_token']),)\n"
    )
    options = ("--app", "shop:app", "--servers", "granian", "--protocols", "h1,h2c", "--locustfile", "own.py")
    done = harness("run", *ALONE, *options, "--header", "X-Tenant: t1", cwd=shop)
    assert done.returncode == 0, done.stderr
    cases = summary_of(shop / "results/latest")["cases"]
    assert [case["errors"]["total"] for case in cases] == [0, 0]
    wrong = harness("run", *ALONE, *options, "--header", "X-Tenant: t2-secret", cwd=shop)
    assert wrong.returncode == 3
    assert "expected 201, found 400" in wrong.stdout
    assert "t2-secret" not in (shop / "results/latest/trials.jsonl").read_text()


DJANGO = f"""
from django.conf import settings

MIDDLEWARE = ("django.middleware.gzip.GZipMiddleware", "django.middleware.csrf.CsrfViewMiddleware")
settings.configure(
    SECRET_KEY="key",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware", *MIDDLEWARE],
)

from django.core.asgi import get_asgi_application
from django.http import HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.urls import path

FORM = {{"requestBody": {{"content": {{"application/x-www-form-urlencoded": {{"schema": {{"required": ["text"]}}}}}}}}}}
DOCUMENT = {{"paths": {{"/me": {{"get": {{}}}}, "/notes": {{"post": FORM}}}}}}


def sign_in(request):
    if request.method == "GET":
        field = f'type="hidden" name="csrfmiddlewaretoken" value="{{get_token(request)}}"'
        return HttpResponse(f"<form><input {{field}}></form>")
    if request.POST.get("password") != "{PASSWORD}":
        return HttpResponse("wrong")
    request.session["user"] = request.POST["user"]
    return HttpResponse(status=302, headers={{"location": "/me"}})


def me(request):
    return HttpResponse(request.session.get("user", "") * 200, status=200 if "user" in request.session else 403)


def notes(request):
    right = "user" in request.session and request.POST.get("text")
    return JsonResponse({{"text": "kept"}}, status=201 if right else 403)


VIEWS = {{"login": sign_in, "me": me, "notes": notes, "openapi.json": lambda _: JsonResponse(DOCUMENT)}}
urlpatterns = [path(name, view) for name, view in VIEWS.items()]
app = get_asgi_application()
"""


@pytest.mark.long
def test_djangos_forms_sessions_and_csrf_tokens_are_kept_in_clear_text_and_over_tls(tmp_path: Path) -> None:
    (tmp_path / "site_.py").write_text(DJANGO)
    options = ("--app", "site_:app", "--servers", "uvicorn", "--methods", "get,post", "--protocols", "h1,h1-tls")
    login = ("--login", f"POST /login user=ann&password={PASSWORD}", "--compression", "gzip")
    done = harness("run", *ALONE, *options, *login, "--ready-path", "/openapi.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    cases = summary_of(tmp_path / "results/latest")["cases"]
    assert {case["verdict"] for case in cases} <= SOUND
    assert [case["errors"]["total"] for case in cases] == [0, 0]
    records = [json.loads(line) for line in (tmp_path / "results/latest/trials.jsonl").read_text().splitlines()]
    assert {each["name"] for each in records[0]["result"]["by_request"]} == {"GET /me", "POST /notes"}
