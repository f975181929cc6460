"""What of a run's options is secret, and records without it. Values are not recorded, only compared by digests."""

from __future__ import annotations

import hashlib
import re
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.model.results import RequestResult
from harness.text.plain import neutralise
from harness.text.secrets import Secrets, mask_argv

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.model.plan import Selection
    from harness.model.records import Record, ServerStart
    from harness.model.results import LoadResult
    from harness.model.run_info import RunInfo
    from harness.text.paths import MachinePaths

LONGEST_TEXT = 20_000
"""No reason, example or end of a log is longer in a record."""
_OURS = "HARNESS_"
"""Variables with this prefix are set by the harness."""
_SCRYPT_COST = 2**12
"""One digest takes about 10 ms, so that a weak password cannot be found by trying."""


def find_secrets(selection: Selection) -> Secrets:
    """The values of `--env`, of servers' `env`, and of `--header`, and the passwords of `--login`."""
    headers = [each for app in selection.apps for each in app.headers]
    passwords = [each for app in selection.apps if app.login for each in app.login.secrets]
    return Secrets(_list_variables(selection), headers, passwords)


def is_private(selection: Selection) -> bool:
    """Does what the run writes hold secrets, for instance because its app prints them?"""
    return bool(_list_values(selection)) or mask_argv(sys.argv) != tuple(sys.argv)


def digest_values(selection: Selection, run_id: str) -> dict[str, str]:
    """A digest of each value of `--env`, `--header` and `--login`, salted with the run's name, by option and name."""
    return {name: _digest(value, run_id) for name, value in _list_values(selection).items()}


def clean_record(record: Record, secrets: Secrets) -> Record:
    """The record as it may be kept and shown: without secrets, and without characters that a terminal obeys."""

    def clean(text: str) -> str:
        return neutralise(secrets.mask(text))[:LONGEST_TEXT]

    return replace(
        record,
        reasons=tuple(map(clean, record.reasons)),
        log_tail=clean(record.log_tail),
        result=None if record.result is None else _clean_result(record.result, clean),
    )


def clean_start(start: ServerStart, secrets: Secrets) -> ServerStart:
    """The start of a server as it may be kept and shown."""
    return replace(start, argv=tuple(map(secrets.mask, mask_argv(start.argv))))


def anonymise(
    run: RunInfo, trials: Sequence[Record], starts: Sequence[ServerStart], paths: MachinePaths
) -> tuple[RunInfo, list[Record], list[ServerStart]]:
    """What everybody may read: without names of hosts, paths of the machine, and what is secret by its name.

    Names of requests stay, which may look like paths.
    """
    hidden = _name_load_workers(run, trials)
    for host in (each for each in run.hosts if each.role == "server"):
        hidden |= dict.fromkeys(filter(None, (host.name, host.address)), "server-host")
    longest_first = sorted(hidden, key=len, reverse=True)
    hosts_named = re.compile(rf"(?<![\w.-])(?:{'|'.join(map(re.escape, longest_first)) or '(?!)'})(?![\w-])")

    def clean(text: str) -> str:
        return paths.leave_out(Secrets().mask(hosts_named.sub(lambda found: hidden[found[0]], text)))

    where = run.environment
    environment = replace(
        where,
        host="",
        server_args={name: clean(text) for name, text in where.server_args.items()},
        interpreters={name: clean(text) for name, text in where.interpreters.items()},
        kept_out=tuple(map(clean, where.kept_out)),
    )
    sources = {clean(name): digest for name, digest in run.sources.items()}
    hosts = tuple(replace(each, name="", address=each.address and "") for each in run.hosts)
    workers = tuple(replace(each, name=hidden[each.name], host="") for each in run.load_workers)
    link = None if run.link is None else replace(run.link, load_address="", server_address="")
    argv = tuple(map(clean, run.argv))
    return (
        replace(run, argv=argv, environment=environment, sources=sources, link=link, hosts=hosts, load_workers=workers),
        [_anonymise_record(each, clean) for each in trials],
        [replace(each, argv=tuple(map(clean, each.argv))) for each in starts],
    )


def _name_load_workers(run: RunInfo, trials: Sequence[Record]) -> dict[str, str]:
    """A name without its host for each load worker, by its own."""
    own = {each.name for each in run.load_workers}
    own |= {name for each in trials if each.result for name in each.result.load_workers}
    return {name: f"load-worker-{number}" for number, name in enumerate(sorted(own), 1)}


def _anonymise_record(record: Record, clean: Callable[[str], str]) -> Record:
    result = record.result
    if result is not None:
        examples = {kind: clean(text) for kind, text in result.errors.examples.items()}
        changes = {name: clean(text) for name, text in result.changes.items()}
        workers = {clean(name): ratio for name, ratio in result.load_workers.items()}
        errors = replace(result.errors, examples=examples)
        result = replace(result, errors=errors, changes=changes, load_workers=workers)
    return replace(
        record,
        reasons=tuple(map(clean, record.reasons)),
        log_tail=clean(record.log_tail),
        load_argv=tuple(map(clean, record.load_argv)),
        result=result,
    )


def _clean_result(result: LoadResult, clean: Callable[[str], str]) -> LoadResult:
    examples = {kind: clean(text) for kind, text in result.errors.examples.items()}
    cleaned = (replace(each, method=clean(each.method), name=clean(each.name)) for each in result.by_request)
    by_request = RequestResult.merge(cleaned)  # names that differ in a secret are one now
    return replace(result, errors=replace(result.errors, examples=examples), by_request=by_request)


def _list_variables(selection: Selection) -> dict[str, str]:
    every = {name: value for app in selection.apps for name, value in app.environment.items()}
    own = {f"{each.name} {name}": value for each in selection.servers for name, value in each.environment.items()}
    return own | {name: value for name, value in every.items() if not name.startswith(_OURS)}


def _list_values(selection: Selection) -> Mapping[str, str]:
    headers = {f"--header {name}": value for app in selection.apps for name, value in app.headers}
    found = {**{f"--env {name}": value for name, value in _list_variables(selection).items()}, **headers}
    for login in filter(None, (app.login for app in selection.apps)):
        found["--login"] = f"{login.method} {login.path} {login.body}"
    return found


def _digest(value: str, salt: str) -> str:
    return hashlib.scrypt(value.encode(), salt=salt.encode(), n=_SCRYPT_COST, r=8, p=1, dklen=16).hex()
