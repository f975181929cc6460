"""WebSocket: frames that must end the connection (RFC 6455 §5, §7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.check.clients.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    EIGHT_BYTES,
    FIN,
    MASKED,
    NO_CODE,
    PING,
    RSV1,
    TEXT,
    Deflate,
    WebSocket,
)
from harness.check.model import Attempt, Family, Finding, ProtocolFault, judge
from harness.check.target import new_marker
from harness.model.protocols import WEBSOCKET_PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.check.target import Target

    Case = Callable[[WebSocket], None]

CHECKS = Family(WEBSOCKET_PROTOCOLS)

NORMAL, PROTOCOL_ERROR, INVALID_DATA = 1000, 1002, 1007
NEVER_SENT = (NO_CODE, 1006, 1015)
"""No CLOSE may have one of these codes (§7.4.1)."""
NOT_DEFINED = (999, 1004, *NEVER_SENT, 5000)
"""These codes may not be sent, are reserved, or are not defined (§7.4.2)."""
SILENCE_S = 2.0
UNKNOWN_OPCODE = 0x3


def send_frames(*frames: tuple[int, bytes]) -> Case:
    """A case that sends these frames: the first octet and the payload of each."""

    def case(socket: WebSocket) -> None:
        for first, payload in frames:
            socket.send_frame(first, payload)

    return case


def _unmasked(socket: WebSocket) -> None:
    socket.send_frame(FIN | TEXT, b"hello", masked=False)


def _too_long(socket: WebSocket) -> None:
    socket.transcript.add("→", "BINARY of 2⁶³ bytes")
    socket.transmit(bytes((FIN | BINARY, MASKED | EIGHT_BYTES)) + (1 << 63).to_bytes(8, "big") + bytes(4))


def fails(cases: Mapping[str, Case], *, compressing: bool = False) -> Callable[[Target], Finding]:
    """A check that passes if each case ends the connection and the app is not given the message.

    A CLOSE may have any code but 1000; whether the code is appropriate is left to `ws-failure-code`. If `compressing`,
    a server that does not agree to permessage-deflate is not checked.
    """

    def attempt(target: Target, name: str, case: Case) -> Attempt:
        marker = new_marker()
        with WebSocket(target, f"/echo?marker={marker}", extensions=[Deflate()] if compressing else ()) as socket:
            case(socket.compressing if compressing else socket.open)
            end = socket.await_end(SILENCE_S)
            code = socket.close_code
            reached = any(event["event"] == "message" for event in target.events(marker))
            wrong = (code is None and not socket.closed) or code == NORMAL or reached
            words = f"{name}: {end}{', the message reached the app' if reached else ''}"
            return Attempt(words, not wrong, str(socket.transcript))

    def run(target: Target) -> Finding:
        return judge([attempt(target, name, case) for name, case in cases.items()], "the connection to fail")

    return run


CHECKS.add(
    "ws-utf8",
    "Text that is not UTF-8",
    "A server MUST fail the connection on text that is not UTF-8; the app does not get the text.",
    "RFC 6455 §8.1",
    fails(
        {
            "a message": send_frames((FIN | TEXT, b"hello \xff\xfe")),
            "cut off within a character": send_frames((TEXT, b"hello"), (FIN | CONTINUATION, b"\xe2\x82")),
            "a surrogate": send_frames((FIN | TEXT, b"\xed\xa0\x80")),
        }
    ),
    quote=(
        "When an endpoint is to interpret a byte stream as UTF-8 but finds that the byte stream is not, in fact, a "
        "valid UTF-8 stream, that endpoint MUST _Fail the WebSocket Connection_."
    ),
    consequence="Text that is none reaches the app, which may store it or fail on it.",
)
CHECKS.add(
    "ws-unmasked",
    "Unmasked frame",
    "A server MUST close the connection on a frame that is not masked.",
    "RFC 6455 §5.1",
    fails({"TEXT unmasked": _unmasked}),
    quote="The server MUST close the connection upon receiving a frame that is not masked.",
    consequence="A script can make proxies on the way read its bytes as requests, and poison their caches.",
    danger="smuggles",
)
CHECKS.add(
    "ws-reserved",
    "Reserved bits and opcodes",
    "A server MUST fail the connection on reserved bits without an extension, and on unknown opcodes.",
    "RFC 6455 §5.2",
    fails(
        {
            "RSV1": send_frames((FIN | RSV1 | TEXT, b"hello")),
            "RSV2": send_frames((FIN | 0x20 | TEXT, b"hello")),
            "RSV3": send_frames((FIN | 0x10 | TEXT, b"hello")),
            "opcode 3": send_frames((FIN | UNKNOWN_OPCODE, b"hello")),
            "opcode 11": send_frames((FIN | 0xB, b"hello")),
        }
    ),
    quote=(
        "If a nonzero value is received and none of the negotiated extensions defines the meaning of such a nonzero "
        "value, the receiving endpoint MUST _Fail the WebSocket Connection_."
    ),
    consequence="What a broken or hostile client sends reaches the app as if it were right.",
)
CHECKS.add(
    "ws-control",
    "Control frames that are too long or fragmented",
    "A server fails the connection on control frames that are fragmented, which they MUST NOT be, or longer than 125"
    " bytes.",
    "RFC 6455 §5.5",
    fails(
        {
            "PING without FIN": send_frames((PING, b"ping")),
            "PING of 126 bytes": send_frames((FIN | PING, bytes(126))),
            "CLOSE of 126 bytes": send_frames((FIN | CLOSE, NORMAL.to_bytes(2, "big") + b"x" * 124)),
            "CLOSE of 1 byte": send_frames((FIN | CLOSE, b"\x03")),
        }
    ),
    quote="All control frames MUST have a payload length of 125 bytes or less and MUST NOT be fragmented.",
    consequence="Large control frames cost memory and answers that no limit of messages counts.",
)
CHECKS.add(
    "ws-fragments-order",
    "Fragments out of order",
    "A server fails the connection on CONTINUATION without a message to continue, and on a message within another.",
    "RFC 6455 §5.4",
    fails(
        {
            "CONTINUATION first": send_frames((FIN | CONTINUATION, b"hello")),
            "TEXT within a message": send_frames((TEXT, b"hello"), (FIN | BINARY, b"hello")),
        }
    ),
    quote=(
        "The fragments of one message MUST NOT be interleaved between the fragments of another message unless an "
        "extension has been negotiated that can interpret the interleaving."
    ),
    consequence="Parts of messages reach the app as whole messages, or mixed with others.",
    danger="mixes",
)
CHECKS.add(
    "ws-length",
    "Length beyond 63 bits",
    "A server fails the connection on a length of 64 bits whose most significant bit is not 0, as it MUST be.",
    "RFC 6455 §5.2",
    fails({"length 2⁶³": _too_long}),
    quote="the most significant bit MUST be 0",
    consequence="One frame leaves the server waiting for data that cannot come, or breaks its arithmetic.",
    danger="hangs",
)


@CHECKS.check(
    "ws-failure-code",
    "A connection that fails says why",
    "RFC 6455 §7.1.7, §7.4.1",
    level="should",
    quote=(
        "the endpoint SHOULD send a Close frame with an appropriate status code (Section 7.4) before proceeding to "
        "_Close the WebSocket Connection_"
    ),
    consequence="Whoever debugs a client sees a lost connection, and not what was wrong.",
)
def failure_code(target: Target) -> Finding:
    """A server SHOULD send CLOSE with an appropriate code before it fails a connection.

    That is 1002 for a protocol error, and 1007 for text that is not UTF-8.
    """
    attempts = []
    for name, first, payload, expected in (
        ("opcode 3", FIN | UNKNOWN_OPCODE, b"hello", PROTOCOL_ERROR),
        ("no UTF-8", FIN | TEXT, b"\xff", INVALID_DATA),
    ):
        with WebSocket(target, "/echo") as socket:
            socket.open.send_frame(first, payload)
            words = f"{name}: {socket.await_end(SILENCE_S)}"
            attempts.append(Attempt(words, socket.close_code == expected, str(socket.transcript)))
    return judge(attempts, "CLOSE 1002 and CLOSE 1007")


def _close_with(
    target: Target, codes: Sequence[int], is_right: Callable[[WebSocket, int | None], bool]
) -> list[Attempt]:
    """The server's reaction to a CLOSE with each code; `is_right` judges it by the code that is sent back."""
    attempts = []
    for code in codes:
        with WebSocket(target, "/echo", answers_close=False) as socket:
            try:
                socket.open.send_close(code)
                socket.run_until(lambda: socket.close_frame is not None, SILENCE_S)
            except ProtocolFault:  # wsproto rejects the codes that this check looks for
                if socket.close_frame is None:
                    raise
            words = str(socket.close_frame or ("closed" if socket.closed else "no response"))
            back = socket.close_code if socket.close_frame and socket.close_frame.payload else None
            attempts.append(Attempt(f"{code}: {words}", is_right(socket, back), str(socket.transcript)))
    return attempts


@CHECKS.check(
    "ws-close-code",
    "Close codes that are never sent",
    "RFC 6455 §7.4.1",
    quote=("1005 is a reserved value and MUST NOT be set as a status code in a Close control frame by an endpoint."),
    consequence="Strict clients report an error of the server's instead of a close.",
)
def codes_sent_back(target: Target) -> Finding:
    """A server MUST NOT send CLOSE with 1005, 1006 or 1015, not even in response to a client that did."""
    attempts = _close_with(target, NEVER_SENT, lambda _, back: back not in NEVER_SENT)
    return judge(attempts, "none of these codes in return")


@CHECKS.check(
    "ws-close-code-refused",
    "Close codes that mean nothing",
    "RFC 6455 §7.4.1, §7.4.2",
    level="expected",
    consequence="The app gets close codes that no client can mean.",
)
def codes_refused(target: Target) -> Finding:
    """A server answers a CLOSE with a reserved or undefined code with CLOSE 1002, or ends the connection.

    The codes tried are 999, 1004, 1005, 1006, 1015 and 5000.
    """

    def is_right(socket: WebSocket, back: int | None) -> bool:
        return back == PROTOCOL_ERROR or (back is None and socket.close_frame is None and socket.closed)

    return judge(_close_with(target, NOT_DEFINED, is_right), "CLOSE 1002 or the end")
