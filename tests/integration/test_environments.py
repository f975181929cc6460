"""Environments of their own for versions of a server: made once by pip, kept, and gone when pip fails."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from harness import environments, packages
from harness.model import App, Server, UsageError

TOY = Server("toy", ("toyserver", "toy-parser"), frozenset({"h1"}), lambda _: [])


def wheel(folder: Path, name: str, version: str) -> None:
    """A distribution that pip can install and that holds nothing."""
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", "")
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip installs from, and nothing else; the cache is this test's own."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for version in ("1.0", "2.0"):
        wheel(folder, "toyserver", version)
    wheel(folder, "toy_parser", "7")
    wheel(folder, "toyframework", "3")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def test_a_version_gets_an_environment_with_what_the_server_and_the_apps_need_and_keeps_it(index: Path) -> None:
    app = App("shop", "shop:app", Path(), requires=("toyframework",))
    entry = environments.at_version(TOY, "1.0", [app])
    assert (entry.name, entry.version) == ("toy@1.0", "1.0")
    assert entry.python is not None
    installed = packages.installed(entry.python)
    assert {name: installed[name] for name in ("toyserver", "toy-parser", "toyframework")} == {
        "toyserver": "1.0",
        "toy-parser": "7",
        "toyframework": "3",
    }
    assert packages.lacking(TOY.requires, entry.python) == []
    for path in index.iterdir():
        path.unlink()
    assert environments.at_version(TOY, "1.0", [app]) == entry


def test_a_version_that_pip_cannot_install_is_a_usage_error_and_leaves_nothing(index: Path) -> None:
    assert index.is_dir()
    with pytest.raises(
        UsageError, match=r"\A--servers: expected a version of toy that pip can install, found 9\.9: ERROR"
    ) as caught:
        environments.at_version(TOY, "9.9", [])
    assert "\n" not in str(caught.value)
    assert list(environments.folder().iterdir()) == []


def test_others_are_pinned_to_what_is_installed_here() -> None:
    server = Server("a", ("a>=1", "pytest", "toyparser>=2"), frozenset({"h1"}), lambda _: [])
    assert environments.requirements(server, "1.5", []) == ["a==1.5", f"pytest=={pytest.__version__}", "toyparser>=2"]


def test_an_interpreter_that_does_not_answer_has_no_packages() -> None:
    assert packages.installed("/nowhere/python") == {}
