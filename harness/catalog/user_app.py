"""Finds a user app, named `module:attribute`, without importing it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path, PurePath

from harness.catalog import listing, packages
from harness.model.errors import UsageError
from harness.model.targets import App, Revision

_FACTORY = Path(__file__).parents[1] / "servers" / "_runners" / "factory" / "made_by_factory.py"

FACTORY = "HARNESS_FACTORY"
"""The environment variable that names the callable which returns the app."""


def find_user_app(
    target: str,
    directory: Path,
    ready_path: str = "/",
    *,
    python: str = sys.executable,
    factory: bool = False,
    import_path: str | None = None,
    option: str = "app",
    revision: Revision | None = None,
) -> App:
    """A user app, named `module:attribute`; with `factory`, the attribute is called to make the app.

    It is imported from `directory`, from the folders of `import_path` (the PYTHONPATH of `--env`; None for that of this
    process), or from what is installed beside `python`. Its servers run in the current working
    directory, so that relative paths and `.env` files are found as usual, wherever the packages are. `option` is the
    one that names it.
    With a `revision`, the app and the working directory are those of the revision, and bear its name.
    Raises `UsageError` if the module is not found.
    """
    module, attribute = _split_target(target, option)
    current = Path.cwd()
    if revision is not None:
        try:
            directory, current = revision.place(directory), revision.place(current)
        except ValueError:
            found = f"{directory}, of which {revision.name} has no other state"
            raise UsageError(f"--app-dir: expected a folder in {revision.origin}, found {found}") from None
    if not directory.is_dir():
        raise UsageError(f"--app-dir: expected a folder, found no {directory}")
    if not ready_path.startswith("/"):
        raise UsageError(f"--ready-path: expected a path that begins with /, found {ready_path}")
    here = _is_in_folder(module, directory, python, import_path, option, revision)
    first = module.split(".")[0]
    # Servers import from their working directory first, where another module may have the same name.
    hidden = here and current != directory.resolve() and _holds(current, first)
    app = App(first, f"{module}:{attribute}", directory.resolve(), ready_path, runs_in=None if hidden else current)
    if revision is not None:
        app = replace(app, name=revision.name, commit=revision.commit)
    if not factory:
        return app
    environment = {FACTORY: app.target}
    return replace(app, target=f"{_FACTORY.stem}:app", imports_from=(_FACTORY.parent,), environment=environment)


def _is_in_folder(
    module: str, directory: Path, python: str, import_path: str | None, option: str, revision: Revision | None
) -> bool:
    """Is the module in the folder, and not beside `python`? Raises `UsageError` if it is in neither."""
    first, place = module.split(".", maxsplit=1)[0], directory.joinpath(*module.split("."))
    if place.with_suffix(".py").is_file() or place.is_dir():
        return True
    if revision is not None:
        raise UsageError(
            f"--{option}: expected {module} in --app-dir {directory} ({revision.name}, {revision.commit}), found no "
            f"{place.name}.py there; what is installed beside {python} is the same for both revisions"
        )
    if not packages.finds(module, python, directory, import_path):
        found = f"found no {place.name}.py there and no {first} installed beside {python}"
        source = directory / "src"
        hint = f"; --app-dir {source} has a {first}" if _holds(source, first) or (source / first).is_dir() else ""
        raise UsageError(f"--{option}: expected {module} in --app-dir {directory}, {found}{hint}")
    return False


def _split_target(target: str, option: str) -> tuple[str, str]:
    """Module and attribute of `module:attribute`; raises `UsageError` for any other form."""
    module, _, attribute = target.partition(":")
    path = PurePath(module.removesuffix(".py"))
    if path.name and ("/" in module or module.endswith(".py")):
        raise UsageError(
            f"--{option}: expected module:attribute, found a file; "
            f"write {_suggest_options(path, attribute or 'app').replace('--app ', f'--{option} ')}"
        )
    if not (module and attribute):
        known = target in {app.name for app in listing.apps()}
        hint = f"; --apps {target} measures the app of harness list" if known else ""
        raise UsageError(f"--{option}: expected module:attribute such as shop.main:app, found {target!r}{hint}")
    return module, attribute


def _suggest_options(path: PurePath, attribute: str) -> str:
    """The options that name the module in this file; `path` is without its suffix."""
    if path.is_absolute() or ".." in path.parts:
        return f"--app {path.name}:{attribute} --app-dir {path.parent}"
    if path.parts[0] == "src" and len(path.parts) > 1:
        return f"--app {'.'.join(path.parts[1:])}:{attribute} --app-dir src"
    return f"--app {'.'.join(path.parts)}:{attribute}"


def _holds(directory: Path, module: str) -> bool:
    """Does the folder have this module, or a package of this name with an `__init__.py`?"""
    return (directory / f"{module}.py").is_file() or (directory / module / "__init__.py").is_file()
