"""The catalogue: an addition is a file in a folder, and an unknown name is an error that lists those there are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from harness.catalog import listing
from harness.model.errors import UsageError
from harness.model.protocols import PROTOCOLS, WEBSOCKET_PROTOCOLS
from harness.model.targets import App, Server

SCENARIO = '''"""GET /: one line.

And more.
"""
from locust import task

from harness.load import HttpScenario
'''

LIKE_THIS = "`from harness.load import HttpScenario, get` or the like"


def test_every_file_of_a_folder_is_an_entry() -> None:
    assert {app.name for app in listing.apps()} == {path.stem for path in listing.folder("apps").glob("[!_]*.py")}
    named = {scenario.name for scenario in listing.scenarios()}
    assert named == {path.stem for path in listing.folder("scenarios").glob("[!_]*.py")}


def test_names_of_servers_are_unique() -> None:
    names = [server.name for server in listing.servers()]
    assert len(names) == len(set(names))


def test_every_chart_has_a_title_a_caption_and_a_draw_function() -> None:
    assert listing.charts()
    for module in listing.charts():
        assert module.TITLE
        assert module.__doc__
        assert callable(module.draw)


def test_a_scenario_can_use_all_protocols_of_http_unless_it_names_others(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(SCENARIO)
    scenario = listing.read_scenario(path)
    assert (scenario.name, scenario.summary) == ("mine", "GET /: one line.")
    assert scenario.protocols == set(PROTOCOLS) - WEBSOCKET_PROTOCOLS
    path.write_text(SCENARIO + 'PROTOCOLS = ("ws",)\n')
    assert listing.read_scenario(path).protocols == {"ws"}


@pytest.mark.parametrize(
    ("bases", "web_socket"),
    [
        (["WebSocketScenario"], True),
        (["load.WebSocketScenario", "Mixin"], True),
        (["HttpScenario"], False),
        (["WebSocketScenario", "HttpScenario"], False),
    ],
)
def test_a_scenario_of_websocket_users_speaks_websocket(tmp_path: Path, bases: list[str], web_socket: bool) -> None:
    path = tmp_path / "mine.py"
    classes = "".join(f"class User{number}({base}):\n    pass\n" for number, base in enumerate(bases))
    path.write_text(SCENARIO + classes)
    assert listing.read_scenario(path).protocols == (
        WEBSOCKET_PROTOCOLS if web_socket else set(PROTOCOLS) - WEBSOCKET_PROTOCOLS
    )
    path.write_text(SCENARIO + classes + 'PROTOCOLS = ("ws",)\n')
    assert listing.read_scenario(path).protocols == {"ws"}


def test_a_file_without_our_users_can_use_http_1_1_in_clear_text_only(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("from locust import HttpUser\n")
    scenario = listing.read_scenario(path)
    assert (scenario.ours, scenario.protocols) == (False, {"h1"})


def test_a_scenario_is_read_and_not_run(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(SCENARIO + "raise SystemExit('was run')\n")
    listing.read_scenario(path)


def test_a_scenario_may_say_how_many_users_it_is_meant_for(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(SCENARIO)
    assert listing.read_scenario(path).users is None
    path.write_text(SCENARIO + "USERS = 512\n")
    assert listing.read_scenario(path).users == 512


NO_SCENARIOS = [
    *("def (", 'PROTOCOLS = ("h9",)', "PROTOCOLS = [name for name in ()]", "PROTOCOLS = 3"),
    *("USERS = 0", "USERS = -1", "USERS = 1.5", "USERS = True", "USERS = (8, 32)", "USERS = 2**9"),
]


@pytest.mark.parametrize("text", NO_SCENARIOS)
def test_a_file_that_cannot_be_a_scenario_is_a_usage_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"mine\.py: expected"):
        listing.read_scenario(path)


@pytest.mark.parametrize(
    ("statement", "found", "expected"),
    [
        ("import harness.load.users as users", "harness.load.users", LIKE_THIS),
        ("from harness import users", "harness.users", LIKE_THIS),
        ("from harness.model import Server", "harness.model", LIKE_THIS),
        ("def later():\n    from harness.users import HttpScenario", "harness.users", LIKE_THIS),
    ],
)
def test_a_scenario_that_imports_an_internal_module_is_an_error_that_names_the_line_and_the_new_import(
    tmp_path: Path, statement: str, found: str, expected: str
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(f"from locust import HttpUser\n\n{statement}\n")
    line = 3 + statement.count("\n")
    with pytest.raises(UsageError) as caught:
        listing.read_scenario(path)
    assert str(caught.value) == f"{path}, line {line}: expected {expected}, found {found}"


@pytest.mark.parametrize(
    "statement",
    [
        *("from harness.load import get", "import harness.load", "from harness import load", "import harnesses"),
        *("from harness.load.users import HttpScenario", "from harness.load.exchange import get, post"),
    ],
)
def test_a_scenario_may_import_what_the_load_room_exports(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(f"{statement}\n")
    assert listing.read_scenario(path).ours == ("harnesses" not in statement)


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("from harness.life import Server", "No module named 'harness.life'"),
        ("from harness.model import Contestant", "cannot import name 'Contestant' from 'harness.model'"),
    ],
)
def test_a_server_file_that_imports_what_has_moved_is_an_error_of_one_line_that_names_the_new_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str, found: str
) -> None:
    monkeypatch.setattr("harness.servers.__path__", [str(tmp_path)])
    listing.servers.cache_clear()
    (tmp_path / "mine.py").write_text(f"\n{statement}\n")
    with pytest.raises(UsageError) as caught:
        listing.servers()
    text = str(caught.value)
    expected = f"{tmp_path}/mine.py, line 2: expected `from harness.model import Launch, Server` or the like, found: "
    assert text.startswith(expected + found)
    assert "\n" not in text


def test_an_app_without_constants_answers_all_scenarios_and_requires_nothing(tmp_path: Path) -> None:
    path = tmp_path / "apps" / "mine.py"
    path.parent.mkdir()
    path.write_text("raise SystemExit('was run')\n")
    app = listing.read_app(path)
    assert (app.name, app.target, app.directory) == ("mine", "apps.mine:app", tmp_path)
    assert (app.scenarios, app.requires, app.wsgi_target, app.on_trio) == (None, (), None, frozenset())


def test_an_app_names_its_scenarios_its_requirements_and_its_wsgi_callable(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text('SCENARIOS = ("json",)\nREQUIRES: tuple[str, ...] = ("web>=2", "asgiref")\nWSGI_TWIN = "a.b:c"\n')
    app = listing.read_app(path)
    assert (app.scenarios, app.requires, app.wsgi_target) == ({"json"}, ("web>=2", "asgiref"), "a.b:c")


def test_an_app_names_the_scenarios_that_it_can_answer_without_asyncio(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text('ON_TRIO = ("json", "echo")\n')
    assert listing.read_app(path).on_trio == {"json", "echo"}


@pytest.mark.parametrize(
    "text",
    [
        "def (",
        "\0",
        'SCENARIOS = ("json")',
        "SCENARIOS = (1,)",
        "SCENARIOS = tuple(names)",
        'REQUIRES = "flask"',
        'REQUIRES = ["flask"]',
        'WSGI_TWIN = "apps.flask"',
        'WSGI_TWIN = ":app"',
        "WSGI_TWIN = app",
    ],
)
def test_a_file_that_cannot_be_an_app_is_a_usage_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"mine\.py: expected"):
        listing.read_app(path)


def test_apps_name_existing_scenarios_and_valid_requirements() -> None:
    named = {scenario.name for scenario in listing.scenarios()}
    for app in listing.apps():
        assert app.scenarios is None or app.scenarios <= named
        assert app.on_trio is not None
        assert app.on_trio <= named
        for requirement in app.requires:
            Requirement(requirement)


def test_entries_are_chosen_in_the_order_of_the_names_and_once() -> None:
    chosen = listing.choose("servers", listing.servers(), ["granian", "uvicorn", "granian"])
    assert [server.name for server in chosen] == ["granian", "uvicorn"]


def test_all_chooses_every_entry_in_the_order_of_the_catalogue() -> None:
    assert listing.choose("servers", listing.servers(), ["all"]) == listing.servers()


def test_all_beside_other_names_is_no_name() -> None:
    with pytest.raises(UsageError, match=r"found 'all'"):
        listing.choose("servers", listing.servers(), ["uvicorn", "all"])


def test_entries_that_are_names_themselves_are_chosen_the_same_way() -> None:
    assert listing.choose("protocols", PROTOCOLS, ["h2", "h1", "h2"]) == ("h2", "h1")


def test_an_unknown_name_is_an_error_that_lists_the_names_there_are() -> None:
    with pytest.raises(UsageError, match=r"--servers: expected any of .*daphne, .*granian, .*, found 'cherokee'\Z"):
        listing.choose("servers", listing.servers(), ["uvicorn", "cherokee"])


def test_an_unknown_name_that_is_close_to_one_there_is_suggests_it() -> None:
    with pytest.raises(UsageError, match=r"found 'uvicron'; did you mean uvicorn\?\Z"):
        listing.choose("servers", listing.servers(), ["uvicron"])


def test_one_entry_is_found_by_its_name_and_all_is_no_name_of_one() -> None:
    assert listing.find("server", listing.servers(), "granian").name == "granian"
    with pytest.raises(UsageError, match=r"--server: expected any of .*, found 'all'"):
        listing.find("server", listing.servers(), "all")


def test_a_server_without_what_one_protocol_needs_speaks_the_others() -> None:
    server = Server(
        "web",
        ("pytest",),
        protocols=frozenset({"h1", "h2"}),
        command=lambda _: [],
        unsupported={"h3": "no"},
        requires_for={"h2": ("absent-h2",)},
    )
    possible = listing.keep_possible(server)
    assert possible.protocols == {"h1"}
    assert possible.unsupported["h3"] == "no"
    assert possible.unsupported["h2"].startswith("not installed: absent-h2; ")
    assert listing.not_installed([possible]) == {}
    complete = replace(server, requires_for={"h2": ("pytest",)})
    assert listing.keep_possible(complete).protocols == {"h1", "h2"}


def test_a_message_on_what_is_not_installed_has_the_command_that_installs_it() -> None:
    absent = Server("absent", ("absent-server>=2", "pytest"), frozenset(), lambda _: [])
    present = Server("present", ("pytest",), frozenset(), lambda _: [])
    app = App("shop", "shop:app", Path(), requires=("absent-framework>=3",))
    found = listing.not_installed([absent, present, app])
    assert set(found) == {"absent", "shop"}
    for name, needed in (("absent", "absent-server>=2"), ("shop", "absent-framework>=3")):
        assert found[name].startswith(f"not installed: {needed}; ")
        assert found[name].endswith(f" -m pip install '{needed}'")
