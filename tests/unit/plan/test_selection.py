"""Options that a selection refuses, as what they ask for would not be sent."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest

from harness.model.errors import UsageError
from harness.model.plan import REFERENCE_APP, Candidate
from harness.model.targets import Revision
from harness.plan.contradictions import check_network
from harness.plan.options import read_settings
from harness.plan.selection import select

OWN = {"locustfile": "own.py"}
WORKERS = {"load_workers": "2", "listen": "127.0.0.1:5557"}
THERE = {"server_host": "ssh://ann@10.0.0.2", "bind": "10.0.0.2"}
ETH0 = {"interface": "eth0"}
LINK = "--interface: expected --server-host or --load-workers with it"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"login": "ann:horse-9"}, "--login: expected a method, a path and a body such as POST /login user=ann&passw"),
        ({"login": "POST /in pw=horse-9", **OWN}, "--login: expected neither --locustfile nor --scenarios with it"),
        ({"login": "POST /in pw=horse-9", "scenarios": "json"}, "--login: expected neither --locustfile nor"),
        ({"header": ["X-Tenant: t1"], **OWN}, "--header: expected none with custom Locust users"),
        ({"compression": "gzip", **OWN}, "--compression: expected none with custom Locust users"),
        ({"compression": "zstd"}, "--compression: "),
        ({"load": "sweep", "prefer": "cpu"}, "--prefer: expected --load saturate, rate or capacity with it, found swe"),
        (
            {"load": "sweep", "with_reference": "on"},
            "--with-reference: expected --load saturate or rate with it",
        ),
        ({"prefer": "speed"}, "--prefer: expected throughput, p99, cpu or memory, found speed"),
        ({"with_reference": "yes"}, "--with-reference: expected on, off or auto, found yes"),
        ({"load_workers": "2"}, "--load-workers: expected --listen ADDRESS:PORT with it, found none"),
        ({"listen": "127.0.0.1:5557"}, "--listen: expected --load-workers with it, found none"),
        ({"allow_missing_workers": True}, "--allow-missing-workers: expected --load-workers with it, found none"),
        ({**WORKERS, "listen": "0.0.0.0:5557"}, "--listen: expected one address of this host, found 0.0.0.0"),
        ({**WORKERS, "listen": "5557"}, "--listen: expected an address and a port such as 10.0.0.1:5557, found '5557'"),
        ({**WORKERS, "load_processes": "2"}, "found --load-processes 2"),
        ({**WORKERS, "users": "3", **OWN}, "--users: expected multiples of --load-workers, 2, with own.py, found 3"),
        ({**WORKERS, "allow_missing_workers": True, **OWN}, "--allow-missing-workers: expected it without own.py"),
        (
            {**WORKERS, "url": ["ours=http://127.0.0.1:9"], "servers": "ours"},
            "--url ours: expected an address that load workers on other hosts reach, found 127.0.0.1",
        ),
        ({"protocols": "h2", **OWN}, "expected any of h1 for own.py, since Locust's own users speak HTTP/1.1 in clear"),
    ],
)
def test_what_would_not_be_sent_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, str | bool | list[str]], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("shop.py").write_text("")
    Path("own.py").write_text("from locust import HttpUser\nclass Own(HttpUser):\n    pass\n")
    with pytest.raises(UsageError) as caught:
        select(read_settings({"app": "shop:app", "servers": "uvicorn", **options}, None), print, make=False)
    assert message in str(caught.value)
    assert "horse-9" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rtt": "20ms"}, "--rtt: expected --netns or --interface with it, found neither"),
        ({"loss": "1%", **THERE}, "--loss: expected --netns or --interface with it, found neither"),
        (
            {**ETH0, "rtt": "20ms"},
            f"{LINK}, found neither; --netns makes a distance on one machine",
        ),
        (
            {**ETH0, "rtt": "20ms", **THERE, **WORKERS},
            f"{LINK}, found both",
        ),
        ({"netns": True, **WORKERS}, "--netns: expected load and servers on this host, found --load-workers"),
        ({"netns": True, **THERE}, "--netns: expected load and servers on this host, found --server-host"),
        ({"netns": True, **ETH0}, "--netns: expected load and servers on this host, found --interface"),
    ],
)
def test_a_distance_needs_a_link_that_can_have_one(options: dict[str, str | bool], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        check_network(read_settings(options, None))
    assert str(raised.value) == message


@pytest.mark.parametrize(
    "options",
    [
        {},
        {**ETH0, **THERE, "rtt": "0,20ms"},
        {**ETH0, **THERE, "rtt": "0ms"},
        {**ETH0, **WORKERS, "loss": "0.1%"},
        {"netns": True, "rtt": "20ms"},
        THERE,
        WORKERS,
    ],
)
def test_a_distance_is_made_where_something_is_in_between(options: dict[str, str | bool]) -> None:
    check_network(read_settings(options, None))


@pytest.mark.parametrize("link", ["netns", "interface"])
def test_a_server_that_runs_already_is_not_at_a_distance(link: str) -> None:
    given = {"netns": {"netns": True}, "interface": {**ETH0, "rtt": "20ms"}}[link]
    settings = read_settings({**given, "url": ["ours=http://127.0.0.1:9"], "servers": "ours"}, None)
    with pytest.raises(UsageError, match=rf"^--{link}: expected servers that are started for it, found ours, which"):
        select(settings, print, make=False)


@pytest.mark.parametrize(
    ("options", "levels"),
    [
        ({}, {"wait": (512,), "upload": (8,), "json": (32,)}),
        ({"users": "4,8"}, {"wait": (4, 8), "upload": (4, 8), "json": (4, 8)}),
    ],
)
def test_a_scenario_has_its_own_number_of_users_unless_one_is_asked_for(
    options: dict[str, str], levels: dict[str, tuple[int, ...]]
) -> None:
    given = {"servers": "uvicorn", "scenarios": ",".join(levels), **options}
    selection = select(read_settings(given, None), print, make=False)
    assert {each.name: selection.levels(each) for each in selection.scenarios} == levels


def test_headers_go_with_the_users_of_a_file_that_is_built_on_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("shop.py").write_text("")
    Path("own.py").write_text("from harness.load import HttpScenario\n")
    given = {"app": "shop:app", "servers": "uvicorn", "header": ["X-Tenant: t1"], "compression": "br", **OWN}
    selection = select(read_settings(given, None), print, make=False)
    assert [each.headers for each in selection.scenarios] == [(("x-tenant", "t1"),)]
    assert selection.conditions.compression == "br"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"app": "shop:app"}, True),
        ({"app": "shop:app", "with_reference": "off"}, False),
        ({"app": "shop:app", "load": "capacity=p99<50ms"}, False),
        ({"apps": "asgi"}, False),
        ({"apps": "asgi", "with_reference": "on"}, True),
    ],
)
def test_a_user_app_is_measured_beside_the_reference_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str | list[str]], wanted: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("shop.py").write_text("")
    options = {"servers": "uvicorn", "scenarios": "plaintext", "env": ["SHOP=1"], **given}
    selection = select(read_settings(options, None), print, make=False)
    assert (selection.reference is not None) is wanted
    if selection.reference is not None:
        assert selection.reference.app.name == REFERENCE_APP
        assert selection.reference.app.environment["SHOP"] == "1"
        assert not {each.name for each in selection.reference.scenarios} & {each.name for each in selection.scenarios}


def revisions_of(folder: Path) -> list[tuple[Revision, str | None]]:
    """A base, and the head in the working directory."""
    return [
        (Revision("base", "1a2b", folder / "base", folder / "head"), sys.executable),
        (Revision("head", "3c4d", folder / "head", folder / "head"), None),
    ]


def test_two_revisions_are_two_apps_of_the_same_names_and_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("base", "head"):
        (tmp_path / name / "api" / "src").mkdir(parents=True)
        (tmp_path / name / "api" / "src" / "shop.py").write_text("")
    monkeypatch.chdir(tmp_path / "head" / "api")
    options = {"app": "shop:app", "app_dir": "src", "servers": "uvicorn,granian", "scenarios": "plaintext"}
    given = read_settings({**options, "header": ["X-Tenant: t1"]}, None)
    selection = select(given, print, make=False, revisions=revisions_of(tmp_path))
    base, head = selection.apps
    assert [(each.name, each.target, each.commit) for each in selection.apps] == [
        ("base", "shop:app", "1a2b"),
        ("head", "shop:app", "3c4d"),
    ]
    assert (base.directory, head.directory) == (tmp_path / "base/api/src", tmp_path / "head/api/src")
    assert (base.working_directory, head.working_directory) == (tmp_path / "base/api", tmp_path / "head/api")
    assert (base.python, head.python) == (sys.executable, None)
    assert base.headers == head.headers == (("x-tenant", "t1"),)
    assert selection.baseline == Candidate("uvicorn", "base")


def test_an_app_that_only_one_revision_has_is_refused_though_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("base", "head"):
        (tmp_path / name).mkdir()
    (tmp_path / "head" / "typer.py").write_text("")
    monkeypatch.chdir(tmp_path / "head")
    given = read_settings({"app": "typer:app", "servers": "uvicorn", "scenarios": "plaintext"}, None)
    with pytest.raises(
        UsageError, match=r"--app: expected typer in --app-dir .*/base \(base, 1a2b\), found no typer.py"
    ):
        select(given, print, make=False, revisions=revisions_of(tmp_path))
    elsewhere = msgspec.structs.replace(given, app_dir=str(tmp_path))
    with pytest.raises(UsageError, match=r"--app-dir: expected a folder in .*/head, found "):
        select(elsewhere, print, make=False, revisions=revisions_of(tmp_path))


def test_a_server_that_displaces_another_one_gets_an_environment_of_its_own_but_not_with_a_user_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("shop.py").write_text("")
    options = {"servers": "hypercorn,nonecorn", "scenarios": "plaintext"}
    hypercorn, nonecorn = select(read_settings(options, None), print, make=False).servers
    assert (nonecorn.name, nonecorn.displaces, hypercorn.python) == ("nonecorn", "hypercorn", None)
    assert nonecorn.python is not None
    assert f"/nonecorn-{nonecorn.version}-" in nonecorn.python
    selection = select(read_settings({**options, "app": "shop:app"}, None), print, make=False)
    assert [each.python for each in selection.servers] == [None, None]
    assert selection.not_installed["nonecorn"].endswith(", which takes the place of hypercorn")


def test_an_environment_that_cannot_be_made_leaves_its_server_out_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    said: list[str] = []
    selection = select(read_settings({"servers": "nonecorn", "scenarios": "plaintext"}, None), said.append)
    (line,) = selection.not_installed.values()
    assert line.startswith("not installed: expected to write nonecorn's environment to ")
    assert "\n" not in line
    assert [each.partition(":")[0] for each in said] == ["nonecorn"]
