"""Routes that users who are logged in must not ask: the login, with a made password, and what ends it. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.plan.user_app.requests import LeftOut, Recipe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.model.login import Login
    from harness.plan.user_app.requests import Headers

_ENDS_LOGIN = re.compile(r"/(log[-_]?(out|off)|sign[-_]?out)(?![a-z])", re.IGNORECASE)
_CREDENTIALS = frozenset({"authorization", "cookie"})


def part_login_routes(
    made: Iterable[Recipe], login: Login | None, given: Headers
) -> tuple[list[Recipe], list[LeftOut]]:
    """Part the requests that can be sent from those that are left out, with the reason.

    An app may lock a user out after wrong passwords, and after a logout it answers nothing else right.
    """
    kept: list[Recipe] = []
    left_out: list[LeftOut] = []
    logged_in = login is not None or any(name in _CREDENTIALS for name, _ in given)
    for recipe in made:
        if login is not None and (recipe.method, recipe.path) == (login.method, login.path):
            left_out.append(LeftOut(recipe.name, "it is the login, which each user sends once"))
        elif logged_in and _ENDS_LOGIN.search(recipe.path):
            left_out.append(LeftOut(recipe.name, "it may end the login of all other requests"))
        else:
            kept.append(recipe)
    return kept, left_out
