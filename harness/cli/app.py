"""The command `harness`, to which its commands are added, and what they share."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from harness.catalog import packages
from harness.cli.terminal import Screen
from harness.model.errors import UsageError
from harness.model.login import parse_login
from harness.text.secrets import Secrets
from harness.text.suggestions import suggest

if TYPE_CHECKING:
    from harness.plan.settings import Settings

MISSED_GATE = 1
BAD_USAGE = 2
NOTHING_MEASURED = 3
INTERRUPTED = 130

DISTRIBUTION = "asgi-harness"
_HELP_WIDTH = 100
_ORDER = (
    *("run", "show", "compare", "history", "timeline", "list", "plan", "doctor", "check", "drill", "serve", "worker"),
    *("report", "publish", "export", "calibrate"),
)
"""The order of the commands in the help: what a newcomer needs comes first."""


class _Commands(TyperGroup):
    """The commands, in order and with their whole first sentences; a misspelt one is answered with the closest."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer calls it so
        return sorted(self.commands, key=lambda name: (*_ORDER, name).index(name))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command = super().get_command(ctx, cmd_name)
        if command is not None and command.help and not command.short_help:
            command.short_help = " ".join(command.help.partition("\n\n")[0].split())  # else it is cut off
        return command

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            names = self.list_commands(ctx)
            hint = suggest(args[0], names) or f"; expected any of {', '.join(names)}"
            raise UsageError(f"No such command: {args[0]}{hint}")
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_Commands,
    help="Which server should I deploy my ASGI app on? Runs one app under several servers, with the same load on each.",
    epilog="Begin with: harness run --rounds 3 --scenarios plaintext. "
    "Exit status: 2 invalid options or files, with one line that says why; "
    "70 an internal error, with its traceback.",
    rich_markup_mode=None,  # its tables cut words off on narrow terminals
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": _HELP_WIDTH},
)


def _print_version(asked: bool) -> None:
    if asked:
        Screen().say(f"{DISTRIBUTION} {packages.version(DISTRIBUTION)}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _start(
    context: typer.Context,
    *,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Take the options that stand before a command, and print the help where there is none."""
    if context.invoked_subcommand is None:
        Screen().write(context.get_help())
        raise typer.Exit(BAD_USAGE)


def describe_error(error: typer.TyperException) -> str:
    """What is wrong with the words of a command line, and what may have been meant."""
    option, context = getattr(error, "option_name", None), getattr(error, "ctx", None)
    if option is None or context is None or not hasattr(error, "possibilities"):
        return error.format_message()
    if hint := suggest(option, _list_options(context.command)):
        return f"No such option: {option}{hint}"
    commands = getattr(context.command, "commands", {})
    own = [name for name, command in commands.items() if option in _list_options(command)]
    before = "run" if "run" in own else next(iter(own), None)
    return f"No such option: {option}" + (f"; did you mean {name_command()} {before} {option}?" if before else "")


def _list_options(command: Any) -> list[str]:
    """The names of a command's options, long ones with their dashes."""
    return [name for each in command.params for name in each.opts if name.startswith("--")]


def name_command() -> str:
    """The command as it can be given where this one was: `harness`, or the path of it that is not on PATH."""
    called = Path(sys.argv[0])
    if called.name != "harness":
        return f"{sys.executable} -m harness"
    found = shutil.which("harness")
    return "harness" if found and Path(found).resolve() == called.resolve() else str(called)


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
