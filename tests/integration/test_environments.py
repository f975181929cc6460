"""Environments for versions of a server: made once by pip, kept, and removed when pip fails."""

from __future__ import annotations

import platform
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.catalog import environments, packages
from harness.model.errors import UsageError
from harness.model.targets import App, Server

TOY = Server("toy", ("toyserver", "toy-parser"), frozenset({"h1"}), lambda _: [])


def wheel(folder: Path, name: str, version: str, *needs: str, main: str | None = None) -> None:
    """A distribution that pip can install and that holds nothing, or what runs as its module."""
    info = f"{name}-{version}.dist-info"
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    metadata += [f"Requires-Dist: {each}" for each in needs]
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", "") if main is None else file.writestr(f"{name}/__main__.py", main)
        file.writestr(f"{info}/METADATA", "\n".join(metadata) + "\n")
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder that pip installs from; each test has an empty cache."""
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


@pytest.mark.long
def test_the_environment_of_a_version_has_what_the_server_and_the_apps_need_and_is_kept(index: Path) -> None:
    app = App("shop", "shop:app", Path(), requires=("toyframework",))
    entry = environments.at_version(TOY, "1.0", [app])
    environments.make(entry, [app])
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
    environments.make(environments.at_version(TOY, "1.0", [app]), [app])
    assert packages.version("toyserver", entry.python) == "1.0"


@pytest.mark.long
def test_other_packages_have_the_versions_installed_here_as_far_as_pip_allows(index: Path) -> None:
    wheel(index, "pytest", pytest.__version__)
    wheel(index, "pytest", "999.0")
    wheel(index, "toyserver", "3.0", "pytest")
    wheel(index, "toyserver", "4.0", "pytest>=999")
    warnings: list[str] = []
    kept, newer = (environments.at_version(TOY, version, []) for version in ("3.0", "4.0"))
    for entry in (kept, newer):
        assert entry.python is not None
        environments.make(entry, [], say=warnings.append)
    assert packages.version("pytest", kept.python) == pytest.__version__
    assert packages.version("pytest", newer.python) == "999.0"
    (line,) = warnings
    assert line.startswith("toy@4.0: pip could not keep to the versions that are installed beside ")


@pytest.mark.parametrize("version", ["", "2.8.*", "1/../../x", ">=1", "latest"])
def test_an_invalid_version_is_a_usage_error(version: str) -> None:
    with pytest.raises(UsageError) as caught:
        environments.at_version(TOY, version, [])
    assert str(caught.value) == f"--servers: expected a version such as 2.8.6 after toy@, found {version or 'nothing'}"


@pytest.mark.long
def test_an_environment_is_made_once_if_several_need_it_at_the_same_time(index: Path) -> None:
    assert index.is_dir()
    entry = environments.at_version(TOY, "2.0", [])
    assert entry.python is not None
    with ThreadPoolExecutor() as pool:
        for each in [pool.submit(environments.make, entry, []) for _ in range(2)]:
            each.result()
    assert packages.version("toyserver", entry.python) == "2.0"


@pytest.mark.long
def test_a_version_that_pip_cannot_install_is_a_usage_error_and_leaves_no_files(index: Path) -> None:
    assert index.is_dir()
    with pytest.raises(
        UsageError, match=r"\A--servers: expected a version of toy that pip can install, found 9\.9: ERROR"
    ) as caught:
        environments.make(environments.at_version(TOY, "9.9", []), [])
    assert "\n" not in str(caught.value)
    assert list(environments.folder().iterdir()) == []


def test_other_requirements_are_pinned_to_the_versions_installed_here() -> None:
    server = Server("a", ("a>=1", "pytest", "toyparser>=2"), frozenset({"h1"}), lambda _: [])
    assert environments.requirements(server, "1.5", []) == ["a==1.5", f"pytest=={pytest.__version__}", "toyparser>=2"]


def test_an_interpreter_that_cannot_be_run_has_no_packages() -> None:
    assert packages.installed("/nowhere/python") == {}
    assert packages.interpreter("/nowhere/python") is None


def test_an_interpreter_is_described_by_its_version_and_its_build() -> None:
    described = packages.interpreter()
    assert described is not None
    assert described.startswith(f"{platform.python_implementation()} {platform.python_version()} (")
    assert described.endswith(f") [{platform.python_compiler()}]")
