"""Requirements that are missing beside an interpreter: not installed, or in a version that does not satisfy them."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from harness.catalog import listing, packages


@pytest.fixture
def python(tmp_path: Path) -> str:
    """An interpreter that has only the packages that a test puts beside it."""
    venv.create(tmp_path / "own", with_pip=False)
    return str(tmp_path / "own" / "bin" / "python")


def put(python: str, **versions: str) -> None:
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    )
    for name, version in versions.items():
        folder = Path(site.stdout.strip()) / f"{name}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


@pytest.mark.parametrize(
    ("version", "satisfies"),
    [("23.0.0", False), ("26.1.9", False), ("26.2rc1", False), ("26.2", True), ("27.0.0b1", True), ("our-build", True)],
)
def test_a_version_has_to_satisfy_the_requirement(python: str, version: str, *, satisfies: bool) -> None:
    put(python, gunicorn=version)
    assert packages.lacking(["gunicorn>=26.2"], python) == ([] if satisfies else ["gunicorn>=26.2"])


def test_a_message_on_what_is_missing_has_the_versions_found_and_the_command_that_installs_it(python: str) -> None:
    put(python, gunicorn="23.0.0", h2="4.4")
    assert packages.missing(["gunicorn>=26.2", "h2>=4.4", "uvloop"], python) == (
        f"not installed beside {python}: uvloop; gunicorn 23.0.0 found beside {python}, expected >=26.2; "
        f"{python} -m pip install 'gunicorn>=26.2' uvloop"
    )
    assert packages.missing(["gunicorn", "h2"], python) == ""


def test_a_command_for_this_interpreter_has_a_relative_path_if_that_is_shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Path(sysconfig.get_path("scripts"))
    command = f"{Path(sys.executable).name} -m pip install absent-server"
    monkeypatch.chdir(place.parent)
    assert packages.missing(["absent-server"]) == f"not installed: absent-server; bin/{command}"
    monkeypatch.chdir(Path(__file__).parent)
    assert packages.missing(["absent-server"]) == f"not installed: absent-server; {place}/{command}"


def test_the_message_on_a_server_without_its_extras_names_the_entry_that_needs_less(python: str) -> None:
    put(python, uvicorn="0.54.0", h11="0.16.0")
    uvicorn, h11, zttp = listing.choose("servers", listing.servers(), ["uvicorn", "uvicorn-h11", "uvicorn-zttp"])
    missing = listing.not_installed([uvicorn, h11, zttp], python)
    assert missing["uvicorn"].endswith("install uvloop httptools websockets; or choose uvicorn-h11, which needs less")
    assert missing["uvicorn-h11"].endswith("install websockets")
    assert missing["uvicorn-zttp"].endswith("install uvloop 'zttp>=0.0.35' websockets")


def test_an_entry_of_another_interface_is_not_suggested(python: str) -> None:
    put(python, granian="2.8.7")
    (granian,) = listing.choose("servers", listing.servers(), ["granian"])
    assert listing.not_installed([granian], python)["granian"].endswith("or choose granian-asyncio, which needs less")
