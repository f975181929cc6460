"""A command of one's own: what it may hold, what is filled in, and which mistakes are named."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import trustme

from harness.catalog import listing, own_servers
from harness.model.errors import UsageError
from harness.model.protocols import PROTOCOLS
from harness.model.targets import Launch, RunsAt, Tls

TLS = Tls(Path("/run/chain.pem"), Path("/run/key.pem"), Path("/run/authority.pem"))
FILE = """
from harness.model import Launch, Server


def _command(launch: Launch) -> list[str]:
    return [*launch.module, "uvicorn", "--port", str(launch.port), launch.target]


SERVERS = (Server("quick", ("uvicorn",), frozenset({"h1"}), _command),)
"""


@pytest.mark.parametrize(
    ("text", "argv"),
    [
        ("ours=serve {address} {target}", ["serve", "127.0.0.1:80", "shop:app"]),
        ("ours=serve -h {host} -p{port} -w {workers}", ["serve", "-h", "127.0.0.1", "-p80", "-w", "3"]),
        ("ours={python} -m serve --bind={address}", ["/bin/python", "-m", "serve", "--bind=127.0.0.1:80"]),
        ("ours=serve 'two words' {port} 'a=\"b\"'", ["serve", "two words", "80", 'a="b"']),
        ("ours=serve {port} '{{\"a\": 1}}' $HOME *", ["serve", "80", '{"a": 1}', "$HOME", "*"]),
        ("ours=tls {port} {cert} {key}", ["tls", "80", "/run/chain.pem", "/run/key.pem"]),
        (" ours = serve {port}", ["serve", "80"]),
    ],
)
def test_a_command_is_split_without_a_shell_and_filled_in(text: str, argv: list[str]) -> None:
    server = own_servers.parse_command(text)
    assert server.name == "ours"
    assert server.command(Launch("127.0.0.1", 80, "shop:app", 3, TLS, "/bin/python")) == argv


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ours", "--server: expected NAME=COMMAND such as "),
        ("=serve {port}", "found nothing"),
        ("ours=", "--server ours: expected a command such as "),
        ("ours='' {port}", "--server ours: expected a command such as "),
        ("ours=serve {target}", "--server ours: expected {address}, or {port}, in the command, found serve {target}"),
        ("ours=serve {adress}", "found {adress} in {adress}"),
        ("ours=serve {port:5}", "found {port} in {port:5}"),
        ("ours=serve {port!r}", "found {port} in {port!r}"),
        ("ours=serve {} {port}", "found {} in {}"),
        ("ours=serve {port", "found {port ("),
        ("ours=serve {port} }", "found } ("),
        ("ours=serve '{port}", "--server ours: expected a command as in a shell"),
        ("ours=serve {port} {cert}", "--server ours: expected both {cert} and {key} in the command"),
        ("all=serve {port}", "expected a name of letters, digits, dots and hyphens, found all"),
        ("uvicorn-control=serve {port}", "found uvicorn-control"),
        ("../x=serve {port}", "found ../x"),
        ("a@2=serve {port}", "found a@2"),
        ("Grüße=serve {port}", "found Grüße"),
    ],
)
def test_a_mistake_in_a_command_is_named(text: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        own_servers.parse_command(text)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("table", "spoken"),
    [
        ({"command": "serve {port}"}, {"h1", "ws"}),
        ({"command": ["serve", "{port}", "{cert}", "{key}"]}, {"h1-tls", "ws-tls"}),
        ({"command": "serve {port}", "protocols": ["h2c"]}, {"h2c"}),
        ({"command": "serve {port}", "interface": "wsgi"}, {"h1"}),
        ({"command": "serve {port} {cert} {key}", "interface": "wsgi"}, {"h1-tls"}),
        ({"command": "serve {port} {cert} {key}", "protocols": ["h2", "h3"]}, {"h2", "h3"}),
    ],
)
def test_protocols_are_over_tls_if_the_command_takes_a_certificate(table: dict[str, object], spoken: set[str]) -> None:
    server = own_servers.read_table("ours", table, "servers.ours")
    assert server.protocols == spoken
    assert server.protocols | server.unsupported.keys() == set(PROTOCOLS)


def test_a_table_says_what_a_command_line_cannot(tmp_path: Path) -> None:
    table = {
        "command": "serve {port} {workers}",
        "env": {"MODE": "live"},
        "runs_in": str(tmp_path),
        "max_workers": 2,
        "interface": "wsgi",
    }
    server = own_servers.read_table("ours", table, "servers.ours")
    assert (server.environment, server.runs_in, server.max_workers) == ({"MODE": "live"}, tmp_path, 2)
    assert server.interface == "wsgi"


def test_a_command_without_workers_has_one() -> None:
    assert own_servers.parse_command("ours=serve {port}").max_workers == 1
    assert own_servers.parse_command("ours=serve {port} {workers}").max_workers is None


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("serve", "servers.ours: expected object of command, url"),
        ({"command": 3}, "servers.ours.command: expected str | array, found int"),
        ({"command": "serve {port}", "port": 1}, "servers.ours: object contains unknown field port"),
        ({"command": "serve {port}", "max_workers": 0}, "servers.ours.max_workers: expected int >= 1"),
        (
            {"command": "serve {port}", "protocols": ["h9"]},
            "servers.ours.protocols[0]: invalid enum value 'h9' of h1",
        ),
        ({"command": "serve {port}", "protocols": []}, "servers.ours.protocols: expected array of length >= 1"),
        ({"command": "serve {port}", "env": {"A": 1}}, "servers.ours.env[...]: expected str, found int"),
        ({"command": "serve {port}", "runs_in": "/nowhere"}, "servers.ours.runs_in: expected a folder, found no /nowh"),
        (
            {"command": "serve {port}", "protocols": ["h1", "h2"]},
            "servers.ours: expected {cert} and {key} in the command for h2, found serve {port}",
        ),
        (
            {"command": "serve {port} {cert} {key}", "protocols": ["h1"]},
            "servers.ours: expected no {cert} and {key} in the command for h1, found",
        ),
    ],
)
def test_a_mistake_in_a_table_is_named(table: object, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        own_servers.read_table("ours", table, "servers.ours")
    assert str(raised.value).startswith(message)


def test_commands_and_files_stand_behind_the_catalogue(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(FILE)
    (tmp_path / "_helper.py").write_text("SERVERS = 3")
    ours = own_servers.parse_command("ours=serve {port}")
    names = [server.name for server in own_servers.list_servers([ours], [str(tmp_path)])]
    assert names == [*(server.name for server in listing.servers()), "quick", "ours"]


@pytest.mark.parametrize(
    ("name", "why"), [("uvicorn", "the catalogue has one"), ("quick", "there are two"), ("twice", "there are two")]
)
def test_a_name_that_is_taken_is_refused(name: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(FILE)
    own = [own_servers.parse_command(f"{each}=serve {{port}}") for each in (name, "twice")]
    with pytest.raises(UsageError, match=f"--server: expected another name than {name}, because {why} of this name"):
        own_servers.list_servers(own, [str(tmp_path)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SERVERS = 3", "mine.py: expected SERVERS, a tuple of Server(…), found 3"),
        ("", "found None"),
        ("SERVERS = (1,)", "found (1,)"),
        ("\nimport nowhere_at_all", "mine.py, line 2: expected a file of servers, found ModuleNotFoundError"),
        ("SERVERS = (", "mine.py: expected a file of servers, found SyntaxError"),
        (FILE.replace("quick", "a,b"), "mine.py: expected a name of letters"),
    ],
)
def test_a_file_of_servers_that_is_none_is_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(UsageError) as raised:
        own_servers.list_servers([], [str(tmp_path)])
    assert message in str(raised.value)


def test_a_folder_of_servers_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match="--servers-from: expected a folder, found no nowhere"):
        own_servers.list_servers([], ["nowhere"])


@pytest.mark.parametrize(
    ("line", "requires"),
    [
        ("uvicorn --port {port}", ("uvicorn",)),
        ("/opt/bin/uvicorn --port {port}", ("uvicorn",)),
        ("{python} -m uvicorn --port {port}", ("uvicorn",)),
        ("{python} -m uvicorn.main --port {port}", ("uvicorn",)),
        ("nginx -c {port}", ()),
        ("./serve.sh {port}", ()),
    ],
)
def test_the_version_is_that_of_the_program(line: str, requires: tuple[str, ...]) -> None:
    ours = own_servers.parse_command(f"ours={line}")
    assert own_servers.list_servers([ours], [], sys.executable)[-1].requires == requires


@pytest.mark.parametrize("server", listing.servers(), ids=lambda server: server.name)
def test_the_command_of_a_catalogue_server_is_a_start(server: object) -> None:
    (entry,) = [each for each in listing.servers() if each is server]
    launch = Launch("127.0.0.1", 20_001, "shop:app", entry.max_workers or 3, None, "/bin/python")
    ours = own_servers.parse_command(f"ours={own_servers.write_template(entry, launch.workers, tls=False)}")
    program, *arguments = ours.command(launch)
    assert [launch.program(program), *arguments] == entry.command(launch), "programs are found beside the interpreter"
    assert own_servers.write_template(ours, launch.workers, tls=False) == own_servers.join(ours.template)


def test_the_command_of_a_catalogue_server_may_be_over_tls() -> None:
    entry = listing.find("server", listing.servers(), "uvicorn")
    ours = own_servers.parse_command(f"ours={own_servers.write_template(entry, 1, tls=True)}")
    launch = Launch("127.0.0.1", 20_001, "shop:app", 1, TLS, "/bin/python")
    assert ours.command(launch) == entry.command(launch)
    assert shlex.split(own_servers.join(ours.template)) == list(ours.template)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("ours=http://127.0.0.1:9000", RunsAt("127.0.0.1", 9000)),
        ("ours=http://localhost/", RunsAt("localhost", 80)),
        ("ours = http://[::1]:81", RunsAt("::1", 81)),
        ("ours=http://shop.example:8080", RunsAt("shop.example", 8080)),
        ("ours=http://127.0.0.1:9000/api/v1/", RunsAt("127.0.0.1", 9000, "/api/v1")),
        ("ours=https://shop.example", RunsAt("shop.example", 443, tls=True)),
        ("ours=https://127.0.0.1:9443/a%20b", RunsAt("127.0.0.1", 9443, "/a%20b", tls=True)),
    ],
)
def test_a_server_that_runs_already_is_named_by_its_url(text: str, place: RunsAt) -> None:
    server = own_servers.parse_url(text)
    assert (server.name, server.runs_at) == ("ours", place)
    assert server.protocols == ({"h1-tls", "h2", "ws-tls"} if place.tls else {"h1", "ws"})


@pytest.mark.parametrize(
    ("place", "url"),
    [
        (RunsAt("::1", 81), "http://[::1]:81"),
        (RunsAt("shop.example", 443, "/api", tls=True), "https://shop.example:443/api"),
    ],
)
def test_where_a_server_runs_is_told_by_its_url(place: RunsAt, url: str) -> None:
    assert place.url == url


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"env": {"A=B": "secret"}}, "servers.ours.env: expected names of variables without = and NUL, found 'A=B'"),
        ({"env": {"": "secret"}}, "servers.ours.env: expected names of variables without = and NUL, found ''"),
        ({"env": {"A": "secret\0"}}, "servers.ours.env: expected text without NUL for A, found something else"),
        ({"command": ["serve", "{port}", "a\0b"]}, "servers.ours.command: expected text without NUL, found"),
        ({"runs_in": 3}, "servers.ours.runs_in: expected str, found int"),
        ({"runs_in": "a\0b"}, "servers.ours.runs_in: expected a folder, found no"),
    ],
)
def test_what_no_process_can_be_given_is_refused(table: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        own_servers.read_table("ours", {"command": "serve {port}", **table}, "servers.ours")
    assert str(raised.value).startswith(message)
    assert "secret" not in str(raised.value)


def test_the_certificates_of_a_server_that_runs_already_may_be_named(tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    table = {"url": "https://127.0.0.1:9443", "ca": str(tmp_path / "ca.pem"), "protocols": ["h2"]}
    server = own_servers.read_table("ours", table, "servers.ours")
    assert server.runs_at == RunsAt("127.0.0.1", 9443, tls=True, ca=tmp_path / "ca.pem")
    assert server.protocols == {"h2"}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"url": "https://127.0.0.1:9", "ca": "nowhere.pem"}, "servers.ours.ca: expected a PEM file of certificates"),
        ({"url": "https://127.0.0.1:9", "ca": __file__}, "servers.ours.ca: expected a PEM file of certificates"),
        ({"url": "http://127.0.0.1:9", "ca": "CA"}, "servers.ours.ca: expected an address at https:// with it"),
        ({"command": "serve {port}", "ca": "CA"}, "servers.ours.ca: expected it with url, found it with command"),
        ({"url": "https://127.0.0.1:9", "protocols": ["h1"]}, "expected protocols over TLS for https://127.0.0.1:9"),
        ({"url": "http://127.0.0.1:9", "protocols": ["h2"]}, "expected protocols in clear text for http://127.0.0.1:9"),
    ],
)
def test_certificates_that_cannot_be_trusted_are_refused(table: dict[str, Any], message: str, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    given = {key: str(tmp_path / "ca.pem") if value == "CA" else value for key, value in table.items()}
    with pytest.raises(UsageError) as raised:
        own_servers.read_table("ours", given, "servers.ours")
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("http://127.0.0.1:9000", "--url: expected NAME=URL such as"),
        ("http://127.0.0.1:9000/?a=b", "--url: expected a name of letters"),
        ("ours", "--url: expected NAME=URL such as ours=http://127.0.0.1:9000, found ours"),
        (
            "ours=",
            "--url ours: expected http://HOST:PORT or https://HOST:PORT, and a path without a query, found not",
        ),
        ("ours=127.0.0.1:9000", "found 127.0.0.1:9000"),
        ("ours=ftp://127.0.0.1:9000", "found ftp://127.0.0.1:9000"),
        ("ours=http://127.0.0.1:90000", "found http://127.0.0.1:90000"),
        ("ours=http://127.0.0.1:0", "found http://127.0.0.1:0"),
        ("ours=http://127.0.0.1:9000/a b", "without a query"),
        ("ours=http://me@127.0.0.1:9000", "without a query"),
        ("ours=http://127.0.0.1:9000?x", "without a query"),
        ("ours=http://127.0.0.1:9000/#x", "without a query"),
    ],
)
def test_a_url_that_cannot_be_measured_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        own_servers.parse_url(text)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("10.0.0.1", False), ("a.b", False)],
)
def test_only_loopback_is_this_machine(host: str, *, local: bool) -> None:
    assert own_servers.is_local(RunsAt(host, 80)) is local


def test_processes_and_groups_belong_to_servers_that_run_already(tmp_path: Path) -> None:
    (tmp_path / "cgroup.procs").write_text("1\n")
    ours, other = (own_servers.parse_url(f"{name}=http://127.0.0.1:9000") for name in ("ours", "other"))
    found = own_servers.find_processes([ours, other], [f"ours={os.getpid()}"], [f"other={tmp_path}"])
    assert [each.runs_at for each in found] == [
        RunsAt("127.0.0.1", 9000, pid=os.getpid()),
        RunsAt("127.0.0.1", 9000, cgroup=tmp_path),
    ]


def test_two_servers_of_one_name_are_told_apart_by_nobody() -> None:
    two = [own_servers.parse_command(f"ours={program} {{port}}") for program in ("uvicorn", "granian")]
    with pytest.raises(UsageError, match="expected another name than ours, because there are two of this name"):
        own_servers.list_servers(own_servers.find_processes(two, [], []), [])


@pytest.mark.parametrize(
    ("pids", "groups", "message"),
    [
        (["ours=0"], [], "--pid ours: expected a process that runs, found 0"),
        (["ours=x"], [], "--pid ours: expected a process that runs, found x"),
        (["ours"], [], "--pid ours: expected a process that runs, found nothing"),
        (["gone=1"], [], "--pid: expected NAME=… of a server that runs already, ours; found gone=1"),
        (["made=1"], [], "--pid: expected NAME=… of a server that runs already, ours; found made=1"),
        ([], ["ours=/nowhere"], "--cgroup ours: expected a folder with cgroup.procs, found /nowhere"),
    ],
)
def test_what_is_not_there_cannot_be_watched(pids: list[str], groups: list[str], message: str) -> None:
    own = [own_servers.parse_url("ours=http://127.0.0.1:9000"), own_servers.parse_command("made=serve {port}")]
    with pytest.raises(UsageError) as raised:
        own_servers.find_processes(own, pids, groups)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"url": "http://127.0.0.1:9000", "command": "x {port}"}, "expected either command or url, found both"),
        ({}, "servers.ours: expected either command or url, found none"),
        ({"url": "http://127.0.0.1:9000", "env": {}}, "servers.ours.env: expected it with command, found it with url"),
    ],
)
def test_a_table_has_a_command_or_a_url(table: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        own_servers.read_table("ours", table, "servers.ours")
    assert message in str(raised.value)


def test_a_table_may_say_what_a_running_server_speaks() -> None:
    server = own_servers.read_table("ours", {"url": "http://127.0.0.1:9000", "protocols": ["h2c"]}, "servers.ours")
    assert server.protocols == {"h2c"}
