"""What the command line answers to words that it does not know."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import typer.main

from harness.__main__ import main
from harness.cli.app import BAD_USAGE, app

if TYPE_CHECKING:
    from pathlib import Path

Call = Callable[..., int | str | None]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    """Call the command in an empty folder, as from a terminal of 80 columns; returns its exit status."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("harness.__main__.survive_readers", lambda: None)
    monkeypatch.setattr("harness.__main__.signal.signal", lambda *_: None)

    def call(*words: str) -> int | str | None:
        monkeypatch.setattr(sys, "argv", ["harness", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code

    return call


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("rnu",), "No such command: rnu; did you mean run?"),
        (("bench",), "No such command: bench; expected any of run, "),
        (("run", "--serverz", "x"), "No such option: --serverz; did you mean --server or --servers?"),
        (("plan", "--colour"), "No such option: --colour"),
        (("--servers", "uvicorn"), "No such option: --servers; did you mean harness run --servers?"),
        (("plan", "--servers", "uvcorn"), "--servers: expected one of "),
        (("plan", "--scenarios", "plaintxt"), "--scenarios: expected one of "),
        (("plan", "--protocols", "h1,wss"), "--protocols: expected any of h1, "),
        (("plan", "--prefer", "p9"), "--prefer: expected throughput, p99, cpu or memory, found p9; did you mean p99?"),
        (("doctor", "--format", "jsn"), "--format: expected text or json, found jsn; did you mean json?"),
    ],
)  # fmt: skip
def test_a_word_that_does_not_exist_is_answered_in_one_line_with_what_was_meant(
    call: Call, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], answer: str
) -> None:
    assert call(*words) == BAD_USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert answer in line
    assert len(line) < 300


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("plan", "--servers", "uvcorn"), "; did you mean uvicorn?"),
        (("serve", "grnian"), "; did you mean granian?"),
        (("check", "--checks", "keepalive"), "; did you mean keep-alive?"),
        (("plan", "--scenarios", "plaintxt"), "; did you mean plaintext?"),
        (("plan", "--protocols", "h1,wss"), "; did you mean ws?"),
        (("drill", "--drills", "stop"), "; did you mean graceful-stop?"),
    ],
)
def test_the_hint_ends_the_line(
    call: Call, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], hint: str
) -> None:
    assert call(*words) == BAD_USAGE
    assert capsys.readouterr().err.endswith(f"{hint}\n")


def test_the_version_is_one_line(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--version") == 0
    assert re.fullmatch(r"asgi-harness \d+\.\d+\.\d+\S*\n", capsys.readouterr().out)


def test_without_a_command_the_help_is_all_that_is_printed(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    assert call() == BAD_USAGE
    printed = capsys.readouterr()
    assert all(each.name in printed.out for each in app.registered_commands if each.name)
    assert not printed.err


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("name", [None, *(each.name for each in app.registered_commands)])
def test_the_help_has_every_option_and_cuts_nothing_off(
    call: Call, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str | None, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert call(*([name] if name else []), "--help") == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= width
    assert not re.search(r"\w\.\.\.", text)
    group = typer.main.get_command(app)
    command = group.commands[name] if name else group  # type: ignore[attr-defined] # it is a group
    assert all(option in text for each in command.params for option in each.opts if option.startswith("--"))
    assert not name or not command.help or command.help.split()[-1] in text
    if not name:
        assert all(f"  {each.name} " in text for each in app.registered_commands)
