"""Requests that an app refuses the second time, since it knows a value already: with which new values it takes them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.model.unique import list_placeholders
from harness.plan.user_app.ask import send
from harness.plan.user_app.requests import OK, Recipe, Reply

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.model.targets import Launch
    from harness.plan.user_app.requests import Headers

_STATUSES = frozenset({400, 409, 422, 500})
"""With these, apps refuse what they know already; with 500 if they have not thought of it."""


def is_conflict(reply: Reply | str | None) -> bool:
    """May the app have refused the request because it knows one of its values already?"""
    return isinstance(reply, Reply) and reply.status in _STATUSES


def find_unique(launch: Launch, recipes: Iterable[Recipe], given: Headers) -> dict[Recipe, tuple[Recipe, Reply]]:
    """For each request of which the app takes a variant twice: the variant, and the second reply."""
    found = {}
    for recipe in recipes:
        for body in recipe.variants:
            note = "; ".join(filter(None, [recipe.note, _describe(body)]))
            variant = replace(recipe, body=body, note=note, variants=())
            replies = [send(launch, variant, given) for _ in range(2)]
            right = [each for each in replies if isinstance(each, Reply) and each.status in OK]
            if len(right) == len(replies):
                found[recipe] = variant, right[-1]
                break
    return found


def _describe(body: bytes) -> str:
    placeholders = list_placeholders(body)
    verb = "stands" if len(placeholders) == 1 else "stand"
    return f"the app refuses the same body again, so {' and '.join(placeholders)} {verb} for a new value each time"
