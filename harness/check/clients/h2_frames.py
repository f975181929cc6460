"""HTTP/2 frames: their numbers, frames with any content, and frames in words (RFC 9113 §4, §6, §7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperframe.frame import (
    DataFrame,
    ExtensionFrame,
    Frame,
    GoAwayFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from harness.check.clients.transcript import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Fields = Sequence[tuple[str, str]]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD_BYTES = 9
DEFAULT_WINDOW = 65_535
DEFAULT_FRAME_BYTES = 16_384

_TYPES = (
    *("DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS", "PUSH_PROMISE"),
    *("PING", "GOAWAY", "WINDOW_UPDATE", "CONTINUATION"),
)
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = 0x2, 0x3, 0x4, 0x5
MAX_HEADER_LIST_SIZE = 0x6
ENABLE_CONNECT_PROTOCOL = 0x8
"""RFC 8441 §3."""
_SETTINGS = (
    *("HEADER_TABLE_SIZE", "ENABLE_PUSH", "MAX_CONCURRENT_STREAMS", "INITIAL_WINDOW_SIZE", "MAX_FRAME_SIZE"),
    *("MAX_HEADER_LIST_SIZE", "0x7", "ENABLE_CONNECT_PROTOCOL"),
)
_ERRORS = (
    *("NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED"),
    *("FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM"),
    *("INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED"),
)
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = range(4)
FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR = range(0x6, 0xA)


def any_frame(kind: int, flags: int, stream_id: int, body: bytes = b"") -> ExtensionFrame:
    """A frame of any type with any content, right or wrong."""
    frame = ExtensionFrame(kind, stream_id, flags, body)
    frame.body_len = len(body)
    return frame


def setting_name(key: int) -> str:
    """A setting by its name in RFC 9113 §6.5.2, or its number in hexadecimal."""
    return _SETTINGS[key - 1] if 0 < key <= len(_SETTINGS) else f"{key:#x}"


def settings_listed(settings: Mapping[int, int]) -> str:
    """Settings in one line."""
    return " ".join(f"{setting_name(key)}={value}" for key, value in settings.items())


def error_name(code: int) -> str:
    """An error code by its name in RFC 9113 §7, or its number in hexadecimal."""
    return _ERRORS[code] if code < len(_ERRORS) else f"{code:#x}"


def listed(fields: Iterable[tuple[str, str]]) -> str:
    """Fields in one line."""
    text = ", ".join(f"{name}: {value}" for name, value in fields)
    return shown(text.encode("latin-1", "replace"))


def described(frame: Frame) -> str:
    """A frame in a few words, without its field section, which only the connection can decode."""
    if isinstance(frame, ExtensionFrame):
        kind = frame.type or DATA
        name = _TYPES[kind] if kind < len(_TYPES) else f"frame of type {kind:#x}"
        flags = f"flags {frame.flag_byte:#x} " if frame.flag_byte else ""
        return f"{name} {frame.stream_id} {flags}{len(frame.body):,} bytes {shown(frame.body)}".rstrip()
    name = _TYPES[frame.type or DATA]
    words = " ".join([name, *([str(frame.stream_id)] if frame.stream_id else []), *sorted(frame.flags)])
    return f"{words} {_content(frame)}".rstrip()


def _content(frame: Frame) -> str:
    match frame:
        case DataFrame():
            found = f"{len(frame.data):,} bytes {shown(frame.data)}"
        case GoAwayFrame():
            why = f"{error_name(frame.error_code)} {shown(frame.additional_data or b'')}"
            found = f"last stream {frame.last_stream_id} {why}"
        case RstStreamFrame():
            found = error_name(frame.error_code)
        case SettingsFrame():
            found = settings_listed(frame.settings)
        case PingFrame():
            found = shown(frame.opaque_data)
        case WindowUpdateFrame():
            found = f"+{frame.window_increment:,}"
        case _:
            found = ""
    return found
