"""The options of commands: those that are settings, and those that several commands share."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.app import find_secrets
from harness.model.errors import HarnessError, UsageError
from harness.plan.options import list_options, read_settings
from harness.text.suggestions import suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from typer.models import OptionInfo

    from harness.plan.options import Option
    from harness.plan.settings import Settings

OneApp = Annotated[str, typer.Option("--app", help="App of the catalogue, or MODULE:CALLABLE.")]
OwnServers = Annotated[str, typer.Option(help="Comma-separated names from `harness list`, or all.", metavar="A,B")]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="Settings file to read instead of harness.toml.", show_default=False)
]
OutFolder = Annotated[Path, typer.Option(help="Folder for results.")]
Run = Annotated[Path, typer.Argument(help="Folder of a run.", metavar="RUN")]
AnyRun = Annotated[Path, typer.Argument(help="Folder of a run, of checks or of drills.", metavar="RUN")]
ByRequest = Annotated[bool, typer.Option("--by-request", help="Print the figures of each request too.")]
LATEST = Path("results/latest")
"""The run that a command is about if none is named."""


def file_option(name: str, help_: str) -> OptionInfo:
    """The option of this name for a file that is written at the end; its folder is there before anything begins."""

    def check(found: Path | None) -> Path | None:
        if found is not None and not found.absolute().parent.is_dir():
            raise UsageError(f"{name}: expected a file in a folder that exists, found {found}")
        return found

    option: OptionInfo = typer.Option(name, help=help_, metavar="FILE", callback=check)
    return option


def format_option(*formats: str) -> OptionInfo:
    """The option `--format`, which is one of these."""
    expected = f"{', '.join(formats[:-1])} or {formats[-1]}"

    def check(found: str) -> str:
        if found not in formats:
            raise UsageError(f"--format: expected {expected}, found {found}{suggest(found, formats)}")
        return found

    option: OptionInfo = typer.Option(
        "--format", help=f"What is printed: {expected}.", metavar="FORMAT", callback=check
    )
    return option


def choose_settings(*keys: str) -> list[Option]:
    """The options of these settings, in this order."""
    known = {option.key: option for option in list_options()}
    return [known[key] for key in keys]


def with_options(
    panel: str | None = None, **groups: Iterable[Option]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Put these options in place of the parameter of that name, which gets what was given for them, by key.

    The help lists them under the title `panel`, if there is one.
    """
    added = {
        name: {option.key: _make_parameter(option, panel) for option in options} for name, options in groups.items()
    }

    def decorate(run: Callable[..., None]) -> Callable[..., None]:
        def command(**given: Any) -> None:
            values = {name: {key: given.pop(key) for key in group} for name, group in added.items()}
            run(**values, **given)

        parameters: list[inspect.Parameter] = []
        for parameter in inspect.signature(run, eval_str=True).parameters.values():
            group = added.get(parameter.name, {parameter.name: parameter.replace(kind=parameter.KEYWORD_ONLY)})
            parameters += group.values()
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # inspect and typer read it
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        command.__name__, command.__doc__ = run.__name__, run.__doc__
        return command

    return decorate


def with_settings(run: Callable[[Settings], None]) -> Callable[..., None]:
    """Make a command with one option per setting; `run` gets the settings from options, file and defaults."""

    def command(given: dict[str, Any], config_file: ConfigFile = None) -> None:
        settings = read_settings(given, Path.cwd(), config_file)
        with hiding_secrets(settings):
            run(settings)

    command.__name__, command.__doc__ = run.__name__, run.__doc__
    return with_options(given=list_options())(command)


@contextmanager
def hiding_secrets(settings: Settings) -> Iterator[None]:
    """Mask what is secret in the messages of errors."""
    try:
        yield
    except HarnessError as error:
        error.args = (find_secrets(settings).mask(str(error)),)
        raise


def _make_parameter(option: Option, panel: str | None = None) -> inspect.Parameter:
    shown = typer.Option(
        f"--{option.key.replace('_', '-')}",
        help=option.help,
        metavar=None if option.flag else option.metavar,
        show_default=False,
        rich_help_panel=panel,
    )
    kind = bool if option.flag else list[str] if option.repeated else str
    annotation = Annotated[kind | None, shown]  # type: ignore[valid-type] # it is made for typer alone
    return inspect.Parameter(option.key, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
