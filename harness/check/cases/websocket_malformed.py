"""WebSocket: frames that must end the connection (RFC 6455 §5, §7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.check.clients.http1 import new_marker
from harness.check.clients.websocket import BINARY, CLOSE, CONTINUATION, FIN, MASKED, NO_CODE, PING, RSV1, TEXT, Socket
from harness.check.model import Check, Finding, ProtocolFault, failed, passed
from harness.model.protocols import WEBSOCKET_PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.check.model import Force
    from harness.check.target import Target

    Form = Callable[[Socket], None]

NORMAL, PROTOCOL_ERROR = 1000, 1002
NEVER_SENT = (NO_CODE, 1006, 1015)
"""Codes that no Close frame may have (§7.4.1)."""
NOT_DEFINED = (999, 1004, *NEVER_SENT, 5000)
"""These, and codes that are reserved or that nobody has defined (§7.4.2)."""
SILENCE_S = 2.0


def _fails(forms: Mapping[str, Form]) -> Callable[[Target], Finding]:
    """A run for which each form has to end the connection, the app not being given the message.

    A Close frame may have any code but that of a normal end: which one is for `ws-failure-code` to judge.
    """

    def run(target: Target) -> Finding:
        told, wrong, stories = [], [], []
        for name, form in forms.items():
            marker = new_marker()
            with Socket(target, f"/echo?marker={marker}") as socket:
                form(socket.open)
                end = socket.await_end(SILENCE_S)
                code = socket.close_frame.code if socket.close_frame else None
                reached = any(event["event"] == "message" for event in target.events(marker))
                told.append(f"{name}: {end}{', the message reached the app' if reached else ''}")
                if (code is None and not socket.closed) or code == NORMAL or reached:
                    wrong.append(told[-1])
                    stories.append(socket.story)
                last = socket.story
        if wrong:
            return failed(f"expected the connection failed, found for {'; '.join(wrong)}\n" + "\n".join(stories))
        return passed(f"{'; '.join(told)}\n{last}")

    return run


def _says_why(target: Target) -> Finding:
    told, wrong, stories = [], [], []
    for name, payload, expected in (
        ("opcode 3", (FIN | 0x3, b"hello"), 1002),
        ("no UTF-8", (FIN | TEXT, b"\xff"), 1007),
    ):
        with Socket(target, "/echo") as socket:
            socket.open.send_frame(*payload)
            end = socket.await_end(SILENCE_S)
            told.append(f"{name}: {end}")
            stories.append(socket.story)
            if socket.close_frame is None or socket.close_frame.code != expected:
                wrong.append(f"{told[-1]}, not {expected}")
    return (failed if wrong else passed)("\n".join(["; ".join(wrong or told), *stories]))


def _frames(*frames: tuple[int, bytes]) -> Form:
    def form(socket: Socket) -> None:
        for first, payload in frames:
            socket.send_frame(first, payload)

    return form


def _answers_to(target: Target, codes: Sequence[int]) -> list[tuple[int, str, int | None, str]]:
    """For each code in a CLOSE of the client: itself, what came of it, the code that came back, the story."""
    found = []
    for code in codes:
        with Socket(target, "/echo", answers_close=False) as socket:
            try:
                socket.open.send_close(code)
                socket.run_until(lambda: socket.close_frame is not None or socket.closed, SILENCE_S)
            except ProtocolFault:  # wsproto takes no frame with such a code, which is what is looked for
                if socket.close_frame is None:
                    raise
            words = str(socket.close_frame) if socket.close_frame else "closed" if socket.closed else "silence"
            back = socket.close_frame.code if socket.close_frame and socket.close_frame.payload else None
            found.append((code, f"{code}: {words}", back, socket.story))
    return found


def _codes_sent_back(target: Target) -> Finding:
    found = _answers_to(target, NEVER_SENT)
    wrong = [each for each in found if each[2] in NEVER_SENT]
    return _told_of(found, wrong, "none of these codes in return")


def _codes_refused(target: Target) -> Finding:
    found = _answers_to(target, NOT_DEFINED)
    wrong = [each for each in found if not (each[2] == PROTOCOL_ERROR or (each[2] is None and "closed" in each[1]))]
    return _told_of(found, wrong, "CLOSE 1002 or the end")


def _told_of(
    found: Sequence[tuple[int, str, int | None, str]], wrong: Sequence[tuple[int, str, int | None, str]], expected: str
) -> Finding:
    stories = "\n".join(story for *_, story in wrong or found[:1])
    if wrong:
        return failed(f"expected {expected}, found for {'; '.join(each[1] for each in wrong)}\n{stories}")
    return passed(f"{'; '.join(each[1] for each in found)}\n{stories}")


def _check(
    name: str, title: str, expectation: str, source: str, run: Callable[[Target], Finding], force: Force = "must"
) -> Check:
    return Check(name, title, WEBSOCKET_PROTOCOLS, expectation, source, run, force=force)


CHECKS = (
    _check(
        "ws-utf8",
        "Text that is not UTF-8",
        "An endpoint MUST fail the connection; the app does not get such a text.",
        "RFC 6455 §8.1",
        _fails(
            {
                "a message": _frames((FIN | TEXT, b"hello \xff\xfe")),
                "cut off within a character": _frames((TEXT, b"hello"), (FIN | CONTINUATION, b"\xe2\x82")),
                "a surrogate": _frames((FIN | TEXT, b"\xed\xa0\x80")),
            },
        ),
    ),
    _check(
        "ws-unmasked",
        "Unmasked frame",
        "A server MUST close the connection upon a frame that is not masked.",
        "RFC 6455 §5.1",
        _fails(
            {"TEXT unmasked": lambda socket: socket.send_frame(FIN | TEXT, b"hello", masked=False)},
        ),
    ),
    _check(
        "ws-reserved",
        "Reserved bits and opcodes",
        "Reserved bits without an extension, and unknown opcodes, MUST fail the connection.",
        "RFC 6455 §5.2",
        _fails(
            {
                "RSV1": _frames((FIN | RSV1 | TEXT, b"hello")),
                "RSV2": _frames((FIN | 0x20 | TEXT, b"hello")),
                "RSV3": _frames((FIN | 0x10 | TEXT, b"hello")),
                "opcode 3": _frames((FIN | 0x3, b"hello")),
                "opcode 11": _frames((FIN | 0xB, b"hello")),
            },
        ),
    ),
    _check(
        "ws-control",
        "Control frames that are too long or in parts",
        "Control frames MUST NOT be fragmented and have at most 125 bytes.",
        "RFC 6455 §5.5",
        _fails(
            {
                "PING without FIN": _frames((PING, b"ping")),
                "PING of 126 bytes": _frames((FIN | PING, bytes(126))),
                "CLOSE of 126 bytes": _frames((FIN | CLOSE, NORMAL.to_bytes(2, "big") + b"x" * 124)),
                "CLOSE of 1 byte": _frames((FIN | CLOSE, b"\x03")),
            },
        ),
    ),
    _check(
        "ws-fragments-order",
        "Fragments out of order",
        "CONTINUATION needs a message to go on, and a message must end before the next begins.",
        "RFC 6455 §5.4",
        _fails(
            {
                "CONTINUATION first": _frames((FIN | CONTINUATION, b"hello")),
                "TEXT within a message": _frames((TEXT, b"hello"), (FIN | BINARY, b"hello")),
            },
        ),
    ),
    _check(
        "ws-length",
        "Length beyond 63 bits",
        "The most significant bit of a length of 64 bits MUST be 0.",
        "RFC 6455 §5.2",
        _fails(
            {
                "length 2⁶³": lambda socket: socket.transmit(
                    bytes((FIN | BINARY, MASKED | 127)) + (1 << 63).to_bytes(8, "big") + bytes(4), "BINARY of 2⁶³ bytes"
                )
            },
        ),
    ),
    _check(
        "ws-failure-code",
        "A connection that fails says why",
        "A server that fails a connection SHOULD send CLOSE with an appropriate code first: 1002 for a protocol error, "
        "1007 for text that is not UTF-8.",
        "RFC 6455 §7.1.7, §7.4.1",
        _says_why,
        "should",
    ),
    _check(
        "ws-close-code",
        "Close codes that are never sent",
        "1005, 1006 and 1015 MUST NOT be set in a CLOSE frame: not even in return to a client that did.",
        "RFC 6455 §7.4.1",
        _codes_sent_back,
    ),
    _check(
        "ws-close-code-refused",
        "Close codes that mean nothing",
        "A CLOSE with a code that is reserved or not defined (999, 1004, 1005, 1006, 1015, 5000) is answered as a "
        "protocol error, or with the end of the connection.",
        "RFC 6455 §7.4.1, §7.4.2",
        _codes_refused,
        "expected",
    ),
)
