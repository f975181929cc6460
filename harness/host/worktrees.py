"""Two revisions of an app's repository side by side: a commit has a worktree of its own as long as it is measured."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from harness.host import guard
from harness.model.errors import UsageError
from harness.model.targets import Revision

if TYPE_CHECKING:
    from collections.abc import Iterator

BASE, HEAD = "base", "head"
_SUBMODULE = "160000 commit "
"""So git lists a submodule (gitmodules(5), git-ls-tree(1))."""
_DIGITS = 12
"""Of a commit's name."""
_REQUIREMENTS = (
    *("*requirements*.txt", "*requirements*.in", "requirements/*.txt", "constraints*.txt", "pylock*.toml", "*.lock"),
    *("pyproject.toml", "setup.py", "setup.cfg", "Pipfile", "environment.yml", "environment.yaml"),
)
"""Files that name the packages that an app needs."""


@dataclass(frozen=True)
class Revisions:
    """What is compared, and which files say that it needs other packages."""

    base: Revision
    head: Revision
    requirements: tuple[str, ...]
    """Files that name packages and are not the same in both."""


@contextmanager
def check_out(base: str, head: str | None) -> Iterator[Revisions]:
    """The revision `base` and the revision `head`, or the files of the working directory as they are, for the block.

    Raises `UsageError` for what is no revision, and for two that are the same.
    """
    top = Path(_git(Path.cwd(), "rev-parse", "--show-toplevel", option="--base"))
    named = {BASE: _find_commit(top, BASE, base)}
    if head is None:
        # Without tags, which would tell the name of another commit.
        now = _git(top, "describe", "--always", "--dirty", f"--abbrev={_DIGITS}", "--exclude=*", option="--base")
    else:
        now = named[HEAD] = _find_commit(top, HEAD, head)
    if named[BASE] == now:
        raise UsageError(f"--base: expected another revision than that of the app as it is, found both to be {now}")
    range_ = [named[BASE], *([now] if head is not None else [])]
    patterns = [f":(glob,top)**/{each}" for each in _REQUIREMENTS]
    changed = _git(top, "diff", "--name-only", *range_, "--", *patterns, option="--base")
    with ExitStack() as stack:
        found = {name: stack.enter_context(_worktree(top, name, commit)) for name, commit in named.items()}
        here = Revision(HEAD, now, top, top)
        yield Revisions(found[BASE], found.get(HEAD, here), tuple(changed.splitlines()))


def _find_commit(top: Path, name: str, revision: str) -> str:
    option = f"--{name}"
    given = f"{revision}^{{commit}}"
    try:
        full = _git(top, "rev-parse", "--verify", "--quiet", "--end-of-options", given, option=option)
    except UsageError:
        shallow = _git(top, "rev-parse", "--is-shallow-repository", option=option) == "true"
        hint = "; this clone is shallow, so fetch more of its history (fetch-depth)" if shallow else ""
        raise UsageError(f"{option}: expected a commit, branch or tag of {top}, found no {revision}{hint}") from None
    return full[:_DIGITS]


@contextmanager
def _worktree(top: Path, name: str, commit: str) -> Iterator[Revision]:
    with guard.temporary_folder() as folder, _checked_out(top, folder / name, commit, f"--{name}"):
        yield Revision(name, commit, folder / name, top)


@contextmanager
def _checked_out(top: Path, place: Path, commit: str, option: str) -> Iterator[None]:
    """Check out a commit at a place for the block, and its submodules as far as the working directory has them."""
    _forget_removed(top)
    # Hooks are made for people who change branches.
    no_hooks = ("-c", "core.hooksPath=/dev/null")
    _git(top, *no_hooks, "worktree", "add", "--quiet", "--detach", str(place), commit, option=option)
    try:
        with ExitStack() as stack:
            for path, inner in _list_submodules(top, commit, option):
                stack.enter_context(_checked_out(top / path, place / path, inner, option))
            yield
    finally:
        with suppress(UsageError):
            _git(top, "worktree", "remove", "--force", str(place), option=option)


def _list_submodules(top: Path, commit: str, option: str) -> Iterator[tuple[str, str]]:
    """List path and commit of the submodules of a commit that can be checked out without being fetched."""
    for line in _git(top, "ls-tree", "-r", "-z", commit, option=option).split("\0"):
        described, _, path = line.partition("\t")
        if not described.startswith(_SUBMODULE) or not (top / path / ".git").exists():
            continue
        inner = described.split()[-1]
        try:
            _git(top / path, "cat-file", "-e", f"{inner}^{{commit}}", option=option)
        except UsageError:
            continue  # it would have to be fetched
        yield path, inner


def _forget_removed(top: Path) -> None:
    """Have git forget the worktrees of runs that were killed, whose folders a guard has removed; and no other."""
    for line in _git(top, "worktree", "list", "--porcelain", option="--base").splitlines():
        place = Path(line.removeprefix("worktree "))
        ours = any(
            folder.startswith(f"{guard.FOLDER}-") and name in {BASE, HEAD} for folder, name in pairwise(place.parts)
        )
        if ours and not place.exists():
            _git(top, "worktree", "remove", "--force", str(place), option="--base")


def _git(directory: Path, *arguments: str, option: str) -> str:
    """What git says; raises `UsageError` with its last words where it fails."""
    try:
        done = subprocess.run(
            ["git", "-C", str(directory), *arguments],  # noqa: S607 - git is where it is
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise UsageError(f"{option}: expected git, found {error}") from error
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise UsageError(f"{option}: expected git {arguments[0]} to work in {directory}, found {said}")
    return done.stdout.strip()
