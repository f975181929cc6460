"""Whatever options and files hold, they become settings that can be used and written, or an error of one line."""

from __future__ import annotations

import datetime as dt
import json
import math
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.model.errors import UsageError
from harness.model.loads import Load, parse_load, write_load
from harness.plan.options import read_settings
from harness.plan.settings import Settings

KEYS = Settings.__struct_fields__
FRAGMENTS = st.sampled_from(
    (
        *("1", "0", "-", "-0", "1e9", "inf", "nan", "9999999999999999999999", "٣", "ms", "s", "m", "%", "<", ",", "="),
        *("rate=", "rate=5", "capacity=", "p99<1ms", "p99<50ms", "errors<0.1%", "sweep", "saturate", "auto", "all"),
        *(",arrivals=poisson", "uvicorn", "granian@2", "h1", "get", "true", "[", "{", "/", "..", ":"),
    )
)
TEXTS = st.lists(FRAGMENTS | st.text(max_size=3), max_size=4).map("".join) | st.sampled_from(["\0", "\udcff", "\n", ""])
NUMBERS = st.integers() | st.floats() | st.booleans()
VALUES = st.recursive(
    TEXTS | NUMBERS | st.dates() | st.just(dt.datetime(2026, 1, 1, tzinfo=dt.UTC)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def write_toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return json.dumps(value.encode("utf-8", "replace").decode()).replace("\x7f", "\\u007f")
        case list():
            return f"[{', '.join(map(write_toml, value))}]"
        case dict():
            return f"{{{', '.join(f'{write_toml(key)} = {write_toml(each)}' for key, each in value.items())}}}"
        case dt.date():
            return value.isoformat()
    return repr(value)


def check(read: Settings) -> None:
    """They can be used: written to a file and read again, and every number is finite."""
    conditions = read.conditions(seed=1, load_processes=1)
    text = msgspec.json.encode(conditions, enc_hook=write_load)
    again = msgspec.json.decode(text, type=type(conditions), dec_hook=lambda _, value: parse_load(str(value)))
    assert again == conditions
    assert isinstance(read.load, Load)
    assert str(conditions).isprintable()
    for value in (read.warmup, read.duration, read.ready_within, read.request_timeout):
        assert math.isfinite(value)
        assert not str(value).startswith("-")
    for names in (read.servers, read.apps, read.protocols, read.methods, read.users or (1,), read.workers):
        assert names


def assert_usable_or_refused(options: dict[str, Any], directory: Path | None) -> None:
    try:
        found: Settings | str = read_settings(options, directory)
    except UsageError as error:
        found = str(error)
    if isinstance(found, Settings):
        check(found)
    else:
        assert len(found.splitlines()) == 1
        assert len(found) < 1500
        assert directory is not None or found.startswith("--")


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.dictionaries(st.sampled_from(KEYS), TEXTS | st.lists(TEXTS, max_size=2) | st.just(True), max_size=3))
def test_any_options(options: dict[str, Any]) -> None:
    assert_usable_or_refused(options, None)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), VALUES, max_size=3))
def test_any_values_in_a_file(keys: dict[str, Any]) -> None:
    lines = "\n".join(f"{write_toml(key)} = {write_toml(value)}" for key, value in keys.items())
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "harness.toml").write_text(lines)
        assert_usable_or_refused({}, Path(folder))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.binary(max_size=30) | TEXTS.map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes_in_a_file(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in ("pyproject.toml", "harness.toml"):
            (Path(folder) / name).write_bytes(content)
            assert_usable_or_refused({}, Path(folder))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(TEXTS)
def test_any_load_is_written_as_it_is_read(text: str) -> None:
    try:
        load = parse_load(text)
    except ValueError:
        return
    assert parse_load(load.text) == load


@pytest.mark.parametrize(
    "text", ["rate=0.01", "rate=10000000", "capacity=p99<1us,errors<0.0001%", "capacity=p50<3600s"]
)
def test_the_limits_of_loads_are_written_as_they_are_read(text: str) -> None:
    assert parse_load(text).text == text
