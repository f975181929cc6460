"""The command `harness`, to which its commands are added, and how they get the settings."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.model.errors import HarnessError
from harness.model.login import parse_login
from harness.plan.options import list_options, read_settings
from harness.text.secrets import Secrets

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.plan.options import Option
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
    """What of the settings is not to be printed: values of `--env` and `--header`, passwords of `--login`."""
    variables = {name: value for name, _, value in (each.partition("=") for each in settings.env)}
    headers = [(name.lower(), value) for name, _, value in (each.partition(":") for each in settings.header)]
    try:
        passwords = parse_login(settings.login).secrets if settings.login else ()
    except ValueError:
        passwords = (settings.login or "",)
    return Secrets(variables, headers, passwords)


def _annotate(option: Option) -> object:
    if option.flag:
        name = f"--{option.key.replace('_', '-')}"
        return Annotated[bool | None, typer.Option(name, help=option.help, show_default=False)]
    shown = typer.Option(help=option.help, metavar=option.metavar, show_default=False)
    return Annotated[list[str] | None, shown] if option.repeated else Annotated[str | None, shown]


def with_settings(run: Callable[[Settings], None]) -> Callable[..., None]:
    """Make a command with one option per setting; `run` gets the settings from options, file and defaults."""

    def command(config_file: Path | None, **given: str | bool | list[str] | None) -> None:
        settings = read_settings(given, Path.cwd(), config_file)
        try:
            run(settings)
        except HarnessError as error:
            error.args = (find_secrets(settings).mask(str(error)),)
            raise

    parameters = [
        inspect.Parameter(
            option.key,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=_annotate(option),
        )
        for option in list_options()
    ]
    file = Annotated[Path | None, typer.Option("--config", help="Settings file to read instead of harness.toml.")]
    parameters.append(inspect.Parameter("config_file", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=file))
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # inspect and typer read it
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__name__, command.__doc__ = run.__name__, run.__doc__
    return command
