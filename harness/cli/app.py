"""The command that the verbs belong to, and how a verb gets the settings."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.plan.settings import list_options, read_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.plan.settings import Option, Settings

MISSED_GATE = 1
NOTHING_MEASURED = 3
INTERRUPTED = 130

app = typer.Typer(
    help="Which server should I deploy my ASGI app on? One app under several servers, the same load at each.",
    epilog="Begin with: harness run --rounds 3 --scenarios plaintext. "
    "Exit status: 2 an option or a file that cannot be followed, told in one line; "
    "70 a fault of the harness itself, told with its traceback.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _value(option: Option) -> object:
    return Annotated[str | None, typer.Option(help=option.help, metavar=option.metavar, show_default=False)]


def _values(option: Option) -> object:
    return Annotated[list[str] | None, typer.Option(help=option.help, metavar=option.metavar, show_default=False)]


def _flag(option: Option) -> object:
    name = f"--{option.key.replace('_', '-')}"
    return Annotated[bool | None, typer.Option(name, help=option.help, show_default=False)]


def with_settings(verb: Callable[[Settings], None]) -> Callable[..., None]:
    """Give a verb an option for each setting; the verb gets what they, the file and the defaults amount to."""

    def command(config_file: Path | None, **given: str | bool | list[str] | None) -> None:
        verb(read_settings(given, Path.cwd(), config_file))

    parameters = [
        inspect.Parameter(
            option.key,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=_flag(option) if option.flag else _values(option) if option.repeated else _value(option),
        )
        for option in list_options()
    ]
    file = Annotated[Path | None, typer.Option("--config", help="File of these settings, if not harness.toml.")]
    parameters.append(inspect.Parameter("config_file", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=file))
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # what inspect and typer read
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__name__, command.__doc__ = verb.__name__, verb.__doc__
    return command
