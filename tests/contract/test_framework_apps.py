"""The framework apps: each answers every scenario that it declares.

Requests and expected answers come from the scenario files; their users run without Locust's runner.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import importlib
import importlib.util
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest

from apps import _work as work
from apps._answers import LISTED_ITEMS, MAX_ITEMS
from apps._common import Items
from harness.catalog import listing
from harness.host import guard
from harness.host import process as servers
from harness.host.cpus import available
from harness.load import Answer, Message, Request, get
from harness.model.targets import App, Launch, Scenario
from tests.asgi_driver import Driver

HOST = "127.0.0.1"
TURNS = 2
"""Each task runs twice, because the second time items exist already."""

Send = Callable[[Any, Any], Answer]
"""It replaces a user's `send`, and takes the user and a request or a message."""


def entries(apps: tuple[App, ...]) -> list[Any]:
    missing = listing.not_installed(apps)
    skip = pytest.mark.skipif
    return [
        pytest.param(app, id=app.name, marks=skip(app.name in missing, reason=missing.get(app.name, "")))
        for app in apps
    ]


def answers(app: App, scenario: Scenario) -> bool:
    return app.scenarios is None or scenario.name in app.scenarios


@pytest.fixture(scope="module")
def users() -> dict[str, type[Any]]:
    """The user class of each scenario, by the name of the scenario."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCUST_SKIP_MONKEY_PATCH", "1")  # pytest and the apps need real threads and asyncio
        importlib.import_module("locust")
    found = {scenario.name: users_of(scenario.path) for scenario in listing.scenarios()}
    found["tokens"].read.__globals__["NOTICED_S"] = 0.0  # nobody leaves a stream here
    return found


@pytest.fixture(autouse=True)
def fast_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "TOKEN_GAP_S", 0.0)


def users_of(path: Path) -> type[Any]:
    spec = importlib.util.spec_from_file_location(f"scenario_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (found,) = (kind for kind in vars(module).values() if isinstance(kind, type) and kind.__module__ == spec.name)
    return found


def run_tasks(user: type[Any], send: Send) -> int:
    """Run each of a user's tasks and return the number of answers; raises `Failure` for a wrong answer."""
    count = 0

    def counted(self: Any, exchange: Request | Message) -> Answer:
        nonlocal count
        answer = send(self, exchange)
        exchange.verify(answer)
        count += 1
        return answer

    instead = {"__init__": lambda _: None, "send": counted, "ask": send, "disconnect": lambda *_, **__: None}
    driven = type(user.__name__, (user,), instead)()
    for task in dict.fromkeys(user.tasks):
        for _ in range(TURNS):
            task(driven)
    return count


def headers_of(request: Request) -> dict[str, str]:
    return {**dict(request.headers), **({"content-length": str(len(request.body))} if request.body else {})}


def as_tolerant_server(app: Any) -> Any:
    """The app as servers tolerate it: Django capitalises names of headers, Sanic sends headers as an iterator."""

    async def tolerant(scope: Any, receive: Any, send: Any) -> None:
        async def tolerant_send(event: dict[str, Any]) -> None:
            headers = [(name.lower(), value) for name, value in event.get("headers", ())]
            await send({**event, "headers": headers} if event["type"] == "http.response.start" else event)

        await app(scope, receive, tolerant_send)

    return tolerant


def in_process(driver: Driver) -> Send:
    def send(user: Any, exchange: Request | Message) -> Answer:
        if isinstance(exchange, Message):
            return driver.run(conversation(driver, user.path, exchange))
        headers = [(name.encode(), value.encode()) for name, value in headers_of(exchange).items()]
        made = driver.request(exchange.method, exchange.path, body=[exchange.body], headers=headers)
        assert made.complete
        return Answer(made.status, tuple(made.headers.items()), made.body)

    return send


async def conversation(driver: Driver, path: str, message: Message) -> Answer:
    """Connect, send the message, receive the answer and disconnect, one after the other as clients do."""
    to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    from_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    scope = {**driver._scope("websocket", path, ()), "subprotocols": []}
    task = asyncio.ensure_future(driver.app(scope, to_app.get, from_app.put))
    to_app.put_nowait({"type": "websocket.connect"})
    assert (await from_app.get())["type"] == "websocket.accept"
    sent = {"text": message.data.decode()} if message.text else {"bytes": message.data}
    to_app.put_nowait({"type": "websocket.receive", **sent})
    echo = await from_app.get()
    to_app.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await task
    text = echo.get("text")
    return (
        Answer(0, (("type", "binary"),), echo["bytes"])
        if text is None
        else Answer(0, (("type", "text"),), text.encode())
    )


def over_a_socket(connection: http.client.HTTPConnection) -> Send:
    def send(_: Any, exchange: Request) -> Answer:
        connection.request(exchange.method, exchange.path, exchange.body or None, dict(exchange.headers))
        response = connection.getresponse()
        headers = tuple((name.lower(), value) for name, value in response.getheaders())
        return Answer(response.status, headers, response.read())

    return send


class Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class calls it so
        pass


@contextlib.contextmanager
def in_background(server: WSGIServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module", params=entries(listing.apps()))
def app(request: pytest.FixtureRequest) -> App:
    entry: App = request.param
    return entry


@pytest.fixture(scope="module")
def driver(app: App) -> Iterator[Driver]:
    module, _, attribute = app.target.partition(":")
    with Driver(as_tolerant_server(getattr(importlib.import_module(module), attribute))) as driver:
        yield driver


def test_every_scenario_that_an_app_declares_is_answered_right(
    app: App, driver: Driver, users: dict[str, type[Any]], subtests: pytest.Subtests
) -> None:
    for scenario in listing.scenarios():
        if answers(app, scenario):
            with subtests.test(scenario.name):
                assert run_tasks(users[scenario.name], in_process(driver)) >= TURNS


def test_scope_names_the_process_its_loop_and_its_modules(app: App, driver: Driver) -> None:
    found = json.loads(driver.get("/scope").body)
    assert found["pid"] == os.getpid()
    # Flask's views run in threads, which have no loop.
    assert found["loop"] == (None if app.name == "flask" else driver.run(name_of_loop()))
    assert {"apps", "pytest"} <= set(found["modules"])
    assert not {"asyncio", "sys", "_pytest"} & set(found["modules"])
    assert found["modules"] == sorted(found["modules"])


async def name_of_loop() -> str:
    kind = type(asyncio.get_running_loop())
    return f"{kind.__module__}.{kind.__qualname__}"


def test_an_unknown_path_or_method_is_refused(driver: Driver) -> None:
    assert driver.get("/nothing").status == 404
    assert driver.get("/stream/x").status in {400, 404, 422}
    assert driver.request("DELETE", "/plaintext").status in {404, 405}  # BlackSheep has no 405
    assert driver.request("DELETE", "/items/123456").status == 404


def test_put_creates_an_item_and_then_replaces_it(driver: Driver) -> None:
    body = [b'{"name": "chosen"}']
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body[0]))]
    made = [driver.request("PUT", "/items/7000", body=body, headers=headers) for _ in range(2)]
    assert [answer.status for answer in made] == [201, 200]
    assert [json.loads(answer.body) for answer in made] == [{"name": "chosen", "id": 7000}] * 2
    assert json.loads(driver.get("/items").body)[0] == {"name": "chosen", "id": 7000}


def test_a_new_item_replaces_the_oldest_in_a_full_store() -> None:
    items: Items[int] = Items()
    for number in range(MAX_ITEMS + 3):
        items[items.new_id()] = number
    assert (len(items), items.get(3), items[4]) == (MAX_ITEMS, None, 3)
    items[4] = -1
    assert (len(items), items[4], items[5]) == (MAX_ITEMS, -1, 4)
    assert items.newest() == list(range(MAX_ITEMS + 2, MAX_ITEMS + 2 - LISTED_ITEMS, -1))


def test_an_id_is_used_once_and_not_if_a_client_has_chosen_it() -> None:
    items: Items[str] = Items()
    items[2] = "chosen"
    first = items.new_id()
    items[first] = "first"
    del items[first]
    assert (first, items.new_id(), items.new_id()) == (1, 3, 4)


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")  # as apps/django.py says
@pytest.mark.parametrize("framework", entries(tuple(app for app in listing.apps() if app.requires and app.wsgi_target)))
def test_a_wsgi_twin_answers_the_same_scenarios(
    framework: App, users: dict[str, type[Any]], subtests: pytest.Subtests
) -> None:
    module, _, attribute = str(framework.wsgi_target).partition(":")
    twin = getattr(importlib.import_module(module), attribute)
    with make_server(HOST, 0, twin, handler_class=Silent) as server, in_background(server):
        for scenario in listing.scenarios():
            if answers(framework, scenario):
                with (
                    subtests.test(scenario.name),
                    contextlib.closing(http.client.HTTPConnection(HOST, server.server_port, timeout=20)) as connection,
                ):
                    assert run_tasks(users[scenario.name], over_a_socket(connection)) >= TURNS


@pytest.mark.parametrize("server", ["uvicorn", "granian"])
@pytest.mark.parametrize("framework", entries(tuple(app for app in listing.apps() if app.requires)))
def test_an_app_answers_under_a_server(
    framework: App, server: str, users: dict[str, type[Any]], tmp_path: Path
) -> None:
    (entry,) = listing.choose("servers", listing.servers(), [server])
    launch = Launch(HOST, servers.free_port(HOST), framework.target, python=sys.executable)
    log = tmp_path / "server.log"
    with (
        guard.guard() as token,
        servers.start(entry, framework, launch, cpus=available(), log=log, token=token),
        contextlib.closing(http.client.HTTPConnection(HOST, launch.port, timeout=20)) as connection,
    ):
        send = over_a_socket(connection)
        for name in ("plaintext", "items"):
            assert run_tasks(users[name], send) >= TURNS
        # Few frameworks implement HEAD. If its answer had a body, the next answer on the connection would be wrong.
        assert send(None, Request("HEAD", "/plaintext")).status in {200, 404, 405}
        assert send(None, get("/plaintext")).body == b"Hello, World!"
        assert server in json.loads(send(None, get("/scope")).body)["modules"]
    assert "Traceback" not in log.read_text()
