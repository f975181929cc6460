"""What options say about servers and the app's variables is looked up, or refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.model.errors import UsageError
from harness.model.targets import Launch, Server
from harness.plan.options import read_settings
from harness.plan.selection import add_arguments, select

SERVERS = tuple(Server(name, (name,), frozenset({"h1"}), lambda launch: [launch.target]) for name in ("one", "two"))


def test_arguments_are_added_to_the_command_line_of_their_server() -> None:
    one, two = add_arguments(SERVERS, ["two=--config 'a file'", "two=-x a=b"])
    launch = Launch("127.0.0.1", 8000, "shop:app")
    assert (one.command(launch), one.arguments) == (["shop:app"], ())
    assert two.command(launch) == ["shop:app", "--config", "a file", "-x", "a=b"]
    assert two.arguments == ("--config", "a file", "-x", "a=b")


@pytest.mark.parametrize("given", ["three=-x", "one", "-x", "one='"])
def test_arguments_of_no_server_are_refused(given: str) -> None:
    with pytest.raises(UsageError, match=r"\A--server-args: expected [^\n]+\Z"):
        add_arguments(SERVERS, [given])


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (["=secret"], "--env: expected NAME=VALUE, found something else"),
        (["secret"], "--env: expected NAME=VALUE, found something else"),
        (["A\n=secret"], "--env: expected NAME=VALUE, found something else"),
        (["A=1", "A=2"], "--env: expected each name once, found A twice"),
    ],
)
def test_variables_without_a_name_are_refused_and_their_values_hidden(env: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        select(read_settings({"env": env, "servers": "uvicorn"}, Path("/nowhere")), print, make=False)
    assert str(caught.value) == message
