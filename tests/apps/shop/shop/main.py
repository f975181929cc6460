"""A shop in FastAPI over SQLite: products that have a unique number, orders, and a login that gives a bearer token."""

import secrets
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Path
from fastapi.security import OAuth2PasswordBearer, OAuth2PasswordRequestForm
from pydantic import BaseModel, Field
from shop.seen import SeenLog
from shop.storage import create_tables, digest_password, open_database


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    create_tables()
    yield


app = FastAPI(title="Shop", lifespan=lifespan)
app.add_middleware(SeenLog)

Database = Annotated[sqlite3.Connection, Depends(open_database)]
Token = Annotated[str, Depends(OAuth2PasswordBearer("auth/token"))]


def find_customer(database: Database, token: Token) -> str:
    login = database.execute("SELECT customer FROM logins WHERE token = ?", [token]).fetchone()
    if login is None:
        raise HTTPException(401, "unknown token")
    return login["customer"]


Customer = Annotated[str, Depends(find_customer)]


class NewProduct(BaseModel):
    sku: str = Field(min_length=3, max_length=40)
    name: str


class NewOrder(BaseModel):
    product: int = Field(ge=1, examples=[1])
    quantity: int = Field(ge=1, le=100)


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/auth/token")
def log_in(database: Database, form: Annotated[OAuth2PasswordRequestForm, Depends()]) -> dict[str, str]:
    customer = database.execute("SELECT password FROM customers WHERE name = ?", [form.username]).fetchone()
    if customer is None or not secrets.compare_digest(customer["password"], digest_password(form.password)):
        raise HTTPException(401, "wrong name or password")
    token = secrets.token_urlsafe()
    with database:
        database.execute("INSERT INTO logins VALUES (?, ?)", [token, form.username])
    return {"access_token": token, "token_type": "bearer"}


@app.post("/auth/logout", status_code=204)
def log_out(database: Database, token: Token) -> None:
    with database:
        database.execute("DELETE FROM logins WHERE token = ?", [token])


@app.get("/products")
def list_products(database: Database, limit: int = 3) -> list[dict]:
    """The oldest ones: the list stays the same when products are added."""
    return [dict(row) for row in database.execute("SELECT id, name FROM products ORDER BY id LIMIT ?", [limit])]


@app.get("/products/{product}")
def read_product(database: Database, product: Annotated[int, Path(examples=[1])]) -> dict:
    row = database.execute("SELECT id, sku, name FROM products WHERE id = ?", [product]).fetchone()
    if row is None:
        raise HTTPException(404, "no such product")
    return dict(row)


@app.post("/products", status_code=201)
def add_product(database: Database, _: Customer, new: NewProduct) -> dict:
    try:
        with database:
            added = database.execute("INSERT INTO products (sku, name, stock) VALUES (?, ?, 1)", [new.sku, new.name])
    except sqlite3.IntegrityError as error:
        raise HTTPException(409, f"there is a product {new.sku} already") from error
    return {"id": added.lastrowid, "sku": new.sku}


@app.get("/me")
def read_me(customer: Customer) -> dict[str, str]:
    return {"name": customer}


@app.get("/orders")
def list_orders(database: Database, customer: Customer) -> list[dict]:
    """The newest ten of the customer."""
    rows = database.execute("SELECT * FROM orders WHERE customer = ? ORDER BY id DESC LIMIT 10", [customer])
    return [dict(row) for row in rows]


@app.post("/orders", status_code=201)
def place_order(database: Database, customer: Customer, new: NewOrder) -> dict[str, int]:
    left = "UPDATE products SET stock = stock - ? WHERE id = ?"
    order = "INSERT INTO orders (customer, product, quantity) VALUES (?, ?, ?)"
    try:
        with database:
            database.execute(left, [new.quantity, new.product])
            added = database.execute(order, [customer, new.product, new.quantity])
    except sqlite3.IntegrityError as error:
        raise HTTPException(409, "sold out, or no such product") from error
    return {"id": added.lastrowid}


@app.get("/orders/{order}")
def read_order(database: Database, customer: Customer, order: int) -> dict:
    row = database.execute("SELECT * FROM orders WHERE id = ? AND customer = ?", [order, customer]).fetchone()
    if row is None:
        raise HTTPException(404, "no such order")
    return dict(row)


@app.delete("/orders/{order}", status_code=204)
def cancel_order(database: Database, customer: Customer, order: int) -> None:
    with database:
        database.execute("DELETE FROM orders WHERE id = ? AND customer = ?", [order, customer])
