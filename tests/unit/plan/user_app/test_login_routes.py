"""Which routes are left out for users who are logged in."""

from __future__ import annotations

import pytest

from harness.model.login import Login
from harness.plan.user_app.login_routes import part_login_routes
from harness.plan.user_app.requests import Recipe

LOGIN = Login("POST", "/auth/token", body='{"name": "ann"}')
IS_LOGIN = "it is the login, which each user sends once"
ENDS_LOGIN = "it may end the login of all other requests"


def reasons(method: str, path: str, login: Login | None, *given: tuple[str, str]) -> list[str]:
    kept, left_out = part_login_routes([Recipe(method, path, f"{method} {path}")], login, given)
    assert len(kept) + len(left_out) == 1
    return [each.reason for each in left_out]


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/auth/token", [IS_LOGIN]),
        ("GET", "/auth/token", []),
        ("POST", "/auth/tokens", []),
        *((method, path, [ENDS_LOGIN]) for method in ("GET", "POST") for path in ("/logout", "/api/v1/logout/")),
        *(("GET", path, [ENDS_LOGIN]) for path in ("/log-off", "/auth/sign_out", "/SignOut", "/logout?all=1")),
        *(("GET", path, []) for path in ("/logs", "/blogout", "/logouts", "/documents/1/sign-off", "/log/outages")),
    ],
)
def test_the_login_and_what_ends_it_are_left_out(method: str, path: str, expected: list[str]) -> None:
    assert reasons(method, path, LOGIN) == expected


def test_a_login_can_end_only_if_there_is_one() -> None:
    assert reasons("GET", "/logout", None, ("accept", "*/*")) == []
    assert reasons("GET", "/logout", None, ("authorization", "Bearer one")) == [ENDS_LOGIN]
    assert reasons("GET", "/logout", None, ("cookie", "session=1")) == [ENDS_LOGIN]
