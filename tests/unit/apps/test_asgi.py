"""The reference app, driven in process."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps import _answers as answers
from apps import _work as work
from apps import asgi
from tests.asgi_driver import Driver, Exchange, StartupFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

GET_PATHS = [
    *(path for path, methods in asgi.PAGES.items() if "GET" in methods),
    *(f"{path}3" for path, (_, methods) in asgi.NUMBERED.items() if "GET" in methods),
]
DIFFERENT = ("/scope", "/page", "/session")
"""What these answer contains the method, or is another one each time."""
WORKING_PATHS = ["/delay/60000", "/cpu/10000000", "/stream/10000", "/sse/10000", "/blocks/256", "/tokens/1"]


@pytest.fixture(autouse=True)
def fast_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "TOKEN_GAP_S", 0.0)


@pytest.fixture
def client() -> Iterator[Driver]:
    with Driver(asgi.app) as driver:
        yield driver


@pytest.fixture(scope="module")
def shared_client() -> Iterator[Driver]:
    """One app for all examples of a property test."""
    with Driver(asgi.app) as driver:
        yield driver


def post_item(client: Driver, fields: object) -> Exchange:
    return client.request("POST", "/items", body=[json.dumps(fields).encode()])


def test_plaintext_says_hello(client: Driver) -> None:
    answer = client.get("/plaintext")
    assert (answer.status, answer.body) == (200, b"Hello, World!")
    assert answer.headers == {"content-type": "text/plain; charset=utf-8", "content-length": "13"}


@pytest.mark.parametrize("path", ["/json", "/public/test"])
def test_a_message_is_json_with_its_length(client: Driver, path: str) -> None:
    answer = client.get(path)
    assert answer.status == 200
    assert answer.json() == {"message": "Hello, World!"}
    assert answer.headers["content-length"] == str(len(answer.body))


@pytest.mark.parametrize("size", [0, 1, 250, 251, 252, 100_000, answers.MAX_BODY_BYTES])
def test_bytes_have_the_size_that_was_requested_and_byte_i_is_i_mod_251(client: Driver, size: int) -> None:
    answer = client.get(f"/bytes/{size}")
    assert answer.status == 200
    assert answer.headers["content-length"] == str(size)
    assert len(answer.body) == size
    assert answer.body[:251] == bytes(range(min(size, 251)))
    assert answer.body[251:] == answer.body[:-251]


@given(parts=st.lists(st.binary(max_size=5000), min_size=1, max_size=20))
@settings(deadline=None)
def test_echo_answers_the_same_bytes_for_every_split_into_events(shared_client: Driver, parts: list[bytes]) -> None:
    answer = shared_client.request("POST", "/echo", body=parts, headers=[(b"content-type", b"image/x")])
    assert (answer.status, answer.body) == (200, b"".join(parts))
    assert answer.headers == {"content-type": "image/x", "content-length": str(len(b"".join(parts)))}


def test_echo_without_a_content_type_answers_octet_stream(client: Driver) -> None:
    assert client.request("POST", "/echo", body=[b"x"]).headers["content-type"] == "application/octet-stream"


def test_echo_accepts_a_body_of_the_maximum_size_and_refuses_a_larger_one(client: Driver) -> None:
    whole = [b"x" * (1024 * 1024)] * 16
    assert client.request("POST", "/echo", body=whole).status == 200
    assert client.request("POST", "/echo", body=[*whole, b"x"]).status == 413


@pytest.mark.parametrize("count", [0, 1, 12])
def test_stream_sends_each_chunk_separately_and_no_length(client: Driver, count: int) -> None:
    answer = client.get(f"/stream/{count}")
    assert "content-length" not in answer.headers
    assert [len(part) for part in answer.parts] == [1024] * count
    assert [part.rstrip(b".\n") for part in answer.parts] == [str(number).encode() for number in range(count)]


@pytest.mark.parametrize("count", [0, 1, 12])
def test_server_sent_events_have_their_number_as_id(client: Driver, count: int) -> None:
    answer = client.get(f"/sse/{count}")
    assert answer.headers == {"content-type": "text/event-stream", "cache-control": "no-cache"}
    fields = [dict(line.split(": ", 1) for line in part.decode().splitlines() if line) for part in answer.parts]
    assert fields == [{"id": str(number), "data": f"event {number}"} for number in range(count)]
    assert all(part.endswith(b"\n\n") for part in answer.parts)


def test_delay_answers_no_earlier_than_requested(client: Driver) -> None:
    before = time.monotonic()
    answer = client.get("/delay/30")
    assert answer.json() == {"ms": 30}
    assert time.monotonic() - before >= 0.029  # asyncio's clock may be one tick early


def lcg_by_squaring(steps: int) -> int:
    """The map x → ax + c, `steps` times from 1, in log(steps) operations."""
    (factor, summand), (a, c) = (1, 0), (1_664_525, 1_013_904_223)
    while steps:
        if steps & 1:
            factor, summand = a * factor, a * summand + c
        a, c = a * a, a * c + c
        steps >>= 1
    return (factor + summand) % 2**32


@given(steps=st.integers(0, 3 * asgi.CPU_SLICE))
@settings(max_examples=20, deadline=None)
def test_cpu_answers_the_result_that_squaring_computes_too(shared_client: Driver, steps: int) -> None:
    assert shared_client.get(f"/cpu/{steps}").json() == {"n": steps, "result": lcg_by_squaring(steps)}


def test_cpu_lets_other_requests_run_meanwhile(client: Driver) -> None:
    finished: list[str] = []

    async def ask(path: str) -> None:
        await client.exchange("GET", path)
        finished.append(path)

    async def ask_both() -> None:
        await asyncio.gather(ask("/cpu/100000"), ask("/stream/1"))

    client.run(ask_both())
    assert finished == ["/stream/1", "/cpu/100000"]


def test_scope_answers_with_the_scope_and_the_process(client: Driver) -> None:
    answer = client.request("GET", "/scope?a=b", headers=[(b"x-latin", b"\xe9")]).json()
    assert answer["pid"] == os.getpid()
    assert answer["state"] == ["shared"]
    assert answer["headers"] == [["host", "app.test"], ["x-latin", "é"]]
    expected = {"type": "http", "http_version": "1.1", "scheme": "http", "root_path": "", "query_string": "a=b"}
    assert answer.items() >= {**expected, "extensions": {}, "server": ["127.0.0.1", 80]}.items()
    assert answer["asgi"] == {"version": "3.0", "spec_version": "2.4"}


def test_each_post_creates_a_new_item_at_its_location(client: Driver) -> None:
    answers = [post_item(client, {"name": "same"}) for _ in range(3)]
    assert [answer.status for answer in answers] == [201] * 3
    assert len({answer.headers["location"] for answer in answers}) == 3
    for answer in answers:
        found = client.get(answer.headers["location"])
        assert found.status == 200
        assert found.json() == answer.json() == {"name": "same", "id": answer.json()["id"]}


def test_post_does_not_use_a_deleted_id_again(client: Driver) -> None:
    first = post_item(client, {}).headers["location"]
    client.request("DELETE", first)
    assert post_item(client, {}).headers["location"] != first


def test_post_skips_the_ids_that_clients_chose(client: Driver) -> None:
    for item_id in (1, 2, 4):
        client.request("PUT", f"/items/{item_id}", body=[b'{"chosen": true}'])
    assert [post_item(client, {}).json()["id"] for _ in range(2)] == [3, 5]
    assert client.get("/items/4").json() == {"chosen": True, "id": 4}


def test_put_creates_then_replaces_and_the_url_names_the_id(client: Driver) -> None:
    created = client.request("PUT", "/items/7", body=[b'{"a": 1, "id": 99}'])
    replaced = client.request("PUT", "/items/7", body=[b'{"b"', b": 2}"])
    assert (created.status, created.json()) == (201, {"a": 1, "id": 7})
    assert (replaced.status, replaced.json()) == (200, {"b": 2, "id": 7})
    assert client.get("/items").json() == [{"b": 2, "id": 7}]


@pytest.mark.parametrize("item_id", ["0", "-1", "+1", "01", "x", "", "1.0", "٣", "9" * 16, "9" * 5000])
def test_put_to_an_id_that_is_not_allowed_is_not_found(client: Driver, item_id: str) -> None:
    assert client.request("PUT", f"/items/{item_id}", body=[b"{}"]).status == 404
    assert client.get("/items").json() == []


def test_the_largest_id_is_stored_exactly(client: Driver) -> None:
    assert client.request("PUT", f"/items/{'9' * 15}", body=[b"{}"]).status == 201
    assert client.get(f"/items/{'9' * 15}").json() == {"id": 10**15 - 1}


def test_delete_works_once(client: Driver) -> None:
    path = post_item(client, {}).headers["location"]
    deleted = client.request("DELETE", path)
    assert (deleted.status, deleted.body, deleted.headers) == (204, b"", {})
    assert client.request("DELETE", path).status == 404
    assert client.get(path).status == 404


NOT_OBJECTS = [b"", b"{", b"[]", b"1", b"null", b'"x"', b'{"a": NaN}', b'{"a": 1e999}', b"\xff\xfe\xfd", b"[" * 4000]


@pytest.mark.parametrize("body", NOT_OBJECTS)
def test_an_item_that_is_not_a_json_object_is_refused_and_not_stored(client: Driver, body: bytes) -> None:
    assert client.request("POST", "/items", body=[body]).status == 400
    assert client.request("PUT", "/items/1", body=[body]).status == 400
    assert client.get("/items").json() == []
    assert post_item(client, {}).json() == {"id": 1}


def test_an_item_that_is_too_large_is_refused(client: Driver) -> None:
    assert post_item(client, {"a": "x" * answers.MAX_ITEM_BYTES}).status == 413


def test_a_new_item_replaces_the_oldest_in_a_full_store(client: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MAX_ITEMS", 3)
    for number in range(5):
        post_item(client, {"number": number})
    client.request("PUT", "/items/3", body=[b'{"number": "replaced"}'])
    assert [item["number"] for item in client.get("/items").json()] == [4, 3, "replaced"]
    assert client.get("/items/2").status == 404


def test_the_list_has_at_most_100_items_newest_first(client: Driver) -> None:
    for _ in range(answers.LISTED_ITEMS + 5):
        post_item(client, {})
    listed = [item["id"] for item in client.get("/items").json()]
    assert listed == list(range(answers.LISTED_ITEMS + 5, 5, -1))


OPERATIONS = st.tuples(st.sampled_from(["GET", "PUT", "DELETE", "POST"]), st.integers(1, 4), st.integers())


@given(operations=st.lists(OPERATIONS, max_size=20))
@settings(deadline=None, max_examples=50)
def test_items_behave_like_a_dictionary(operations: list[tuple[str, int, int]]) -> None:
    model: dict[int, int] = {}
    with Driver(asgi.app) as client:
        for method, item_id, value in operations:
            body = [json.dumps({"value": value}).encode()]
            answer = client.request(method, "/items" if method == "POST" else f"/items/{item_id}", body=body)
            if method == "POST":
                assert answer.json()["id"] not in model
                model[answer.json()["id"]] = value
            elif method == "PUT":
                assert answer.status == (200 if item_id in model else 201)
                model[item_id] = value
            else:
                found = 200 if method == "GET" else 204
                assert answer.status == (found if item_id in model else 404)
                if method == "DELETE":
                    model.pop(item_id, None)
        assert {item["id"]: item["value"] for item in client.get("/items").json()} == model


def test_a_merge_is_refused_while_another_is_running(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERGE_SECONDS", "3600")
    with Driver(asgi.app) as client:
        first, second = (client.request("POST", "/merge", body=[b"{}", b""]) for _ in range(2))
    assert (first.status, set(first.json())) == (202, {"message"})
    assert second.status == 401
    assert "in use" in second.json()["detail"]


def test_a_merge_releases_the_resource_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERGE_SECONDS", "0.02")
    with Driver(asgi.app) as client:
        assert client.request("POST", "/merge").status == 202
        deadline = time.monotonic() + 10
        while client.request("POST", "/merge").status != 202:
            assert time.monotonic() < deadline


NOWHERE = ["/", "", "/nothing", "/plaintext/", "/bytes", "/bytes/", "/bytes/x", "/bytes/-1", "/bytes/07", "/bytes/1/2"]


@pytest.mark.parametrize("path", [*NOWHERE, "/items/", "/items/x", "/ws/echo", "/stream/1_0", "/cpu/²", "/sse/ 1"])
def test_an_unknown_path_is_not_found(client: Driver, path: str) -> None:
    answer = client.get(path)
    assert answer.status == 404
    assert set(answer.json()) == {"detail"}


@pytest.mark.parametrize("path", ["/bytes/16777217", "/stream/10001", "/sse/10001", "/delay/60001", "/cpu/10000001"])
def test_a_number_above_the_limit_is_refused_and_the_limit_named(client: Driver, path: str) -> None:
    answer = client.get(path)
    assert answer.status == 400
    assert str(int(path.rpartition("/")[2]) - 1) in answer.json()["detail"]


WRONG_METHODS = [
    ("POST", "/plaintext", "GET, HEAD"),
    ("OPTIONS", "/bytes/3", "GET, HEAD"),
    ("GET", "/echo", "POST"),
    ("HEAD", "/merge", "POST"),
    ("DELETE", "/items", "GET, POST, HEAD"),
    ("POST", "/items/1", "GET, PUT, DELETE, HEAD"),
]


@pytest.mark.parametrize(("method", "path", "allowed"), WRONG_METHODS)
def test_a_method_that_is_not_allowed_is_refused_with_those_that_are(
    client: Driver, method: str, path: str, allowed: str
) -> None:
    answer = client.request(method, path)
    assert (answer.status, answer.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize("path", sorted({*GET_PATHS, "/nothing"} - {*DIFFERENT}))
def test_head_has_the_headers_of_get_and_no_body(client: Driver, path: str) -> None:
    get, head = client.get(path), client.request("HEAD", path)
    assert (head.status, head.headers, head.body) == (get.status, get.headers, b"")


@pytest.mark.parametrize("send_raises", [True, False])
@pytest.mark.parametrize("path", WORKING_PATHS)
def test_work_stops_after_a_disconnect(client: Driver, path: str, send_raises: bool) -> None:
    answer = client.request("GET", path, disconnects_after=0, send_raises=send_raises)
    assert answer.events == []
    assert answer.ignored <= 4  # it takes one or two iterations of the loop until the disconnect is seen


@pytest.mark.parametrize("send_raises", [True, False])
@pytest.mark.parametrize("path", ["/stream/10000", "/sse/10000"])
def test_a_stream_stops_after_a_disconnect(client: Driver, path: str, send_raises: bool) -> None:
    answer = client.request("GET", path, disconnects_after=5, send_raises=send_raises)
    assert len(answer.parts) == 4
    assert not answer.complete
    assert answer.ignored <= 4


@pytest.mark.parametrize(("method", "path"), [("POST", "/echo"), ("POST", "/items"), ("PUT", "/items/1")])
def test_an_incomplete_request_gets_no_answer_and_changes_nothing(client: Driver, method: str, path: str) -> None:
    answer = client.request(method, path, body=[b"{}"], incomplete=True)
    assert (answer.events, answer.ignored) == ([], 0)
    assert client.get("/items").json() == []


def test_waiting_for_a_disconnect_ends_with_the_work() -> None:
    async def receive() -> Mapping[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def work() -> bool:
        with asgi.departure(receive) as gone:
            await asyncio.sleep(0)
        await asyncio.wait({gone}, timeout=10)
        return gone.cancelled()

    assert asyncio.run(work())


def test_an_answer_after_a_disconnect_is_not_an_error(client: Driver) -> None:
    answer = client.request("GET", "/plaintext", disconnects_after=0)
    assert (answer.events, answer.ignored) == ([], 1)


def test_a_failed_start_up_gives_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASGI_APP_FAIL_STARTUP", "no database today")
    with pytest.raises(StartupFailedError, match=r"^no database today$"), Driver(asgi.app):
        pass


def test_merge_seconds_that_are_not_a_number_fail_the_start_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERGE_SECONDS", "soon")
    with pytest.raises(StartupFailedError, match="MERGE_SECONDS: expected a number of seconds, found 'soon'"):
        Driver(asgi.app).__enter__()


def test_each_start_has_an_empty_store() -> None:
    with Driver(asgi.app) as client:
        post_item(client, {})
    with Driver(asgi.app) as client:
        assert client.get("/items").json() == []


@pytest.mark.parametrize(("lifespan", "state"), [(False, False), (True, False)])
def test_requests_share_state_without_lifespan_or_lifespan_state_too(lifespan: bool, state: bool) -> None:
    asgi.fallback.cache_clear()
    with Driver(asgi.app, lifespan=lifespan, state=state) as client:
        path = post_item(client, {"a": 1}).headers["location"]
        assert client.get(path).json()["a"] == 1
        assert client.request("POST", "/merge").status == 202
        assert client.request("POST", "/merge").status == 401
        assert client.get("/scope").json()["state"] == []


def test_a_mounted_app_answers_below_its_root_path() -> None:
    with Driver(asgi.app, root_path="/mount") as client:
        assert client.get("/plaintext").status == 200
        assert post_item(client, {}).headers["location"] == "/mount/items/1"
        assert client.websocket("/ws/echo", ["x"])[-1] == {"type": "websocket.send", "text": "x"}


def test_a_scope_of_an_unknown_type_is_an_error() -> None:
    queue: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
    with pytest.raises(ValueError, match="found 'telnet'"):
        asyncio.run(asgi.app({"type": "telnet"}, queue.get, queue.put))


@given(frames=st.lists(st.one_of(st.text(), st.binary()), max_size=10))
@settings(deadline=None)
def test_the_websocket_echoes_every_message_unchanged(shared_client: Driver, frames: list[str | bytes]) -> None:
    accept, *echoes = shared_client.websocket("/ws/echo", frames)
    assert accept == {"type": "websocket.accept"}
    assert [echo.get("text", echo.get("bytes")) for echo in echoes] == frames


@pytest.mark.parametrize("path", ["/", "/ws/other", "/plaintext"])
def test_other_websockets_are_closed_before_the_accept(client: Driver, path: str) -> None:
    assert client.websocket(path) == [{"type": "websocket.close"}]


@pytest.mark.parametrize("name", ["asgi", "_wsgi", "_answers", "_work"])
def test_the_app_imports_only_itself_and_the_standard_library(name: str) -> None:
    tree = ast.parse(Path(asgi.__file__).with_stem(name).read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [getattr(node, "module", None) or alias.name for node in imports for alias in node.names]
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names | {"apps"}
