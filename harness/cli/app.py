"""The command `harness`, to which its commands are added, and what they share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from harness.model.login import parse_login
from harness.text.secrets import Secrets

if TYPE_CHECKING:
    from harness.plan.settings import Settings

MISSED_GATE = 1
NOTHING_MEASURED = 3
INTERRUPTED = 130

app = typer.Typer(
    help="Which server should I deploy my ASGI app on? Runs one app under several servers, with the same load on each.",
    epilog="Begin with: harness run --rounds 3 --scenarios plaintext. "
    "Exit status: 2 invalid options or files, with one line that says why; "
    "70 an internal error, with its traceback.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def find_secrets(settings: Settings) -> Secrets:
    """What of the settings is not to be printed: values of `--env`, of servers' `env` and of `--header`, passwords."""
    variables = {name: value for name, _, value in (each.partition("=") for each in settings.env)}
    variables |= {f"{own.name} {name}": value for own in settings.server for name, value in own.environment.items()}
    headers = [(name.lower(), value) for name, _, value in (each.partition(":") for each in settings.header)]
    try:
        passwords = parse_login(settings.login).secrets if settings.login else ()
    except ValueError:
        passwords = (settings.login or "",)
    return Secrets(variables, headers, passwords)
