"""WebSocket: frames that must end the connection (RFC 6455 §5, §7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.check._ws_client import BINARY, CLOSE, CONTINUATION, FIN, MASKED, NO_CODE, PING, RSV1, TEXT, Socket
from harness.check.model import Check, Finding, failed, passed
from harness.check.wire import new_marker
from harness.model import WEBSOCKET_PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from harness.check.target import Target

    Form = Callable[[Socket], None]

NORMAL, PROTOCOL_ERROR, INVALID_DATA, TOO_BIG = 1000, 1002, 1007, 1009
NOT_TO_BE_SENT = (999, 1004, NO_CODE, 1006, 1015, 5000)
"""Codes that no Close frame may have (§7.4.1), and codes that nobody has defined (§7.4.2)."""
SILENCE_S = 2.0


def _fails(codes: Collection[int], forms: Mapping[str, Form]) -> Callable[[Target], Finding]:
    """A run for which each form has to end the connection: with one of these codes, without one, or without a CLOSE."""

    def run(target: Target) -> Finding:
        told, wrong = [], []
        for name, form in forms.items():
            marker = new_marker()
            with Socket(target, f"/echo?marker={marker}") as socket:
                form(socket.open)
                end = socket.await_end(SILENCE_S)
                code = socket.close_frame.code if socket.close_frame else None
                reached = any(event["event"] == "message" for event in target.events(marker))
                told.append(f"{name}: {end}{', the message reached the app' if reached else ''}")
                if (code is None and not socket.closed) or (code not in (None, NO_CODE, *codes)) or reached:
                    wrong.append(f"{told[-1]}\n{socket.story}")
        if wrong:
            return failed(f"expected CLOSE {' or '.join(map(str, codes))} or the end, found for " + "\n".join(wrong))
        return passed("; ".join(told))

    return run


def _says_why(target: Target) -> Finding:
    with Socket(target, "/echo") as socket:
        socket.open.send_frame(FIN | 0x3, b"hello")
        end = socket.await_end(SILENCE_S)
        return socket.finding(
            socket.close_frame is not None and socket.close_frame.code == PROTOCOL_ERROR, f"opcode 3: {end}"
        )


def _frames(*frames: tuple[int, bytes]) -> Form:
    def form(socket: Socket) -> None:
        for first, payload in frames:
            socket.send_frame(first, payload)

    return form


def _bad_codes(target: Target) -> Finding:
    """A code that must not be sent is a protocol error; above all, it must not be sent back."""
    told, wrong = [], []
    for code in NOT_TO_BE_SENT:
        with Socket(target, "/echo", answers_close=False) as socket:
            socket.open.send_close(code)
            socket.run_until(lambda: socket.close_frame is not None or socket.closed, SILENCE_S)
            found = socket.close_frame.code if socket.close_frame else None
            told.append(f"{code}: {socket.close_frame or ('closed' if socket.closed else 'silence')}")
            if found != PROTOCOL_ERROR and not (found is None and socket.closed):
                wrong.append(f"{told[-1]}\n{socket.story}")
    if wrong:
        return failed("expected CLOSE 1002 or the end, found for " + "\n".join(wrong))
    return passed("; ".join(told))


def _check(name: str, title: str, expectation: str, source: str, run: Callable[[Target], Finding]) -> Check:
    return Check(name, title, WEBSOCKET_PROTOCOLS, expectation, source, run)


CHECKS = (
    _check(
        "ws-utf8",
        "Text that is not UTF-8",
        "An endpoint MUST fail the connection, with 1007 where a code is given, and the app does not get it.",
        "RFC 6455 §8.1, §7.4.1",
        _fails(
            [INVALID_DATA],
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
            [PROTOCOL_ERROR],
            {"TEXT unmasked": lambda socket: socket.send_frame(FIN | TEXT, b"hello", masked=False)},
        ),
    ),
    _check(
        "ws-reserved",
        "Reserved bits and opcodes",
        "Reserved bits without an extension, and unknown opcodes, MUST fail the connection.",
        "RFC 6455 §5.2",
        _fails(
            [PROTOCOL_ERROR],
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
            [PROTOCOL_ERROR],
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
            [PROTOCOL_ERROR],
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
            [PROTOCOL_ERROR, TOO_BIG],
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
        "A server that fails a connection SHOULD send CLOSE with an appropriate code first: 1002 for a protocol error.",
        "RFC 6455 §7.1.7, §7.4.1",
        _says_why,
    ),
    _check(
        "ws-close-code",
        "Close codes not allowed",
        "1004, 1005, 1006 and 1015 MUST NOT be sent, nor what is not defined: a protocol error, never sent back.",
        "RFC 6455 §7.4.1, §7.4.2",
        _bad_codes,
    ),
)
