"""Servers of one's own: a command with placeholders, and folders of further server files."""

from __future__ import annotations

import importlib.util
import re
import shlex
import ssl
import sys
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from string import Formatter
from traceback import extract_tb
from typing import TYPE_CHECKING, Annotated

import msgspec
from packaging.utils import canonicalize_name

from harness.catalog import listing, packages
from harness.model.errors import UsageError
from harness.model.protocols import PROTOCOLS, TLS_PROTOCOLS, WEBSOCKET_PROTOCOLS, Interface, Protocol
from harness.model.targets import Launch, RunsAt, Server, Tls

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

PLACEHOLDERS = ("host", "port", "address", "target", "workers", "python", "cert", "key")
"""What a command may have in braces."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
"""Names are parts of labels, of lists with commas, and of the names of logs."""
_PLAIN_WORD = re.compile(r"[\w@%+=:,./{}-]+", re.ASCII)
_CONTROL = "-control"
"""Ends the label of a control."""
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[\w.-]+|\[[0-9a-fA-F:.]+\])(?::(?P<port>\d{1,5}))?(?P<path>(?:/[\w.~%:@!$&'()*+,;=-]*)*)",
    re.ASCII,
)
"""An address with a path and no query (RFC 3986, section 3)."""
_PORTS = {"http": 80, "https": 443}
_OF_COMMANDS = {"env", "runs_in", "max_workers", "interface"}
_GROUPS = Path("/sys/fs/cgroup")
_CLEAR: tuple[Protocol, ...] = ("h1", "ws")
_SECURED: tuple[Protocol, ...] = ("h1-tls", "ws-tls")
_SECURED_ELSEWHERE: tuple[Protocol, ...] = ("h1-tls", "h2", "ws-tls")
_EXAMPLE = "'ours=gunicorn -c gunicorn.conf.py -b {address} {target}'"


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table `[servers.NAME]` of `harness.toml`."""

    command: str | list[str] | None = None
    url: str | None = None
    protocols: Annotated[tuple[Protocol, ...], msgspec.Meta(min_length=1)] | None = None
    env: dict[str, str] = {}
    runs_in: str | None = None
    ca: str | None = None
    max_workers: Annotated[int, msgspec.Meta(ge=1)] | None = None
    interface: Interface = "asgi"


def parse_command(text: str, where: str = "--server") -> Server:
    """Read `NAME=COMMAND`; raises `UsageError` that says what is missing."""
    name, equals, line = text.partition("=")
    if not equals:
        raise UsageError(f"{where}: expected NAME=COMMAND such as {_EXAMPLE}, found {text}")
    name = name.strip()
    _check_name(name, where)
    return make_server(name, _split(line, f"{where} {name}"), f"{where} {name}")


def parse_url(text: str, where: str = "--url") -> Server:
    """Read `NAME=URL`, a server that runs already; raises `UsageError` for another form."""
    name, equals, url = text.partition("=")
    if not equals:
        raise UsageError(f"{where}: expected NAME=URL such as ours=http://127.0.0.1:9000, found {text}")
    name = name.strip()
    _check_name(name, where)
    return _make_running(name, url.strip(), f"{where} {name}")


def find_processes(servers: Iterable[Server], pids: Iterable[str], groups: Iterable[str]) -> tuple[Server, ...]:
    """The servers with what --pid and --cgroup name; raises `UsageError` for a process or group that is not there."""
    given = tuple(servers)
    found = {server.name: server for server in given}
    for option, each in (*(("--pid", each) for each in pids), *(("--cgroup", each) for each in groups)):
        name, _, value = each.partition("=")
        runs_at = found[name].runs_at if name in found else None
        if runs_at is None:
            running = ", ".join(server.name for server in found.values() if server.runs_at) or "of which there is none"
            raise UsageError(f"{option}: expected NAME=… of a server that runs already, {running}; found {each}")
        if option == "--pid":
            if not (value.isdecimal() and Path("/proc", value).is_dir()):
                raise UsageError(f"--pid {name}: expected a process that runs, found {value or 'nothing'}")
            runs_at = replace(runs_at, pid=int(value))
        else:
            folder = next(filter(_is_group, (Path(value), _GROUPS / value.lstrip("/"))), None)
            if folder is None:
                raise UsageError(f"--cgroup {name}: expected a folder with cgroup.procs, found {value or 'nothing'}")
            runs_at = replace(runs_at, cgroup=folder)
        found[name] = replace(found[name], runs_at=runs_at)
    return tuple(found[server.name] for server in given)


def is_local(runs_at: RunsAt) -> bool:
    """Is it this machine, as far as the address says?"""
    try:
        return runs_at.host == "localhost" or ip_address(runs_at.host).is_loopback
    except ValueError:
        return False


def read_table(name: str, table: object, where: str) -> Server:
    """Read the table `[servers.NAME]` of a settings file; raises `UsageError` that names the key."""
    _check_name(name, where)
    try:
        found = msgspec.convert(table, _Table)
    except msgspec.ValidationError as error:
        text, _, place = str(error).replace("`", "").partition(" - at $.")
        key, known = (f".{place}", ", ".join(PROTOCOLS)) if place else ("", ", ".join(_Table.__struct_fields__))
        hint = f" of {known}" if not place or place.startswith("protocols") else ""
        expected, got, found_type = text.replace(" | null", "").partition(", got ")
        found_text = f", found {found_type}" if got else ""
        raise UsageError(f"{where}{key}: {expected[0].lower()}{expected[1:]}{hint}{found_text}") from error
    _check_environment(found.env, f"{where}.env")
    if (found.command is None) is (found.url is None):
        raise UsageError(f"{where}: expected either command or url, found {'both' if found.url else 'none'}")
    if found.url is not None:
        if wrong := _OF_COMMANDS & set(table if isinstance(table, dict) else ()):
            raise UsageError(f"{where}.{min(wrong)}: expected it with command, found it with url")
        return _make_running(name, found.url, where, found.protocols, _find_ca(found.ca, where))
    if found.ca is not None:
        raise UsageError(f"{where}.ca: expected it with url, found it with command")
    words = _split(found.command, where) if isinstance(found.command, str) else found.command or []
    runs_in = None if found.runs_in is None else Path(found.runs_in).absolute()
    if runs_in is not None and not runs_in.is_dir():
        raise UsageError(f"{where}.runs_in: expected a folder, found no {runs_in}")
    if any("\0" in word for word in words):
        raise UsageError(f"{where}.command: expected text without NUL, found {words!r}")
    server = make_server(name, words, where, found.protocols, found.interface)
    workers = server.max_workers if found.max_workers is None else found.max_workers
    return replace(server, environment=found.env, runs_in=runs_in, max_workers=workers)


def make_server(
    name: str,
    words: Sequence[str],
    where: str,
    protocols: Iterable[Protocol] | None = None,
    interface: Interface = "asgi",
) -> Server:
    """A server that is started by this command; raises `UsageError` for an unknown placeholder and a missing one.

    With {cert} and {key} it speaks protocols over TLS, without them those in clear text: HTTP/1.1 and, with ASGI,
    WebSocket unless `protocols` says otherwise.
    """
    if not words or not words[0]:
        raise UsageError(f"{where}: expected a command such as {_EXAMPLE}, found nothing")
    used = {field for word in words for field in _list_fields(word, where)}
    if not used & {"address", "port"}:
        raise UsageError(f"{where}: expected {{address}}, or {{port}}, in the command, found {join(words)}")
    secured = bool(used & {"cert", "key"})
    usual = frozenset(_SECURED if secured else _CLEAR)
    spoken = frozenset(protocols or (usual if interface == "asgi" else usual - WEBSOCKET_PROTOCOLS))
    if secured and not used >= {"cert", "key"}:
        raise UsageError(f"{where}: expected both {{cert}} and {{key}} in the command, found {join(words)}")
    if wrong := [each for each in PROTOCOLS if each in spoken and (each in TLS_PROTOCOLS) is not secured]:
        rule = "no {cert} and {key}" if secured else "{cert} and {key}"
        raise UsageError(f"{where}: expected {rule} in the command for {', '.join(wrong)}, found {join(words)}")
    return Server(
        name,
        (),
        spoken,
        lambda launch: [word.format_map(_fill(launch)) for word in words],
        _say_why_not(name, spoken),
        max_workers=None if "workers" in used else 1,
        interface=interface,
        template=tuple(words),
    )


def _make_running(
    name: str, url: str, where: str, protocols: Iterable[Protocol] | None = None, ca: Path | None = None
) -> Server:
    """A server that answers at this URL; requests are sent under its path. Raises `UsageError` for another form."""
    found = _URL.fullmatch(url)
    port = int(found["port"] or _PORTS[found["scheme"]]) if found else 0
    if found is None or port not in range(1, 1 << 16):
        expected = "http://HOST:PORT or https://HOST:PORT, and a path without a query"
        raise UsageError(f"{where}: expected {expected}, found {url or 'nothing'}")
    secured = found["scheme"] == "https"
    spoken = frozenset(protocols or (_SECURED_ELSEWHERE if secured else _CLEAR))
    if wrong := [each for each in PROTOCOLS if each in spoken and (each in TLS_PROTOCOLS) is not secured]:
        expected = "protocols over TLS" if secured else "protocols in clear text"
        raise UsageError(f"{where}: expected {expected} for {url}, found {', '.join(wrong)}")
    if ca is not None and not secured:
        raise UsageError(f"{where}.ca: expected an address at https:// with it, found {url}")
    why_not = _say_why_not(name, spoken)
    runs_at = RunsAt(found["host"].strip("[]"), port, found["path"].rstrip("/"), secured, ca)
    return Server(name, (), spoken, lambda _: [], why_not, max_workers=1, runs_at=runs_at)


def _find_ca(path: str | None, where: str) -> Path | None:
    """The file of certificates to trust; raises `UsageError` for one that has none."""
    if path is None:
        return None
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:
        raise UsageError(f"{where}.ca: expected a PEM file of certificates, found {path} ({error})") from error
    return Path(path).absolute()


def _say_why_not(name: str, spoken: frozenset[Protocol]) -> dict[Protocol, str]:
    said = ", ".join(each for each in PROTOCOLS if each in spoken)
    return {each: f"{name} is said to speak {said}" for each in PROTOCOLS if each not in spoken}


def list_servers(own: Iterable[Server], folders: Iterable[str], python: str = sys.executable) -> tuple[Server, ...]:
    """The catalogue and the servers of one's own; raises `UsageError` for a name that is there twice."""
    commands = (replace(each, requires=_find_package(each.template, python) if each.template else ()) for each in own)
    from_files = (server for folder in folders for server in _read_folder(Path(folder)))
    catalogue = {server.name: server for server in listing.servers()}
    found = dict(catalogue)
    for server in (*from_files, *commands):
        if server.name in found:
            whose = "the catalogue has one" if server.name in catalogue else "there are two"
            raise UsageError(f"--server: expected another name than {server.name}, because {whose} of this name")
        found[server.name] = server
    return tuple(found.values())


def write_template(server: Server, workers: int, *, tls: bool) -> str:
    """The command of a server with placeholders, as a start for one's own; a single worker stands as it is."""
    # Commands compute with numbers, so these are ones that nothing else is.
    port, several = 64_321, 64_123
    host, target, python, cert, key = (f"\0{name}\0" for name in ("host", "target", "python", "cert", "key"))
    marks = {
        f"{host}:{port}": "{address}",
        host: "{host}",
        str(port): "{port}",
        str(several): "{workers}",
        target: "{target}",
        python: "{python}",
        cert: "{cert}",
        key: "{key}",
    }
    secured = Tls(Path(cert), Path(key), Path("authority")) if tls else None
    command = server.command(
        Launch(host, port, target, several if workers > 1 else 1, secured, server.python or python)
    )
    words = [word.replace("{", "{{").replace("}", "}}") for word in command]
    for mark, placeholder in marks.items():
        words = [word.replace(mark, placeholder) for word in words]
    return join(words)


def join(words: Iterable[str]) -> str:
    """A command as a shell takes it, but for the braces of placeholders: they mostly stand inside of quotes."""
    return " ".join(word if re.fullmatch(_PLAIN_WORD, word) else shlex.quote(word) for word in words)


def _check_environment(variables: Mapping[str, str], where: str) -> None:
    """Raise `UsageError` for what the kernel does not take, without telling a value."""
    for name, value in variables.items():
        if not name or {"=", "\0"} & set(name):
            raise UsageError(f"{where}: expected names of variables without = and NUL, found {name!r}")
        if "\0" in value:
            raise UsageError(f"{where}: expected text without NUL for {name}, found something else")


def _is_group(folder: Path) -> bool:
    return (folder / "cgroup.procs").is_file()


def _check_name(name: str, where: str) -> None:
    if not _NAME.fullmatch(name) or name == listing.ALL or name.endswith(_CONTROL):
        raise UsageError(f"{where}: expected a name of letters, digits, dots and hyphens, found {name or 'nothing'}")


def _split(line: str, where: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise UsageError(f"{where}: expected a command as in a shell, found {line} ({error})") from error


def _list_fields(word: str, where: str) -> Iterator[str]:
    """The placeholders in a word; raises `UsageError` for anything else in braces."""
    expected = f"any of {', '.join(f'{{{each}}}' for each in PLACEHOLDERS)}, and {{{{ or }}}} for a brace"
    try:
        found = list(Formatter().parse(word))
    except ValueError as error:
        raise UsageError(f"{where}: expected {expected}; found {word} ({error})") from error
    for _, name, spec, conversion in found:
        if name is None:
            continue
        if name not in PLACEHOLDERS or spec or conversion:
            raise UsageError(f"{where}: expected {expected}; found {{{name}}} in {word}")
        yield name


def _fill(launch: Launch) -> dict[str, str]:
    """What stands for each placeholder."""
    return {
        "host": launch.host,
        "port": str(launch.port),
        "address": launch.address,
        "target": launch.target,
        "workers": str(launch.workers),
        "python": launch.python,
        "cert": str(launch.tls.certificate) if launch.tls else "",
        "key": str(launch.tls.key) if launch.tls else "",
    }


def _find_package(words: Sequence[str], python: str) -> tuple[str, ...]:
    """The distribution that a command starts, named like its program or its module; none if none is installed."""
    program = words[2].partition(".")[0] if len(words) > 2 and words[1] == "-m" else Path(words[0]).name  # noqa: PLR2004
    name = canonicalize_name(program)
    return (name,) if name in packages.installed(python) else ()


def _read_folder(folder: Path) -> Iterator[Server]:
    """The servers of the files in a folder, each of which exports `SERVERS` as those in `harness/servers/` do."""
    if not folder.is_dir():
        raise UsageError(f"--servers-from: expected a folder, found no {folder}")
    for path in listing.python_files(folder):
        found = _import_file(path)
        if not isinstance(found, tuple | list) or not all(isinstance(each, Server) for each in found):
            raise UsageError(f"{path}: expected SERVERS, a tuple of Server(…), found {found!r:.100}")
        for server in found:
            _check_name(server.name, str(path))
            yield server


def _import_file(path: Path) -> object:
    """What a file calls `SERVERS`; raises `UsageError` with file and line where it cannot be run."""
    spec = importlib.util.spec_from_file_location(f"own_servers_{path.stem}", path)
    assert spec is not None  # noqa: S101 - the name ends with .py
    assert spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        lines = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == str(path)]
        line = f", line {lines[-1]}" if lines else ""
        raise UsageError(f"{path}{line}: expected a file of servers, found {type(error).__name__}: {error}") from error
    return getattr(module, "SERVERS", None)
