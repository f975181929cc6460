"""Settings: options override the file, and every error is one line that names the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.model.errors import UsageError
from harness.model.loads import EXPECTED, Rate
from harness.model.protocols import PROTOCOLS
from harness.plan.options import ABOUT_SERVERS, list_options, read_settings
from harness.plan.settings import Settings

USERS = "expected whole numbers from 1 to 100000, at most 100 of them"
WORKERS = "expected whole numbers from 1 to 1000, at most 100 of them"
TIME = "expected a time such as 2s or 500ms"
TIMES = "expected times such as 0,5ms,20ms from 0s to 10s, at most 100 of them"


def test_without_file_and_options_settings_have_their_defaults(tmp_path: Path) -> None:
    assert read_settings({"users": None}, tmp_path) == Settings()


def test_options_override_the_file(tmp_path: Path) -> None:
    (tmp_path / "harness.toml").write_text('users = 8\nrounds = 2\nservers = ["granian"]\nduration = "500ms"\n')
    settings = read_settings({"rounds": "3"}, tmp_path)
    assert (settings.users, settings.rounds, settings.servers, settings.duration) == ((8,), 3, ("granian",), 0.5)


def test_round_trip_times_of_a_file_are_a_list_or_a_time(tmp_path: Path) -> None:
    for text, expected in (('["0", "5ms", 0.02]', (0.0, 0.005, 0.02)), ('"20ms"', (0.02,)), ("0.02", (0.02,))):
        (tmp_path / "harness.toml").write_text(f"rtt = {text}\nnetns = true\n")
        assert read_settings({}, tmp_path).rtt == expected


def test_pyproject_is_read_if_there_is_no_harness_toml(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "shop"\n[tool.harness]\nusers = 4\n')
    assert read_settings({}, tmp_path).users == (4,)
    (tmp_path / "harness.toml").write_text("users = 5\n")
    assert read_settings({}, tmp_path).users == (5,)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"servers": "uvicorn, granian"}, {"servers": ("uvicorn", "granian")}),
        ({"protocols": "all"}, {"protocols": PROTOCOLS}),
        ({"warmup": "250ms", "duration": "1.5m"}, {"warmup": 0.25, "duration": 90.0}),
        ({"duration": "3"}, {"duration": 3.0}),
        ({"seed": "7"}, {"seed": 7}),
        ({"users": "8,32,128"}, {"users": (8, 32, 128)}),
        ({"slice": "100ms"}, {"slice": 0.1}),
        ({"slice": "auto"}, {"slice": "auto"}),
        ({"together": "1"}, {"together": 1}),
        ({"request_timeout": "500ms"}, {"request_timeout": 0.5}),
        ({"max_body": "1 MiB", "load_memory": "4g"}, {"max_body": 1 << 20, "load_memory": 4 << 30}),
        ({"max_body": "100000"}, {"max_body": 100_000}),
        ({"rtt": "0,5ms, 20ms,5ms", "loss": "0.1%"}, {"rtt": (0.0, 0.005, 0.02), "loss": 0.001}),
        ({"load": "rate=500,arrivals=poisson"}, {"load": Rate(500, "poisson")}),
    ],
)
def test_options_are_read(tmp_path: Path, given: dict[str, str], expected: dict[str, object]) -> None:
    settings = read_settings(given, tmp_path)
    assert {key: getattr(settings, key) for key in expected} == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"users": "many"}, f"--users: {USERS}, found many"),
        ({"users": "0"}, f"--users: {USERS}, found 0"),
        ({"protocols": "h1,h9"}, "--protocols: expected any of h1, h1-tls, h2, h2c, ws, ws-tls, h3, found h1,h9"),
        (
            {"load": "rate=0"},
            f"--load: {EXPECTED}, found rate=0",
        ),
        ({"warmup": "soon"}, f"--warmup: {TIME} from 0s to 86400s, found soon"),
        ({"duration": "0s"}, f"--duration: {TIME} from 1ms to 86400s, found 0s"),
        ({"users": "8,1000000000000"}, f"--users: {USERS}, found 8,1000000000000"),
        ({"slice": "soon"}, f"--slice: {TIME} from 1ms to 86400s or auto, found soon"),
        ({"servers": ""}, "--servers: expected one name or more, found nothing"),
        ({"scenarios": ","}, "--scenarios: expected one name or more, found ,"),
        ({"server_cpus": ""}, "--server-cpus: expected text, found nothing"),
        ({"users": "1" + 22 * "0"}, f"--users: {USERS}, found 1{22 * '0'}"),
        ({"users": ",".join(map(str, range(1, 102)))}, f"--users: {USERS}, found 1,2,3,"),
        ({"rounds": "1000000000"}, "--rounds: expected a whole number from 1 to 1000, found 1000000000"),
        ({"rounds": "\u0663"}, "--rounds: expected a whole number from 1 to 1000, found \u0663"),
        ({"workers": "1000000"}, f"--workers: {WORKERS}, found 1000000"),
        ({"load": "rate=1e300"}, f"--load: {EXPECTED}, found rate=1e300"),
        ({"load": f"rate=1{30 * '0'}"}, f"--load: {EXPECTED}, found rate=1000"),
        ({"load": "rate=\u0663"}, f"--load: {EXPECTED}, found rate=\u0663"),
        ({"load": "capacity=p99<99999999999s"}, f"--load: {EXPECTED}, found capacity="),
        ({"duration": "525600m"}, f"--duration: {TIME} from 1ms to 86400s, found 525600m"),
        ({"duration": "\u0663s"}, f"--duration: {TIME} from 1ms to 86400s, found \u0663s"),
        ({"duration": "inf"}, f"--duration: {TIME} from 1ms to 86400s, found inf"),
        ({"duration": 400 * "9"}, f"--duration: {TIME} from 1ms to 86400s, found 999"),
        ({"warmup": "-0"}, f"--warmup: {TIME} from 0s to 86400s, found -0"),
        ({"precision": "1000%"}, "--precision: expected a share such as 5% from 0.01% to 100%, found 1000%"),
        ({"loss": "60%"}, "--loss: expected a share such as 0.1% from 0% to 50%, found 60%"),
        (
            {"rtt": "5ms,soon"},
            f"--rtt: {TIMES}, found 5ms,soon",
        ),
        ({"rtt": "11"}, f"--rtt: {TIMES}, found 11"),
        ({"rtt": ""}, f"--rtt: {TIMES}, found nothing"),
        ({"seed": "-1"}, "--seed: expected a whole number from 0 to 4294967295, found -1"),
        ({"max_body": "1K"}, "--max-body: expected a size such as 64MiB from 64KiB to 1024GiB, found 1K"),
        (
            {"load_memory": "9999999G"},
            "--load-memory: expected a size such as 64MiB from 128MiB to 1024GiB, found 9999",
        ),
        ({"env": ["TOKEN=\udcff"]}, "--env: expected text in UTF-8 without NUL, found something else"),
        ({"header": ["X: \udcff"]}, "--header: expected one line of text in UTF-8, found something else"),
        ({"app_dir": "\udcff"}, r"--app-dir: expected one line of text in UTF-8, found '\udcff'"),
        ({"out": 256 * "a"}, f"--out: expected a path that can be looked up, found {100 * 'a'}… (File name too long)"),
        ({"baseline": 5000 * "a"}, "--baseline: expected at most 4096 characters, found 5000"),
        ({"app_dir": "x", "rounds": "-1"}, "--rounds: expected a whole number from 1 to 1000, found -1"),
    ],
)
def test_a_bad_option_is_named_with_what_was_expected(tmp_path: Path, given: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=r"\A[^\n]{1,400}\Z") as caught:
        read_settings(given, tmp_path)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("users = [", "harness.toml: expected TOML, found that"),
        ('users = "x"', f"harness.toml: users: {USERS}, found x"),
        ("colour = 1", "harness.toml: colour: expected any of servers, server, url, pid, cgroup, allow_remote,"),
        ("servers = []", "harness.toml: servers: expected one name or more, found []"),
        ("[servers]\nfirst = 1", "harness.toml: servers.first: expected object of command, url, protocols"),
        ("[[users]]\nfirst = 1", f"harness.toml: users: {USERS}, found [{{'first': 1}}]"),
        ("duration = inf", f"harness.toml: duration: {TIME} from 1ms to 86400s, found inf"),
        ("duration = nan", f"harness.toml: duration: {TIME} from 1ms to 86400s, found nan"),
        ("duration = 2026-01-01", f"harness.toml: duration: {TIME} from 1ms to 86400s, found datetime.date("),
        ("rounds = 1.5", "harness.toml: rounds: expected a whole number from 1 to 1000, found 1.5"),
        ("rounds = true", "harness.toml: rounds: expected a whole number from 1 to 1000, found True"),
        ("factory = 'perhaps'", "harness.toml: factory: expected true or false, found perhaps"),
        ("load = 3", f"harness.toml: load: {EXPECTED}, found 3"),
        ("out = 3", "harness.toml: out: expected text, found 3"),
        ("env = [1]", "harness.toml: env: expected NAME=VALUE, found something else"),
        ('env = ["TOKEN=\\u0000"]', "harness.toml: env: expected text in UTF-8 without NUL, found something else"),
        ('servers = ["a\\nb"]', r"harness.toml: servers: expected one line of text in UTF-8, found 'a\nb'"),
        ('"a\\nb" = 1', r"harness.toml: 'a\nb': expected any of servers,"),
        ("users = 1\nusers = 2", "harness.toml: expected TOML, found that Cannot overwrite a value"),
        (f"users = {5000 * '1'}", "harness.toml: expected TOML, found that Exceeds the limit"),
        (f"users = {5000 * '['}", "harness.toml: expected TOML, found that maximum recursion depth exceeded"),
        (
            "rtt = [true]",
            f"harness.toml: rtt: {TIMES}, found [True]",
        ),
        ("loss = 1", "harness.toml: loss: expected a share such as 0.1% from 0% to 50%, found 1"),
        ("servers = 3", "harness.toml: servers: expected one name or more, found 3"),
        (
            'load = "gently"',
            f"harness.toml: load: {EXPECTED}, found gently",
        ),
    ],
)
def test_a_bad_file_is_named_with_its_key(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "harness.toml").write_text(text)
    with pytest.raises(UsageError, match=r"\A[^\n]*\Z") as caught:
        read_settings({}, tmp_path)
    assert message in str(caught.value)


def test_a_file_that_is_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--config: expected a TOML file, found .*other\.toml"):
        read_settings({}, tmp_path, tmp_path / "other.toml")


def test_every_setting_has_a_help_text_and_a_metavar() -> None:
    for option in list_options():
        assert option.help, option.key
        assert option.metavar or option.flag, option.key


def test_lists_shares_and_times_are_read_from_options_as_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "harness.toml").write_text('workers = [1, 2]\nprecision = "5%"\naa = true\nready_within = "1m"\n')
    found = read_settings({"env": "A=1, B=two"}, tmp_path)
    assert (found.workers, found.precision, found.aa, found.ready_within) == ((1, 2), 0.05, True, 60.0)
    assert found.env == ("A=1", "B=two")
    assert read_settings({"workers": "4", "precision": "2.5%"}, tmp_path).workers == (4,)


@pytest.mark.parametrize(
    ("given", "control"),
    [({}, True), ({"no_control": True}, False), ({"aa": True}, True), ({"aa": True, "no_control": True}, True)],
)
def test_a_run_has_a_control_unless_only_the_option_against_it_is_given(given: dict[str, bool], control: bool) -> None:
    assert read_settings(given, None).conditions(seed=1, load_processes=1).control is control


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"workers": "1,2,1"}, {"workers": (1, 2)}),
        ({"protocols": "h1,ws,h1"}, {"protocols": ("h1", "ws")}),
        ({"scenarios": "echo,echo"}, {"scenarios": ("echo",)}),
    ],
)
def test_repeated_names_count_once(tmp_path: Path, given: dict[str, str], expected: dict[str, object]) -> None:
    settings = read_settings(given, tmp_path)
    assert {key: getattr(settings, key) for key in expected} == expected
    (tmp_path / "harness.toml").write_text("workers = [2, 2]\n")
    assert read_settings({}, tmp_path).workers == (2,)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("A=1, B=two", ("A=1", "B=two")),
        ("HOSTS=a,b", ("HOSTS=a,b",)),
        ("HOSTS=a,b,C=3", ("HOSTS=a,b", "C=3")),
        (["HOSTS=a,b", "C=3,D=4"], ("HOSTS=a,b", "C=3", "D=4")),
        ("", ()),
    ],
)
def test_a_comma_begins_another_variable_only_if_its_name_follows(
    tmp_path: Path, given: str | list[str], expected: tuple[str, ...]
) -> None:
    assert read_settings({"env": given}, tmp_path).env == expected


def test_variables_in_the_file_are_not_split(tmp_path: Path) -> None:
    (tmp_path / "harness.toml").write_text('env = ["DSN=host=a,port=5"]\n')
    assert read_settings({}, tmp_path).env == ("DSN=host=a,port=5",)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"precision": "0.05"}, "--precision: expected a share such as 5% from 0.01% to 100%, found 0.05"),
        ({"precision": "0%"}, "--precision: expected a share such as 5% from 0.01% to 100%, found 0%"),
        ({"workers": "1,none"}, f"--workers: {WORKERS}, found 1,none"),
        ({"workers": "0"}, f"--workers: {WORKERS}, found 0"),
        ({"workers": ""}, f"--workers: {WORKERS}, found nothing"),
    ],
)
def test_bad_lists_and_shares_are_named(tmp_path: Path, given: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_settings(given, tmp_path)
    assert str(caught.value) == message


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "harness.toml").write_bytes(b"users = \xff")
    with pytest.raises(UsageError, match=r"harness\.toml: expected TOML, found that "):
        read_settings({}, tmp_path)


@pytest.mark.parametrize("text", ["tool = 1", "[tool]\nharness = 1", "[[tool.harness]]\nusers = 1"])
def test_tool_harness_must_be_a_table(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(UsageError, match=r"\Apyproject\.toml: (tool|harness): expected a table, found .+"):
        read_settings({}, tmp_path)


def test_negative_zero_is_zero(tmp_path: Path) -> None:
    (tmp_path / "harness.toml").write_text("warmup = -0.0\n")
    assert str(read_settings({}, tmp_path).warmup) == "0.0"


def test_the_value_of_a_variable_may_have_several_lines() -> None:
    assert read_settings({"env": ["KEY=-----BEGIN\nabc"]}, None).env == ("KEY=-----BEGIN\nabc",)


def test_help_states_the_limits() -> None:
    texts = {option.key: option.help for option in list_options()}
    assert "From 1 to 1000." in texts["rounds"]
    assert "From 1 to 100000, at most 100 of them." in texts["users"]
    assert "From 1ms to 86400s." in texts["duration"]


def test_a_path_that_cannot_be_looked_up_is_named(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(
        UsageError, match=r"--app-dir: expected a path that can be looked up, found .* \(Too many levels"
    ):
        read_settings({"app_dir": str(tmp_path / "loop" / "inside")}, tmp_path)


def names_of(settings: Settings) -> tuple[tuple[str, ...], list[str]]:
    """What is measured, and the servers of one's own."""
    return settings.servers, [server.name for server in settings.server]


TABLES = """
[servers.ours]
command = "serve {port}"
env = {MODE = "file"}
[servers.other]
command = ["serve", "{address}"]
"""
STOCK = ("uvicorn", "hypercorn", "daphne", "granian")


@pytest.mark.parametrize(
    ("text", "given", "measured", "own"),
    [
        (TABLES, {}, (*STOCK, "ours", "other"), ["ours", "other"]),
        (TABLES, {"servers": "uvicorn,other"}, ("uvicorn", "other"), ["ours", "other"]),
        (TABLES + '[servers]\nmeasured = ["ours", "granian"]', {}, ("ours", "granian"), ["ours", "other"]),
        (TABLES, {"servers": "uvicorn", "server": ["x=serve {port}"]}, ("uvicorn", "x"), ["ours", "other", "x"]),
        (TABLES, {"servers": "all", "server": ["x=serve {port}"]}, ("all",), ["ours", "other", "x"]),
        (TABLES, {"server": ["ours=serve {port}"]}, (*STOCK, "ours", "other"), ["other", "ours"]),
        ('servers = ["granian"]\nserver = ["a=serve {port}"]', {}, ("granian", "a"), ["a"]),
        ("", {"server": ["a=serve {port}", "b=serve {port}"]}, (*STOCK, "a", "b"), ["a", "b"]),
        ("", {"servers": "b,uvicorn", "server": ["b=serve {port}"]}, ("b", "uvicorn"), ["b"]),
        ("", {"url": ["a=http://[::1]:1", "b=http://[::1]:2"]}, ("a", "b"), ["a", "b"]),
        ("", {"url": ["a=http://[::1]:1"], "app": "shop:app"}, (*STOCK, "a"), ["a"]),
        ("", {"url": ["a=http://[::1]:1"], "servers": "granian"}, ("granian", "a"), ["a"]),
        (TABLES, {"url": ["a=http://[::1]:1"], "servers": "granian"}, ("granian", "a"), ["ours", "other", "a"]),
    ],
)
def test_servers_of_ones_own_are_measured_beside_others(
    tmp_path: Path, text: str, given: dict[str, str | list[str]], measured: tuple[str, ...], own: list[str]
) -> None:
    (tmp_path / "harness.toml").write_text(text)
    settings = read_settings(given, tmp_path)
    assert names_of(settings) == (measured, own)
    (ours,) = [server for server in settings.server if server.name == own[0]]
    assert ours.environment == ({"MODE": "file"} if own[0] == "ours" else {})


def test_of_a_file_only_what_says_which_servers_there_are_may_count(tmp_path: Path) -> None:
    (tmp_path / "harness.toml").write_text("users = 8\n" + TABLES)
    settings = read_settings({"servers": "uvicorn"}, tmp_path, only=ABOUT_SERVERS)
    assert names_of(settings) == (("uvicorn",), ["ours", "other"])
    assert settings.users == Settings().users


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("servers.ours.command = 'x'", "harness.toml: servers.ours: expected {address}, or {port}, in the command"),
        ("servers.ours = 'x'", "harness.toml: servers.ours: expected object of command"),
        ("servers.measured = 3", "harness.toml: servers: expected one name or more, found 3"),
        ("server = ['x']", "harness.toml: server: expected NAME=COMMAND"),
        ("server = 'a=x'", "harness.toml: server a: expected {address}"),
        ("server = [3]", "harness.toml: server: expected NAME=COMMAND, found"),
        ("servers_from = [3]", "harness.toml: servers_from: expected one name or more, found"),
    ],
)
def test_a_mistake_in_a_table_of_servers_names_its_key(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "harness.toml").write_text(text)
    with pytest.raises(UsageError) as raised:
        read_settings({}, tmp_path)
    assert str(raised.value).startswith(message)
