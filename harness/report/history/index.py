"""`history.sqlite`: the figures of the runs of a history, so that a run is read again only when its files change.

It holds nothing that the runs do not. It is made in memory and replaced as a whole, so no reader meets half of it.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import chain
from typing import TYPE_CHECKING

import msgspec

from harness.analysis.figures import FIGURES
from harness.analysis.history import Entry, PastRun
from harness.host.files import read_file, replace_file
from harness.model.loads import parse_load, write_load
from harness.model.plan import Candidate, Case
from harness.model.run_info import RunInfo
from harness.model.summaries import Ratio

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_SCHEMA = 1
"""Of the tables; an index of another one is made again."""
_TABLES = """
CREATE TABLE runs (
    place TEXT PRIMARY KEY, id TEXT, started_at TEXT, host TEXT, page TEXT, files TEXT, info TEXT
);
CREATE TABLE cases (
    number INTEGER PRIMARY KEY, place TEXT REFERENCES runs, server TEXT, version TEXT, app TEXT, scenario TEXT,
    protocol TEXT, load TEXT, users INTEGER, streams INTEGER, workers INTEGER, control INTEGER, verdict TEXT,
    disturbed INTEGER, reference_server TEXT, reference_app TEXT, workload TEXT, requests TEXT
);
CREATE TABLE figures (
    number INTEGER REFERENCES cases, figure TEXT, unit TEXT, value REAL, low REAL, high REAL
);
"""
_UNITS = {each.name: each.unit for each in FIGURES}
Index = dict[str, tuple[str, PastRun]]
"""Runs by their place, each with the state of its files when it was read."""


def read(path: Path) -> tuple[Index, str]:
    """The index, and what is wrong with it: nothing of a damaged one is used."""
    try:
        content = read_file(path)
    except FileNotFoundError:
        return {}, ""
    if not content:
        return {}, "it is empty"
    try:
        with closing(sqlite3.connect(":memory:")) as database:
            database.deserialize(content)
            if database.execute("PRAGMA quick_check").fetchone() != ("ok",):
                return {}, "its check by SQLite fails"
            if database.execute("PRAGMA user_version").fetchone() != (_SCHEMA,):
                return {}, ""
            return {run.place: (files, run) for files, run in _read_runs(database)}, ""
    except (sqlite3.Error, msgspec.MsgspecError, UnicodeDecodeError, LookupError, TypeError, ValueError) as error:
        return {}, str(error)


def write(path: Path, index: Mapping[str, tuple[str, PastRun]]) -> None:
    """Replace the index; raises `StorageError`."""
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(_TABLES)
        database.execute(f"PRAGMA user_version = {_SCHEMA}")
        number = 0
        for files, run in index.values():
            info = msgspec.json.encode(run.info, enc_hook=write_load).decode()
            host = run.info.environment.host
            _insert(database, "runs", (run.place, run.info.id, run.info.started_at, host, run.page, files, info))
            for entry in run.entries:
                number += 1
                _insert(database, "cases", (number, run.place, *_list_columns(entry)))
                for name, each in entry.figures.items():
                    _insert(database, "figures", (number, name, _UNITS[name], each.value, each.low, each.high))
        database.commit()
        replace_file(path, database.serialize())


def _insert(database: sqlite3.Connection, table: str, row: tuple[object, ...]) -> None:
    values = ", ".join("?" * len(row))
    database.execute(f"INSERT INTO {table} VALUES ({values})", row)  # noqa: S608 - no text from elsewhere


def _list_columns(entry: Entry) -> Iterable[object]:
    case, reference = entry.case, entry.reference
    return chain(
        (case.server, entry.version, case.app, case.scenario, case.protocol, case.load.text),
        (case.users, case.streams, case.workers, case.control, entry.verdict, entry.disturbed),
        (None, None) if reference is None else (reference.server, reference.app),
        (entry.workload, msgspec.json.encode(entry.requests).decode()),
    )


def _read_runs(database: sqlite3.Connection) -> Iterator[tuple[str, PastRun]]:
    database.row_factory = sqlite3.Row
    figures: dict[int, dict[str, Ratio]] = {}
    for each in database.execute("SELECT * FROM figures"):
        figures.setdefault(each["number"], {})[each["figure"]] = Ratio(each["value"], each["low"], each["high"])
    entries: dict[str, list[Entry]] = {}
    for each in database.execute("SELECT * FROM cases ORDER BY number"):
        entries.setdefault(each["place"], []).append(_read_entry(each, figures.get(each["number"], {})))
    for each in database.execute("SELECT * FROM runs"):
        info = msgspec.json.decode(each["info"], type=RunInfo, dec_hook=lambda _, value: parse_load(str(value)))
        yield each["files"], PastRun(each["place"], each["page"], info, tuple(entries.get(each["place"], ())))


def _read_entry(row: sqlite3.Row, figures: Mapping[str, Ratio]) -> Entry:
    names = ("server", "app", "scenario", "protocol", "users", "streams", "workers")
    known = {name: row[name] for name in names}
    case = Case(**known, load=parse_load(row["load"]), control=bool(row["control"]))
    server, app = row["reference_server"], row["reference_app"]
    return Entry(
        case,
        row["version"],
        row["verdict"],
        bool(row["disturbed"]),
        None if server is None else Candidate(server, app),
        row["workload"],
        msgspec.json.decode(row["requests"], type=tuple[str, ...]),
        figures,
    )
