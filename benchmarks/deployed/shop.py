"""A small shop: the app that is measured as teams deploy theirs."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, HTTPException, Path
from pydantic import BaseModel

app = FastAPI(title="Shop")


class Item(BaseModel):
    """An article, with its price in cents."""

    id: int
    name: str
    price: int


ITEMS = {number: Item(id=number, name=f"article {number}", price=100 + 7 * number) for number in range(1, 21)}


@app.get("/items")
async def list_items() -> list[Item]:
    """All articles: about 1 kB of JSON."""
    return list(ITEMS.values())


@app.get("/items/{number}")
async def find_item(number: Annotated[int, Path(examples=[7])]) -> Item:
    """One article."""
    if number not in ITEMS:
        raise HTTPException(404)
    return ITEMS[number]
