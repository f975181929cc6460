"""Two revisions beside each other, in repositories made with git."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.host.worktrees import check_out
from harness.model.errors import UsageError
from tests.repositories import commit, git


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of two commits, in whose folder `api` the command is given."""
    folder = tmp_path / "shop"
    commit(folder, {"api/main.py": "one", "requirements.txt": "starlette"})
    commit(folder, {"api/main.py": "two"})
    monkeypatch.chdir(folder / "api")
    return folder


def test_the_base_is_in_a_worktree_and_the_head_is_the_working_directory_as_it_is(shop: Path) -> None:
    (shop / "api" / "main.py").write_text("three")
    (shop / ".git" / "hooks" / "post-checkout").write_text("#!/bin/sh\ntouch hooked\n")
    (shop / ".git" / "hooks" / "post-checkout").chmod(0o700)
    with check_out("HEAD^", None) as found:
        base, head = found.base, found.head
        assert [(each.name, (each.place(Path()) / "main.py").read_text()) for each in (base, head)] == [
            ("base", "one"),
            ("head", "three"),
        ]
        assert (base.commit, head.commit) == (
            git(shop, "rev-parse", "HEAD^")[:12],
            git(shop, "rev-parse", "HEAD")[:12] + "-dirty",
        )
        assert not (base.top / "hooked").exists()
        assert found.requirements == ()
    assert not base.top.exists()
    assert len(git(shop, "worktree", "list").splitlines()) == 1
    assert (shop / "api" / "main.py").read_text() == "three"


def test_both_can_be_commits_and_files_that_name_other_packages_are_found(shop: Path) -> None:
    commit(shop, {"api/requirements/base.txt": "fastapi", "requirements.txt": "fastapi", "api/main.py": "three"})
    with check_out("HEAD~2", "HEAD~0") as found:
        assert [(each.place(Path()) / "main.py").read_text() for each in (found.base, found.head)] == ["one", "three"]
        assert found.head.top != shop
        assert found.requirements == ("api/requirements/base.txt", "requirements.txt")


def test_submodules_are_those_of_the_commit(shop: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    commit(library, {"prices.py": "old"})
    git(shop, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library), "api/library")
    git(shop, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library), "not here")
    commit(shop, {})
    git(shop, "submodule", "--quiet", "deinit", "--force", "not here")
    commit(shop / "api" / "library", {"prices.py": "new"})
    with check_out("HEAD", None) as found:
        own = [(each.place(Path()) / "library" / "prices.py").read_text() for each in (found.base, found.head)]
        assert own == ["old", "new"]
        assert list((found.base.top / "not here").iterdir()) == []
    assert not found.base.top.exists()
    for each in (shop, shop / "api" / "library"):
        assert len(git(each, "worktree", "list").splitlines()) == 1


def test_what_a_run_that_was_killed_left_in_the_repository_is_removed(shop: Path, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "harness-1.2.3-x" / "base", tmp_path / "on-a-stick"
    for place in (ours, theirs):
        git(shop, "worktree", "add", "--quiet", "--detach", str(place), "HEAD")
        place.rename(place.with_name("gone"))
    with check_out("HEAD^", None):
        pass
    left = git(shop, "worktree", "list", "--porcelain")
    assert (str(ours) in left, str(theirs) in left) == (False, True)


@pytest.mark.parametrize(
    ("base", "head", "message"),
    [
        ("nowhere", None, "--base: expected a commit, branch or tag of {shop}, found no nowhere"),
        ("--help", None, "--base: expected a commit, branch or tag of {shop}, found no --help"),
        ("HEAD^", "nowhere", "--head: expected a commit, branch or tag of {shop}, found no nowhere"),
        ("HEAD", None, "--base: expected another revision than that of the app as it is, found both to be {commit}"),
        ("HEAD", "main", "--base: expected another revision than that of the app as it is, found both to be {commit}"),
    ],
)
def test_what_is_no_revision_or_the_same_is_refused(shop: Path, base: str, head: str | None, message: str) -> None:
    with pytest.raises(UsageError) as error, check_out(base, head):
        pass
    assert str(error.value) == message.format(shop=shop, commit=git(shop, "rev-parse", "HEAD")[:12])


def test_a_shallow_clone_says_that_it_may_lack_the_revision(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{shop}", "clone")
    monkeypatch.chdir(tmp_path / "clone")
    with (
        pytest.raises(UsageError, match=r"found no HEAD\^1; this clone is shallow.*fetch-depth"),
        check_out("HEAD^1", None),
    ):
        pass


def test_outside_a_repository_there_are_no_revisions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with (
        pytest.raises(UsageError, match=r"--base: expected git rev-parse to work in .*not a git repository"),
        check_out("a", None),
    ):
        pass
