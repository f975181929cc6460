"""Which requests a user app answers right each time, under two servers, and what is expected of their answers.

Each request is sent three times: once after the first start, and twice, some time apart, after the second, which is
under another server if there is one. An answer that is the same each time depends neither on the process nor on the
server, the second, the age of the process, or on how often it was asked.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.host import logs
from harness.model.errors import UsageError
from harness.model.unique import UNIQUE
from harness.plan.user_app.ask import log_in, send_requests
from harness.plan.user_app.conflicts import find_unique, is_conflict
from harness.plan.user_app.discovery import NONE, read_document
from harness.plan.user_app.finding import Found, choose_requests, fetch_from_app
from harness.plan.user_app.options import name_app
from harness.plan.user_app.requests import NO_ENTRY, OK, LeftOut, Recipe, Reply, derive_expectation, describe_reply
from harness.plan.user_app.starting import Stage, start_app, start_app_as_wanted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.model.targets import Server
    from harness.plan.settings import Settings

APART_S = 1.1
"""A process is asked again after this long, so that a time in seconds, or its own age, has changed."""
_BAD_REQUEST, _SERVER_ERROR = 400, 500
_WRONG_CALL = "positional argument"
"""The log has this text if the callable is not an ASGI app, but takes other arguments."""
_WITHOUT_ARGUMENTS = "takes 0 positional arguments"
"""The log has this text if the callable is a function that returns the app."""
_WSGI_CALL = re.compile(
    r"'start_response'|missing 1 required positional"
    r"|takes (?:2 positional arguments but 3|3 positional arguments but 4) were given"
)
"""The log has this text if the callable takes the two arguments of WSGI, or those and itself."""
_REASONS_SHOWN = 3
"""An error message has at most this many reasons."""


@dataclass(frozen=True)
class Asked:
    """The requests that the app answered right twice, and those that it did not."""

    kept: tuple[tuple[Recipe, Mapping[str, Any]], ...]
    """Requests with what is expected of their answers, as keywords of `Request`."""
    left_out: tuple[LeftOut, ...]
    title: str
    under: tuple[str, str]
    """The names of the two servers under which the app was asked."""
    tls: bool
    """Was it asked over TLS?"""


def ask_app(stage: Stage, servers: Sequence[Server]) -> Asked:
    """Send each request under two servers, or twice under the only one that starts.

    Requests that write are sent before those that read. The last time they are sent for the second time to the same
    process: so an answer that depends on what they change is different then.
    """
    openapi = stage.settings.openapi
    discovered = read_document(openapi)
    with start_app_as_wanted(stage, servers) as (entry, launch):
        started_s = time.monotonic()
        given = log_in(launch, stage.app.login, stage.app.headers)
        if discovered is None and openapi != NONE:
            discovered = fetch_from_app(stage, launch, given)
        found, first = choose_requests(stage, launch, discovered, given)
        tls = launch.tls is not None
    right = [recipe for recipe, reply in first.items() if isinstance(reply, Reply) and reply.status in OK]
    if not (right or any(is_conflict(each) for each in first.values())):
        raise _make_error(stage, entry, found, first, {})
    # The more the other server differs, the more of what depends on it is seen: WSGI after ASGI, but trio comes last.
    others = sorted(
        (each for each in servers if each is not entry),
        key=lambda each: (each.interface == entry.interface, each.event_loop != "asyncio"),
    )
    # An app may tell when it started, in seconds.
    time.sleep(max(0.0, started_s + APART_S - time.monotonic()))
    with start_app(stage, [*others, entry], tls=tls) as (other, launch):
        given = log_in(launch, stage.app.login, stage.app.headers)
        second = send_requests(launch, right, given)
        time.sleep(APART_S)
        third = send_requests(launch, [recipe for recipe in right if recipe.writes], given)
        refused = [
            each for each in found.recipes if any(is_conflict(seen.get(each)) for seen in (first, second, third))
        ]
        unique = find_unique(launch, refused, given)
        third |= send_requests(launch, [recipe for recipe in right if not recipe.writes], given)
    expected: dict[Recipe, dict[str, Any] | str] = {}
    for recipe in found.recipes:
        if recipe in unique:
            variant, reply = unique[recipe]
            expected[variant] = _derive_expectation(first[recipe] if recipe in right else reply, [reply], other.name)
        else:
            expected[recipe] = _derive_expectation(first[recipe], [second.get(recipe), third.get(recipe)], other.name)
    kept = tuple((recipe, each) for recipe, each in expected.items() if not isinstance(each, str))
    left_out = [
        _leave_out(recipe, reason, refused=recipe in refused)
        for recipe, reason in expected.items()
        if isinstance(reason, str)
    ]
    if not kept:
        reasons = {recipe.name: each for recipe, each in expected.items() if isinstance(each, str)}
        raise _make_error(stage, other, found, {**first, **second, **third}, reasons)
    return Asked(kept, (*found.left_out, *left_out), found.title, (entry.name, other.name), tls)


def _leave_out(recipe: Recipe, reason: str, *, refused: bool) -> LeftOut:
    """Leave out a request; say so where a value may have to be new each time, or where its body is made."""
    noted = f"{reason}; {recipe.note}" if recipe.note else reason
    if recipe.writes and refused:
        return LeftOut(recipe.name, f"{noted}; unique: add {UNIQUE} where a value must be new each time", recipe)
    return LeftOut(recipe.name, noted)


def _derive_expectation(first: Reply | str, later: Sequence[Reply | str | None], other: str) -> dict[str, Any] | str:
    if isinstance(first, str):
        return first
    replies: list[Reply] = []
    for each in later:
        if each is None:
            return describe_reply(first)
        if isinstance(each, str):
            return f"{each}, under {other}"
        replies.append(each)
    expected = derive_expectation(first, *replies)
    return f"{expected}, under {other}" if isinstance(expected, str) else expected


def _make_error(
    stage: Stage, entry: Server, found: Found, replies: Mapping[Recipe, Reply | str], known: Mapping[str, str]
) -> UsageError:
    """Make the error for an app without a right answer, with the advice that most likely helps.

    `known` are the reasons by the names of requests, where several replies had to be compared.
    """
    described = {
        recipe.name: each if isinstance(each, str) else describe_reply(each) for recipe, each in replies.items()
    }
    reasons = [
        *(f"{name}: {reason}" for name, reason in {**described, **known}.items()),
        *(f"{each.name}: {each.reason}" for each in found.left_out),
    ]
    statuses = {each.status for each in replies.values() if isinstance(each, Reply)}
    advice = "name a path with --path, or use --locustfile"
    if any(status >= _SERVER_ERROR for status in statuses):
        log = stage.log_path(entry)
        hint = _advise_on_call(log.read_text(errors="replace"), stage.settings, entry)
        advice = f"its log is {log}{logs.quote_reason(log)}{hint}"
    elif _BAD_REQUEST in statuses:
        advice = "the app may expect its own host name: --header 'Host: shop.example'"
    elif statuses & NO_ENTRY:
        advice = "log in by --login 'POST /login user=ann&password=…', or name a path that needs no login with --path"
    shown = "; ".join(reasons[:_REASONS_SHOWN]) or "no route in its document"
    more = f"; and {len(reasons) - _REASONS_SHOWN} more" if len(reasons) > _REASONS_SHOWN else ""
    return UsageError(
        f"{name_app(stage.settings)}: expected a request with a right answer, found none ({shown}{more}); {advice}"
    )


def _advise_on_call(log: str, settings: Settings, entry: Server) -> str:
    """What to do if the log shows that the callable takes other arguments; empty if it does not."""
    if _WRONG_CALL not in log:
        return ""
    app = settings.wsgi if entry.interface == "wsgi" else settings.app
    if _WITHOUT_ARGUMENTS not in log and entry.interface == "wsgi":
        return f"; {entry.name} serves WSGI: name a WSGI callable by --wsgi"
    if _WSGI_CALL.search(log):
        return f"; if {app} is a WSGI callable, name it by --wsgi, and the ASGI callable, if there is one, by --app"
    return f"; use --factory if {app} returns the app"
