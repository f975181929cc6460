"""A record as a line of `trials.jsonl` holds it, in which nothing stands twice. Pure: plain values in and out.

Nine tenths of a record are histograms, most of which are alike: in a closed loop service times are response times, and
so are those of a scenario's only request.

- The counts of a histogram are text, as `harness.model.hdr_histogram` encodes them.
- A histogram that equals that of the response times is the word `response` in its place.
- Slices and samples are columns: each name once, with a list of its values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.model.hdr_histogram import decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

RESPONSE = "response"
_OTHERS = ("service", "send_lag", "first_byte")
_OF_STREAMS = ("first_event", "gap")

Plain = dict[str, Any]


def pack(record: Plain) -> Plain:
    """The line of a record."""
    result = record["result"]
    return {**record, "samples": _to_columns(record["samples"]), "result": result and _pack_result(result)}


def unpack(line: Plain) -> Plain:
    """The record of a line; raises `ValueError`, `LookupError`, `TypeError` or `AttributeError` if it is none."""
    result = line["result"]
    return {**line, "samples": _to_rows(line["samples"]), "result": result and _unpack_result(result)}


def _pack_result(result: Plain) -> Plain:
    response = result[RESPONSE]

    def pack_other(histogram: Plain) -> Plain | str:
        return RESPONSE if histogram == response else _pack_histogram(histogram)

    packed = _change_others(result, pack_other)
    return {**packed, RESPONSE: _pack_histogram(response), "slices": _to_columns(result["slices"])}


def _unpack_result(result: Plain) -> Plain:
    response = _unpack_histogram(result[RESPONSE])

    def unpack_other(histogram: Plain | str) -> Plain:
        return response if isinstance(histogram, str) and histogram == RESPONSE else _unpack_histogram(histogram)

    unpacked = _change_others(result, unpack_other)
    return {**unpacked, RESPONSE: response, "slices": _to_rows(result["slices"])}


def _change_others(result: Plain, change: Callable[[Any], Any]) -> Plain:
    """A result with each of its histograms changed but that of the response times.

    What an earlier version did not record is missing, as a value that was read keeps only what was there.
    """

    def change_stream(stream: Plain | None) -> Plain | None:
        return stream and {**stream, **{name: change(stream[name]) for name in _OF_STREAMS}}

    changed = {name: change(result[name]) for name in _OTHERS if result.get(name) is not None}
    by_request = [
        {**each, RESPONSE: change(each[RESPONSE]), "stream": change_stream(each.get("stream"))}
        for each in result.get("by_request", ())
    ]
    return {**result, **changed, "by_request": by_request}


def _pack_histogram(histogram: Plain) -> Plain:
    return {**histogram, "counts": encode(histogram["counts"])}


def _unpack_histogram(histogram: Any) -> Plain:
    return {**histogram, "counts": decode(histogram["counts"])}


def _to_columns(rows: Sequence[Plain]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}


def _to_rows(columns: Mapping[str, Sequence[Any]]) -> list[Plain]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
