"""A conversation with an agent on another machine, over the pipe of the user's own ssh."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any

import msgspec

from harness.host import guard, logs
from harness.hosts import messages
from harness.model.clocks import Offset, choose
from harness.model.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_GREETING_S = 30.0
"""So long may it take until an agent is there: looking up names, jump hosts, starting Python."""
_ANSWER_S = 60.0
"""So long may an answer take; a server that does not stop is killed long before."""
_CLOSING_S = 5.0
_PINGS = 5
"""Of so many round trips the shortest tells the offset of the clock."""
_FRESH_S = 0.5
"""An offset is as good as new for this long."""
_MOST_BYTES = 1 << 16
_SSH_FAILED = 255
"""Exit status of ssh for failures of its own (ssh(1)); any other is that of the command over there."""
_NO_REASON = ("Warning: Permanently added", "Connection to ")
"""Lines of ssh that give no reason begin so."""


class Connection:
    """An agent that answers; raises `ServerError` if there is none. `said` is the file for what ssh says."""

    def __init__(self, argv: Sequence[str], name: str, said: Path, token: str) -> None:
        self.name = name
        """Of the other machine, in messages."""
        self._said = said
        self._numbers = count(1)
        self._asked: dict[int, Future[msgspec.Raw]] = {}
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._closing = threading.Event()
        self._offset: Offset | None = None
        self.lost: str | None = None
        """Why there is no agent any more; None while there is one."""
        self.ended: dict[int, str] = {}
        """How servers ended that ended by themselves, by their numbers."""
        with said.open("wb") as errors:
            self._ssh = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                bufsize=0,
                env={**os.environ, guard.VARIABLE: token},
                start_new_session=True,  # Ctrl-C is meant for the harness, which then ends servers in order
            )
        assert self._ssh.stdout is not None  # noqa: S101 - it was asked for
        self._lines = _read_lines(self._ssh.stdout.fileno())
        try:
            self.greeting = self._await_greeting()
        except BaseException:
            self._ssh.kill()
            self._ssh.communicate()
            raise
        self._heard_s = time.monotonic()
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._read, self._beat)]
        for thread in self._threads:
            thread.start()

    def ask(self, request: messages.Any, answer: Any = Any) -> Any:
        """What the agent answers, of this type; raises `ServerError` with what is wrong, or that the agent is lost."""
        asked: Future[msgspec.Raw] = Future()
        number = next(self._numbers)
        with self._lock:
            if self.lost is not None:
                raise ServerError(self.lost)
            self._asked[number] = asked
        self._write(messages.Call(number, request))
        try:
            return msgspec.json.decode(asked.result(_ANSWER_S), type=answer)
        except TimeoutError:
            raise ServerError(f"expected an answer from {self.name} within {_ANSWER_S:g} s, found none") from None
        finally:
            with self._lock:
                self._asked.pop(number, None)

    def read_offset(self) -> Offset:
        """How far the clock over there is from this one; raises `ServerError`."""
        if self._offset is None or time.perf_counter_ns() - self._offset.here_ns > _FRESH_S * 1e9:
            self._offset = choose([self._ping() for _ in range(_PINGS)])
        return self._offset

    def close(self) -> None:
        """End the agent, which ends its servers, and ssh."""
        self._closing.set()
        assert self._ssh.stdin is not None  # noqa: S101 - it was asked for
        with suppress(OSError):
            self._ssh.stdin.close()
        if self.lost is None:
            with suppress(subprocess.TimeoutExpired):
                self._ssh.wait(_CLOSING_S)
        self._ssh.kill()
        self._ssh.wait()
        for thread in self._threads:
            thread.join()
        assert self._ssh.stdout is not None  # noqa: S101 - it was asked for
        self._ssh.stdout.close()

    def _ping(self) -> Offset:
        sent_ns = time.perf_counter_ns()
        there_ns = self.ask(messages.Ping(), int)
        return Offset.between(sent_ns, there_ns, there_ns, time.perf_counter_ns())

    def _write(self, call: messages.Call) -> None:
        assert self._ssh.stdin is not None  # noqa: S101 - it was asked for
        with self._writing, suppress(OSError, ValueError):  # the reader finds out why
            self._ssh.stdin.write(msgspec.json.encode(call) + b"\n")

    def _await_greeting(self) -> messages.Greeting:
        """The agent's first line, after whatever a shell prints."""
        is_late = threading.Event()

        def give_up() -> None:
            is_late.set()
            self._ssh.kill()

        late = threading.Timer(_GREETING_S, give_up)
        late.start()
        try:
            for line in self._lines:
                with suppress(msgspec.DecodeError):
                    return msgspec.json.decode(line, type=messages.Greeting)
        finally:
            late.cancel()
        found = self._find_reason()
        if is_late.is_set():
            raise ServerError(f"expected an agent of the harness within {_GREETING_S:g} s, found none")
        if self._ssh.returncode == _SSH_FAILED:
            raise ServerError(f"expected ssh to connect, found: {found}")
        raise ServerError(
            f"expected an agent of the harness, found: {found}; --server-python names an interpreter that has the "
            "harness, --install makes one"
        )

    def _find_reason(self) -> str:
        """Why ssh ended: in its words, or those of a shell over there."""
        status = self._ssh.wait()
        lines = [line.strip() for line in logs.tail(self._said).splitlines()]
        reasons = [line for line in lines if line and not line.startswith(_NO_REASON)]
        return reasons[-1] if reasons else f"exit status {status} of ssh"

    def _read(self) -> None:
        for line in self._lines:
            self._heard_s = time.monotonic()
            said = msgspec.json.decode(line, type=messages.Answer | messages.Ended)
            if isinstance(said, messages.Ended):
                self.ended[said.number] = said.how
                continue
            with self._lock:
                asked = self._asked.pop(said.number, None)
            if asked is not None and said.error is not None:
                asked.set_exception(ServerError(said.error))
            elif asked is not None:
                asked.set_result(said.value)
        if not self._closing.is_set():
            self._lose(f"the connection to {self.name} ended ({self._find_reason()})")
        self._lose(f"the connection to {self.name} was closed")

    def _beat(self) -> None:
        """Say something every second, and listen whether the other side does."""
        while not self._closing.wait(messages.BEAT_S) and self.lost is None:
            self._write(messages.Call(0, messages.Ping()))
            if time.monotonic() - self._heard_s > messages.SILENCE_S:
                self._lose(f"{self.name} did not answer for {messages.SILENCE_S:g} s")
                self._ssh.kill()

    def _lose(self, why: str) -> None:
        """There is no agent any more: whoever waits for an answer, or asks from now on, is told why."""
        with self._lock:
            if self.lost is not None:
                return
            self.lost = why
            waiting = list(self._asked.values())
            self._asked.clear()
        for each in waiting:
            each.set_exception(ServerError(why))


def _read_lines(descriptor: int) -> Iterator[bytes]:
    rest = b""
    while read := os.read(descriptor, _MOST_BYTES):
        *lines, rest = (rest + read).split(b"\n")
        yield from lines
