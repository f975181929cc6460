"""The SQLite database of the shop: tables, the first products, the only customer, and a connection a request."""

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing

DATABASE = os.environ.get("SHOP_DATABASE", "shop.db")
_TABLES = """
CREATE TABLE IF NOT EXISTS customers (name TEXT PRIMARY KEY, password TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS logins (token TEXT PRIMARY KEY, customer TEXT NOT NULL REFERENCES customers);
CREATE TABLE IF NOT EXISTS products (
    id INTEGER PRIMARY KEY,
    sku TEXT UNIQUE NOT NULL,
    name TEXT NOT NULL,
    stock INTEGER NOT NULL CHECK (stock >= 0)
);
CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY,
    customer TEXT NOT NULL REFERENCES customers,
    product INTEGER NOT NULL REFERENCES products,
    quantity INTEGER NOT NULL
);
INSERT OR IGNORE INTO products VALUES
    (1, 'chair', 'A chair', 1000000), (2, 'table', 'A table', 1000000), (3, 'lamp', 'The last ones', 40);
"""


def digest_password(password: str) -> str:
    return hashlib.scrypt(password.encode(), salt=b"shop", n=1024, r=8, p=1).hex()


def create_tables() -> None:
    """Make what is missing; several servers may do so at the same time."""
    with closing(_connect()) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(_TABLES)
        with database:
            database.execute("INSERT OR IGNORE INTO customers VALUES ('ann', ?)", [digest_password("open-sesame")])


def open_database() -> Iterator[sqlite3.Connection]:
    with closing(_connect()) as database:
        yield database


def _connect() -> sqlite3.Connection:
    # FastAPI opens and closes it in other threads than that of the route.
    database = sqlite3.connect(DATABASE, timeout=20, check_same_thread=False)
    database.row_factory = sqlite3.Row
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute("PRAGMA foreign_keys = ON")
    return database
