"""Frames of WebSocket (RFC 6455, 5.2) that are whole messages, written and read without a parser."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

from wsproto.events import BytesMessage, Ping, TextMessage

if TYPE_CHECKING:
    from wsproto.events import Event

_FINAL = 0x80
_MASKED = 0x80
_TEXT, _BINARY, _PING = 1, 2, 9
_SHORT = 126
"""Lengths from here on are in two bytes, announced by 126, or in eight, announced by 127."""


def frame_head(size: int, *, text: bool, masked: bool) -> bytes:
    """The header of a data frame that is a complete message, without the masking key."""
    first, mask_bit = _FINAL | (_TEXT if text else _BINARY), _MASKED if masked else 0
    if size < _SHORT:
        return bytes([first, mask_bit | size])
    if size < 1 << 16:
        return struct.pack("!BBH", first, mask_bit | _SHORT, size)
    return struct.pack("!BBQ", first, mask_bit | _SHORT + 1, size)


def encode(data: bytes, *, text: bool) -> bytes:
    """A message as one masked frame."""
    size = len(data)
    mask = os.urandom(4)
    repeated = (mask * (size // 4 + 1))[:size]
    masked = int.from_bytes(data, "big") ^ int.from_bytes(repeated, "big")
    return frame_head(size, text=text, masked=True) + mask + masked.to_bytes(size, "big")


def read_whole(data: bytes) -> list[Event] | None:
    """The messages and pings in bytes from a server; None if there is anything else in them, or a part of one."""
    events: list[Event] = []
    start = 0
    while start < len(data):
        length = int.from_bytes(data[start + 1 : start + 2], "big")
        begin = start + {_SHORT: 4, _SHORT + 1: 10}.get(length, 2)
        size = length if begin == start + 2 else int.from_bytes(data[start + 2 : begin], "big")
        end = begin + size
        head, content = data[start:begin], data[begin:end]
        if end > len(data):
            return None
        if head == frame_head(size, text=False, masked=False):
            events.append(BytesMessage(content))
        elif head == frame_head(size, text=True, masked=False):
            try:
                events.append(TextMessage(content.decode()))
            except UnicodeDecodeError:
                return None
        elif size < _SHORT and head == bytes((_FINAL | _PING, size)):
            events.append(Ping(content))
        else:
            return None
        start = end
    return events
