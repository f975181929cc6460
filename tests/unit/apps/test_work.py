"""The routes of the scenarios that look like production, driven in process."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps import _answers as answers
from apps import _work as work
from apps import asgi
from tests.asgi_driver import Driver, Exchange

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def fast_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "TOKEN_GAP_S", 0.0)


@pytest.fixture
def client() -> Iterator[Driver]:
    with Driver(asgi.app) as driver:
        yield driver


@pytest.fixture(scope="module")
def shared_client() -> Iterator[Driver]:
    with Driver(asgi.app) as driver:
        yield driver


@given(seed=st.integers(0, work.MAX_SEED))
def test_the_times_of_queries_are_within_their_limits_and_the_same_for_each_seed(seed: int) -> None:
    times_ms = work.query_times_ms(seed)
    assert len(times_ms) == work.QUERIES
    assert all(work.SHORTEST_MS <= each <= work.LONGEST_MS for each in times_ms)
    assert times_ms == work.query_times_ms.__wrapped__(seed)


def test_half_of_the_queries_take_less_than_the_median() -> None:
    times_ms = [each for seed in range(work.MAX_SEED + 1) for each in work.query_times_ms(seed)]
    assert 0.45 < sum(each < work.MEDIAN_MS for each in times_ms) / len(times_ms) < 0.55
    assert len(set(times_ms)) > len(times_ms) / 4


def test_queries_are_answered_no_earlier_than_all_of_them(client: Driver) -> None:
    async def ask() -> tuple[Exchange, float]:
        loop = asyncio.get_running_loop()
        before_s = loop.time()
        return await client.exchange("GET", "/queries/7"), loop.time() - before_s

    answer, took_s = client.run(ask())
    assert answer.json() == {"seed": 7, "ms": list(work.query_times_ms(7))}
    assert took_s >= sum(work.query_times_ms(7)) / 1000 - 0.003  # each timer may be one tick early


@given(parts=st.lists(st.binary(max_size=5000), min_size=1, max_size=20))
@settings(deadline=None)
def test_the_digest_is_that_of_the_whole_body_for_every_split(shared_client: Driver, parts: list[bytes]) -> None:
    body = b"".join(parts)
    answer = shared_client.request("POST", "/digest", body=parts)
    assert answer.json() == {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def test_a_body_that_is_too_long_has_no_digest(client: Driver) -> None:
    assert client.request("POST", "/digest", body=[b"x" * answers.MAX_BODY_BYTES, b"x"]).status == 413


@pytest.mark.parametrize("count", [0, 1, 16])
def test_blocks_are_sent_one_by_one_and_without_a_length(client: Driver, count: int) -> None:
    answer = client.get(f"/blocks/{count}")
    assert "content-length" not in answer.headers
    assert answer.parts == [work.make_pattern(64 * 1024)] * count


def test_the_file_is_sent_in_blocks_where_the_server_knows_nothing_better(client: Driver) -> None:
    answer = client.get("/file")
    assert (answer.headers["content-length"], len(answer.parts)) == (str(MIB), 16)
    assert answer.body == work.BLOCK * 16


def test_the_file_is_sent_by_its_path_where_the_server_can(client: Driver) -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    scope = {**client._scope("http", "/file", ()), "method": "GET", "extensions": {"http.response.pathsend": {}}}
    client.run(asgi.app(scope, receive, send))
    start, body = sent
    assert dict(start["headers"])[b"content-length"] == str(MIB).encode()
    assert body == {"type": "http.response.pathsend", "path": work.open_file()}
    with open(body["path"], "rb") as file:  # noqa: PTH123
        assert file.read() == work.BLOCK * 16


def test_tokens_come_one_by_one_and_their_progress_is_told(client: Driver) -> None:
    answer = client.get("/tokens/71")
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.parts == [b"data: token %d\n\n" % number for number in range(work.TOKENS)]
    assert client.get("/sent/71").json() == {"sent": work.TOKENS, "running": False}
    assert client.get("/sent/72").json() == {"sent": None, "running": False}


@pytest.mark.parametrize("send_raises", [True, False])
def test_a_stream_of_tokens_stops_when_its_reader_has_left(client: Driver, send_raises: bool) -> None:
    left = client.request("GET", "/tokens/73", disconnects_after=6, send_raises=send_raises)
    assert len(left.parts) == 5
    progress = client.get("/sent/73").json()
    assert not progress["running"]
    assert 5 <= progress["sent"] <= 9  # it takes one or two iterations of the loop until the disconnect is seen


def test_the_progress_of_the_oldest_streams_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "MOST_STREAMS", 3)
    streams = work.Streams()
    for number in range(5):
        assert len(list(streams.send_blocking(number))) == work.TOKENS
    assert [streams.describe(number)["sent"] for number in range(5)] == [None, None, *[work.TOKENS] * 3]


def test_a_blocking_stream_that_is_closed_has_stopped() -> None:
    streams = work.Streams()
    events = streams.send_blocking(1)
    next(events)  # type: ignore[call-overload] # it is a generator
    assert streams.describe(1) == {"sent": 1, "running": True}
    events.close()  # type: ignore[attr-defined]
    assert streams.describe(1) == {"sent": 1, "running": False}


def test_each_page_is_compressed_and_another_one(client: Driver) -> None:
    pages = [client.get("/page") for _ in range(2)]
    assert [page.headers["content-encoding"] for page in pages] == ["gzip"] * 2
    assert [int(page.headers["content-length"]) for page in pages] == [len(page.body) for page in pages]
    first, second = (json.loads(gzip.decompress(page.body)) for page in pages)
    assert first["items"] == second["items"]
    assert first["request"] != second["request"]


def visit(client: Driver, cookie: str | None) -> tuple[int, str, str]:
    """The number of visits, the next cookie and the request id."""
    headers = [] if cookie is None else [(b"cookie", f"theme=dark; session={cookie}".encode())]
    answer = client.request("GET", "/session", headers=headers)
    name, _, value = answer.headers["set-cookie"].partition(";")[0].partition("=")
    assert name == "session"
    return answer.json()["visits"], value, answer.headers["x-request-id"]


def test_a_session_counts_visits_and_every_answer_is_another_one(client: Driver) -> None:
    cookie, cookies, ids = None, set(), set()
    for number in range(1, 5):
        visits, cookie, request_id = visit(client, cookie)
        assert visits == number
        cookies.add(cookie)
        ids.add(request_id)
    assert len(cookies) == len(ids) == 4


@pytest.mark.parametrize("cookie", ["", "9", "9-x.", "9-x.00", ".", "9-x." + "é" * 64])
def test_a_cookie_that_is_not_signed_right_begins_a_session(client: Driver, cookie: str) -> None:
    assert visit(client, cookie)[0] == 1


def test_the_signature_covers_the_number_of_visits(client: Driver) -> None:
    _, cookie, _ = visit(client, None)
    assert visit(client, "8" + cookie)[0] == 1


def test_every_member_of_a_room_is_sent_every_message_numbered_for_each() -> None:
    heard: dict[str, list[str]] = {"early": [], "late": []}

    async def talk() -> None:
        room = work.Room()

        async def early(text: str) -> None:
            heard["early"].append(text)

        async def late(text: str) -> None:
            heard["late"].append(text)

        async def gone(text: str) -> None:
            raise RuntimeError(text)

        room.join(early)
        room.join(gone)
        await room.tell("one")
        room.join(late)
        await room.tell("two")
        room.leave(early)
        await room.tell("three")

    asyncio.run(talk())
    assert heard == {"early": ["1 one", "2 two"], "late": ["1 two", "2 three"]}


def test_a_member_is_sent_one_message_at_a_time_in_the_order_in_which_they_were_said() -> None:
    heard: list[str] = []
    sending = 0

    async def talk() -> None:
        room = work.Room()

        async def slow(text: str) -> None:
            nonlocal sending
            sending += 1
            assert sending == 1
            await asyncio.sleep(0)
            heard.append(text)
            sending -= 1

        room.join(slow)
        await asyncio.gather(*(room.tell(word) for word in ("a", "b", "c")))

    asyncio.run(talk())
    assert heard == ["1 a", "2 b", "3 c"]


def test_a_websocket_is_sent_what_it_has_said_to_all(client: Driver) -> None:
    accept, *said = client.websocket("/ws/broadcast", ["x", "y"])
    assert accept == {"type": "websocket.accept"}
    assert [event["text"] for event in said] == ["1 x", "2 y"]
