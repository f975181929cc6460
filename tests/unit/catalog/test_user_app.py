"""A user app is found where servers will find it, or the error says what to write."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.catalog.user_app import find_user_app
from harness.model.errors import UsageError


def test_a_user_app_is_found_and_gets_the_name_of_its_package(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "main.py").write_text("")
    app = find_user_app("shop.main:app", tmp_path)
    assert (app.name, app.target, app.directory, app.ready_body) == ("shop", "shop.main:app", tmp_path, None)


def test_a_user_app_runs_in_the_working_directory_unless_another_module_of_its_name_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src" / "shop").mkdir(parents=True)
    (tmp_path / "src" / "shop" / "main.py").write_text("")
    app = find_user_app("shop.main:app", Path("src"))
    assert (app.directory, app.runs_in) == (tmp_path / "src", tmp_path)
    (tmp_path / "shop.py").write_text("")
    assert find_user_app("shop.main:app", Path("src")).runs_in is None


def test_a_user_app_may_be_installed_and_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = tmp_path / "installed"
    (packages / "shop").mkdir(parents=True)
    (packages / "shop" / "__init__.py").write_text("raise SystemExit('was run')\n")
    (packages / "shop" / "main.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(packages))
    monkeypatch.chdir(tmp_path)
    assert find_user_app("shop.main:app", Path()).target == "shop.main:app"
    with pytest.raises(UsageError, match=r"found no other\.py there and no shop installed beside /"):
        find_user_app("shop.other:app", Path())


def test_a_user_app_is_found_in_the_python_path_that_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "shop.py").write_text("")
    assert find_user_app("shop:app", tmp_path, import_path=str(tmp_path / "lib")).target == "shop:app"
    with pytest.raises(UsageError, match=r"found no shop\.py there"):
        find_user_app("shop:app", tmp_path, import_path=str(tmp_path / "other"))


@pytest.mark.parametrize("attribute", ["make", "Shop.make", "Shop.Inner.make"])
def test_a_factory_may_be_an_attribute_of_a_class(tmp_path: Path, attribute: str) -> None:
    (tmp_path / "shop.py").write_text(
        "def make():\n    return 'the app'\n\n"
        "class Shop:\n    make = staticmethod(make)\n    class Inner:\n        make = staticmethod(make)\n"
    )
    app = find_user_app(f"shop:{attribute}", tmp_path, factory=True)
    folders = [str(tmp_path), *map(str, app.imports_from)]
    code = f"import sys; sys.path[:0] = {folders}; from {app.target.replace(':', ' import ')}; print(app)"
    environment = {**os.environ, **app.environment}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("the app\n", "")


def test_a_factory_of_a_user_app_is_called_by_a_module_that_every_server_can_serve(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("")
    app = find_user_app("shop:create_app", tmp_path, factory=True)
    assert (app.name, app.environment) == ("shop", {"HARNESS_FACTORY": "shop:create_app"})
    module, _, attribute = app.target.partition(":")
    assert attribute == "app"
    assert [(path / f"{module}.py").is_file() for path in app.imports_from] == [True]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("shop.main", "--app: expected module:attribute such as shop.main:app, found 'shop.main'"),
        ("fastapi", "found 'fastapi'; --apps fastapi measures the app of harness list"),
        ("shop.main:", "--app: expected module:attribute"),
        ("/", "--app: expected module:attribute"),
        (
            "nowhere:app",
            r"--app: expected nowhere in --app-dir .*, found no nowhere\.py there and no nowhere installed",
        ),
        ("shop/main.py:app", "--app: expected module:attribute, found a file; write --app shop.main:app"),
        ("./shop/main.py", "found a file; write --app shop.main:app"),
        ("src/shop/main.py:made", "found a file; write --app shop.main:made --app-dir src"),
        ("/srv/shop.py:app", "found a file; write --app shop:app --app-dir /srv"),
        ("../shop.py:app", r"found a file; write --app shop:app --app-dir \.\."),
        ("packaged.main:app", r"; --app-dir .*src has a packaged"),
    ],
)
def test_a_user_app_that_cannot_be_found_is_a_usage_error(tmp_path: Path, target: str, message: str) -> None:
    (tmp_path / "src" / "packaged").mkdir(parents=True)
    with pytest.raises(UsageError, match=message):
        find_user_app(target, tmp_path)


def test_a_user_app_needs_an_existing_folder_and_a_ready_path_that_begins_with_a_slash(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("")
    with pytest.raises(UsageError, match=r"--app-dir: expected a folder, found no .*nowhere"):
        find_user_app("shop:app", tmp_path / "nowhere")
    with pytest.raises(UsageError, match="--ready-path: expected a path that begins with /, found health"):
        find_user_app("shop:app", tmp_path, "health")
