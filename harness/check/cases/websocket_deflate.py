"""WebSocket: compression by permessage-deflate (RFC 7692), on servers that agree to it."""

from __future__ import annotations

import random
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

from wsproto.events import TextMessage

from harness.check.cases.websocket import handshake
from harness.check.cases.websocket_malformed import fails, send_frames
from harness.check.clients.websocket import (
    BINARY,
    CONTINUATION,
    FIN,
    PING,
    RSV1,
    TEXT,
    Deflate,
    WebSocket,
)
from harness.check.model import Attempt, Family, Finding, NotApplicable, ProtocolFault, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.check.target import Target

    Exchange = tuple[tuple[tuple[int, bytes], ...], list[str | bytes]]

CHECKS = Family(frozenset({"ws"}))
"""TLS changes none of these results."""

WHOLE = FIN | RSV1 | TEXT
"""The first octet of a compressed message of one frame."""
HELLO = bytes.fromhex("f248cdc9c90700")
"""`Hello` as one DEFLATE block (RFC 7692 §7.2.3.1)."""
HELLO_AGAIN = bytes.fromhex("f200110000")
"""`Hello` once more, as a reference to the message before (§7.2.3.2)."""
HELLO_FINAL = bytes.fromhex("f348cdc9c9070000")
"""`Hello` as a block that says it is the last one (§7.2.3.4)."""
BLOCK_BYTES = 20_000
"""Further back than any but the largest window reaches."""
WINDOW_BITS = 10
WINDOW_TEXT = random.Random(7).randbytes(2 << WINDOW_BITS).hex()  # noqa: S311 - any text without repetitions
"""Repeated, it has repetitions only outside of a window of `WINDOW_BITS`."""

EMPTY_BLOCK = bytes.fromhex("0000ffff")
"""What a sender takes away from the end of each message (§7.2.1)."""


def _echoes(cases: Mapping[str, Exchange]) -> Callable[[Target], Finding]:
    """A check that passes if the app echoes the messages of each case, whose frames are sent as they are."""

    def run(target: Target) -> Finding:
        attempts = []
        for name, (frames, expected) in cases.items():
            with WebSocket(target, "/echo", extensions=[Deflate()]) as socket:
                send_frames(*frames)(socket.compressing)
                socket.await_message(len(expected))
                found = [message if len(message) < BLOCK_BYTES else len(message) for message in socket.messages]
                words = f"{name}: {found} back{f', {socket.close_frame}' if socket.close_frame else ''}"
                attempts.append(Attempt(words, socket.messages == expected, str(socket.transcript)))
        return judge(attempts, "each message back")

    return run


@CHECKS.check(
    "ws-deflate",
    "Compressed messages",
    "RFC 7692 §6, §7",
    quote=(
        "An endpoint receiving a compressed message decompresses the concatenation of the compressed data of the "
        "frames of the message by following the decompression procedure specified by the PMCE in use."
    ),
    consequence="Browsers, which all offer compression, cannot talk to the app.",
)
def deflate(target: Target) -> Finding:
    """Compressed messages reach the app and return, if the server agrees to permessage-deflate."""
    text = "hello, hello, hello! " * 50
    with WebSocket(target, "/echo", extensions=[Deflate("client_max_window_bits")]) as socket:
        for _ in range(2):
            socket.compressing.say(TextMessage(text))
        socket.await_message(2)
        compressed = sum(bool(frame.first & RSV1) for frame in socket.frames)
        words = f"two compressed messages: {len(socket.messages)} back, {compressed} of them compressed"
        return socket.finding(socket.messages == [text, text], words)


CHECKS.add(
    "ws-deflate-forms",
    "Forms of a compressed message",
    "A server MUST decompress each form that a message may have: blocks without compression, several blocks, an empty "
    "message, an empty last fragment.",
    "RFC 7692 §7.2.1, §7.2.3",
    _echoes(
        {
            "no compression": (((WHOLE, bytes.fromhex("000500faff48656c6c6f00")),), ["Hello"]),
            "two blocks": (((WHOLE, bytes.fromhex("f248050000 00ffffcac9c90700")),), ["Hello"]),
            "an empty message": (((WHOLE, b"\x00"), (WHOLE, HELLO)), ["", "Hello"]),
            "an empty last fragment": (((RSV1 | TEXT, HELLO[:-1]), (FIN | CONTINUATION, b"\x00")), ["Hello"]),
            "no first data": (((RSV1 | TEXT, b""), (FIN | CONTINUATION, HELLO)), ["Hello"]),
        }
    ),
    quote="An endpoint MAY use DEFLATE blocks of any type.",
    consequence="Messages of clients with another library than the server's developers tried are lost.",
    danger="loses",
)
CHECKS.add(
    "ws-deflate-final",
    "Compressed message that ends with a final block",
    "A server MUST decompress a message whose last block has BFINAL set, and the messages after it.",
    "RFC 7692 §7.2.1, §7.2.3.4",
    _echoes({"BFINAL": (((WHOLE, HELLO_FINAL), (WHOLE, HELLO)), ["Hello", "Hello"])}),
    quote=(
        'An endpoint MAY use both DEFLATE blocks with the "BFINAL" bit set to 0 and DEFLATE blocks with the "BFINAL" '
        "bit set to 1."
    ),
    consequence="All that a client sends whose library ends messages so is lost, or is empty.",
    danger="loses",
)
CHECKS.add(
    "ws-deflate-fragments",
    "Compressed message in fragments",
    "A server joins the fragments of a compressed message before it decompresses them, and MUST be able to handle a "
    "control frame between them.",
    "RFC 7692 §6.2; RFC 6455 §5.4",
    _echoes(
        {
            "with a PING between": (
                ((RSV1 | TEXT, HELLO[:3]), (FIN | PING, b"between"), (FIN | CONTINUATION, HELLO[3:])),
                ["Hello"],
            ),
            "of one octet each": (
                (
                    (RSV1 | TEXT, HELLO[:1]),
                    *((CONTINUATION, HELLO[at : at + 1]) for at in range(1, 6)),
                    (FIN | CONTINUATION, HELLO[6:]),
                ),
                ["Hello"],
            ),
        }
    ),
    quote="Concatenate the payload data portion of the received frames of the compressed message.",
    consequence="Clients that compress and send large messages in parts lose them, or their connection.",
    danger="loses",
)


@CHECKS.check(
    "ws-deflate-takeover",
    "Compression goes on from message to message",
    "RFC 7692 §7.2.2",
    quote=(
        "Otherwise, the server MUST decompress each new message using the LZ77 sliding window used to process the last "
        "compressed message."
    ),
    consequence="Browsers refer to earlier messages when they compress: from the second message on they fail.",
)
def takeover(target: Target) -> Finding:
    """A server that does not forbid it MUST decompress a message that refers to an earlier one.

    It may be up to 32,768 bytes back; messages without compression between the two do not count.
    """
    noise = random.Random(7).randbytes(BLOCK_BYTES)  # noqa: S311 - any data without repetitions
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15, 9)
    first, second = (compressor.compress(noise) + compressor.flush(zlib.Z_SYNC_FLUSH) for _ in range(2))
    cases: dict[str, Exchange] = {
        "the same message": (((WHOLE, HELLO), (WHOLE, HELLO_AGAIN)), ["Hello", "Hello"]),
        "another between": (
            ((WHOLE, HELLO), (FIN | TEXT, b"plain"), (WHOLE, HELLO_AGAIN)),
            ["Hello", "plain", "Hello"],
        ),
        f"{BLOCK_BYTES:,} bytes back": (
            ((FIN | RSV1 | BINARY, first[:-4]), (FIN | RSV1 | BINARY, second[:-4])),
            [noise, noise],
        ),
    }
    agreed = Deflate()
    with WebSocket(target, "/echo", extensions=[agreed]) as socket:
        _ = socket.compressing
    if "client_no_context_takeover" in (agreed.agreed or ()):
        raise NotApplicable("the server forbids clients to refer to earlier messages")
    return _echoes(cases)(target)


def _answer(target: Target, offer: str | None) -> tuple[tuple[str, ...] | None, Attempt]:
    """The parameters of permessage-deflate in the answer to an offer, None if it is declined; and what was sent."""
    with handshake(target, Sec_WebSocket_Extensions=offer) as connection:
        try:
            response = connection.next_head()
        except ProtocolFault as fault:
            return None, Attempt(f"{offer}: {str(fault).partition(chr(10))[0]}", False, str(connection.transcript))
        agreed = [part.strip() for value in response.all(b"sec-websocket-extensions") for part in value.split(b",")]
        ours = next((each for each in agreed if each.partition(b";")[0].strip() == b"permessage-deflate"), None)
        found = None if ours is None else tuple(part.strip().decode("latin-1") for part in ours.split(b";")[1:])
        said = f"{response.status}, {b', '.join(agreed).decode('latin-1') or 'no extensions'}"
        return found, Attempt(f"{offer or 'no offer'}: {said}", ours is None, str(connection.transcript))


def _demand_agreement(target: Target) -> None:
    if _answer(target, "permessage-deflate")[0] is None:
        raise NotApplicable("the server does not agree to permessage-deflate")


@CHECKS.check(
    "ws-deflate-offers",
    "Invalid offers of compression declined",
    "RFC 7692 §7",
    quote=(
        "A server MUST decline an extension negotiation offer for this extension if any of the following conditions "
        "are met:"
    ),
    consequence="Client and server understand an offer in different ways, and what one sends the other cannot read.",
)
def offers(target: Target) -> Finding:
    """A server MUST decline an offer with parameters that are unknown, have an invalid value, or come twice."""
    _demand_agreement(target)
    bad = (
        *("unknown", "server_no_context_takeover=1", "server_no_context_takeover; server_no_context_takeover"),
        *("server_max_window_bits", "server_max_window_bits=7", "server_max_window_bits=16"),
        *("server_max_window_bits=010", "client_max_window_bits=16", "client_max_window_bits=x"),
    )
    return judge([_answer(target, f"permessage-deflate; {each}")[1] for each in bad], "each offer declined")


@CHECKS.check(
    "ws-deflate-response",
    "Compression only as it was offered",
    "RFC 7692 §7.1.2.2; RFC 6455 §9.1",
    quote=(
        'If a received extension negotiation offer doesn\'t have the "client_max_window_bits" extension parameter, the '
        "corresponding extension negotiation response to the offer MUST NOT include the "
        '"client_max_window_bits" extension parameter.'
    ),
    consequence="Strict clients end the connection as soon as it is open.",
)
def response(target: Target) -> Finding:
    """A server MUST NOT answer with an extension or with client_max_window_bits if the client did not offer it."""
    attempts = []
    for offer in (None, "x-unknown", "permessage-deflate"):
        found, attempt = _answer(target, offer)
        right = found is None or (offer == "permessage-deflate" and not any("client_max" in each for each in found))
        attempts.append(replace(attempt, right=right))
    return judge(attempts, "no more than was offered")


@CHECKS.check(
    "ws-deflate-no-takeover",
    "Compression anew for each message",
    "RFC 7692 §7.1.1.1, §7.2.1",
    quote=(
        'If the "agreed parameters" contain the "server_no_context_takeover" extension parameter, the server MUST '
        "start compressing each new message with an empty LZ77 sliding window."
    ),
    consequence="Clients with little memory cannot read the second message and any after it.",
)
def no_takeover(target: Target) -> Finding:
    """A server that agrees to server_no_context_takeover MUST compress each message by itself."""
    return _compressed_within(target, "server_no_context_takeover", "hello, hello, hello! " * 50, 15)


@CHECKS.check(
    "ws-deflate-window",
    "Compression with a small window",
    "RFC 7692 §7.1.2.1, §7.2.1",
    quote=(
        'If the "agreed parameters" contain the "server_max_window_bits" extension parameter with a value of w, the '
        "server MUST NOT use an LZ77 sliding window longer than the w-th power of 2 bytes to compress messages to send."
    ),
    consequence="Clients with little memory cannot read what refers to text further back than they keep.",
)
def window(target: Target) -> Finding:
    """A server that agrees to server_max_window_bits MUST refer no further back when it compresses."""
    return _compressed_within(target, f"server_max_window_bits={WINDOW_BITS}", 2 * WINDOW_TEXT, WINDOW_BITS)


def _compressed_within(target: Target, parameter: str, text: str, most_bits: int) -> Finding:
    """Offer a parameter; each message back must be readable by itself, or with this window."""
    _demand_agreement(target)
    deflate = Deflate(parameter)
    with WebSocket(target, "/echo", extensions=[deflate]) as socket:
        if not socket.agreed.extensions:
            raise NotApplicable(f"the server declines {parameter}, as it may")
        name = parameter.partition("=")[0]
        said = next((each for each in deflate.agreed or () if each.partition("=")[0] == name), None)
        if said is None:
            return socket.failed(f"the server agrees to an offer with {parameter}, but its answer is without it")
        bits = int(said.partition("=")[2] or most_bits)
        try:
            for _ in range(2):
                socket.say(TextMessage(text))
            socket.await_message(2)
        except ProtocolFault as fault:
            return socket.failed(f"{said}: what came back cannot be read: {str(fault).partition(chr(10))[0]}")
        sent = [frame.payload for frame in socket.frames if frame.first & RSV1]
        alone = _reads_alone(sent, bits) if "no_context" in name else True
        words = f"{said}: {len(socket.messages)} of 2 messages back, {len(sent)} compressed"
        words += "" if alone else "; the second cannot be read without the first"
        return socket.finding(socket.messages == [text, text] and bits <= most_bits and alone, words)


def _reads_alone(payloads: list[bytes], bits: int) -> bool:
    """Can each message be decompressed without those before it?"""
    try:
        for payload in payloads:
            zlib.decompressobj(-bits).decompress(payload + EMPTY_BLOCK)
    except zlib.error:
        return False
    return True


CHECKS.add(
    "ws-deflate-reserved",
    "RSV1 where nothing is compressed",
    "A server MUST fail the connection on RSV1 in a control frame, and in any fragment but the first.",
    "RFC 7692 §6.1",
    fails(
        {
            "a later fragment": send_frames((RSV1 | TEXT, HELLO[:3]), (FIN | RSV1 | CONTINUATION, HELLO[3:])),
            "a PING": send_frames((FIN | RSV1 | PING, HELLO)),
        },
        compressing=True,
    ),
    quote=(
        'An endpoint MUST NOT set the "Per-Message Compressed" bit of control frames and non-first fragments of a data '
        "message. An endpoint receiving such a frame MUST _Fail the WebSocket Connection_."
    ),
    consequence="What a broken or hostile client sends reaches the app as if it were right.",
)
CHECKS.add(
    "ws-deflate-utf8",
    "Compressed text that is not UTF-8",
    "A server MUST fail the connection on text that is not UTF-8 once it is decompressed; the app does not get it.",
    "RFC 7692 §6.1; RFC 6455 §8.1",
    fails({"a message": send_frames((WHOLE, bytes.fromhex("000300fcffff68fe00")))}, compressing=True),
    quote=(
        "At the receiver, the payload data portion after decompression is subject to the constraints for the original "
        "data type again."
    ),
    consequence="Text that is none reaches the app, which may store it or fail on it.",
)
CHECKS.add(
    "ws-deflate-invalid",
    "Data that cannot be decompressed",
    "A server ends the connection on data that are no DEFLATE blocks, or refer to what was not sent; the app gets "
    "nothing.",
    "RFC 6455 §10.7",
    fails(
        {
            "no block": send_frames((WHOLE, b"\xff\xff\xff")),
            "refers to nothing": send_frames((WHOLE, HELLO_AGAIN)),
        },
        compressing=True,
    ),
    consequence="One bad message leaves a connection, or the whole server, in a state in which nothing works.",
    level="expected",
)
