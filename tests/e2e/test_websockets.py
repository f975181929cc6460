"""WebSockets of one's own, through the command: what a scenario can say of them, and what it is told to say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import ALONE, harness, summary_of

APP = """
import json

ANSWERS = {"list": ["1", "2", "3"], "typing": []}


async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})
        return
    assert scope["type"] == "websocket"
    await receive()
    room = scope["path"] == "/room"
    if room and ("chat.v1" not in scope["subprotocols"] or (b"x-room", b"7") not in scope["headers"]):
        await send({"type": "websocket.close"})
        return
    await send({"type": "websocket.accept", "subprotocol": "chat.v1" if room else None})
    await send({"type": "websocket.send", "text": "welcome"})
    while (event := await receive())["type"] == "websocket.receive":
        if room:
            await send({"type": "websocket.send", "text": "tick"})
        for answer in ANSWERS.get(event["text"], [event["text"]]):
            await send({"type": "websocket.send", "text": answer})
"""
PLAIN = """
from locust import task

from harness.load import Message, WebSocketScenario


class Talker(WebSocketScenario):
    path = "/{path}"
    hello = Message(b"hello", text=True, expected_body=b"hello")

    @task
    def talk(self):
        self.send(self.hello)
"""
ROOM = """
import json

from locust import task

from harness.load import Message, WebSocketScenario


class Member(WebSocketScenario):
    path = "/room"
    subprotocols = ("chat.v2", "chat.v1")
    headers = (("x-room", "7"),)
    greeting = Message(text=True, expected_body=b"welcome")
    listed = Message(b"list", text=True, answers=3, check=lambda answer: None if answer.json() < 4 else "", name="list")
    until = Message(b"list", text=True, until=lambda answer: answer.body == b"3", name="until")
    echo = Message(b'"{unique:uuid}"', text=True, expected_body=b'"{unique:uuid}"', name="echo")
    order = Message(
        b'{"id": {unique:int}}',
        text=True,
        check=lambda answer: None if answer.json()["id"] == json.loads(answer.sent)["id"] else "another id",
        name="order",
    )

    def is_push(self, answer):
        return answer.body == b"tick"

    @task
    def talk(self):
        self.notify(Message(b"typing", text=True))
        for message in (self.listed, self.until, self.echo, self.order):
            self.send(message)
"""
MINE = ("--app", "app:app", "--locustfile", "own.py", "--servers", "uvicorn", "--protocols", "ws")


@pytest.mark.long
def test_a_scenario_says_all_that_a_room_of_ones_own_wants(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "own.py").write_text(ROOM)
    done = harness("run", *ALONE, *MINE, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (case,) = summary_of(tmp_path / "results" / "latest")["cases"]
    assert case["errors"]["total"] == 0
    requests = {each["name"]: each["requests"] for each in case["by_name"]}
    assert set(requests) == {"list", "until", "echo", "order"}
    assert all(requests.values())
    assert case["pushes"] >= case["requests"] > 0
    assert "Messages that the server sent unasked: " in (tmp_path / "results" / "latest" / "report.md").read_text()


@pytest.mark.long
@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("greets", "greeting = Message(expected_body=b'welcome', text=True)"),
        ("room", "expected 101, found 403; the app may want another path, or subprotocols or headers of the scenario"),
    ],
)
def test_a_scenario_that_does_not_know_what_its_app_wants_is_told(tmp_path: Path, path: str, words: str) -> None:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "own.py").write_text(PLAIN.replace("{path}", path))
    done = harness("run", *ALONE, *MINE, cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert words in " ".join((done.stdout + done.stderr).split())
