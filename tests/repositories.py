"""Repositories of apps, for tests of revisions."""

from __future__ import annotations

import subprocess
from pathlib import Path

WHO = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com")


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *WHO, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(folder: Path, files: dict[str, str]) -> str:
    """Commit these files to the repository, which is made first if there is none; return the commit's short name."""
    if not (folder / ".git").exists():
        folder.mkdir(parents=True, exist_ok=True)
        git(folder, "init", "--quiet", "--initial-branch", "main")
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "A state of the app.")
    return git(folder, "rev-parse", "HEAD")[:12]
