"""No value of a variable or a header is kept, nor anything that a terminal obeys."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from harness.catalog import listing
from harness.model.histogram import Histogram
from harness.model.load_workers import LoadWorker
from harness.model.loads import write_load
from harness.model.login import parse_login
from harness.model.plan import Candidate, Conditions, Selection
from harness.model.records import ServerStart
from harness.model.results import Errors, RequestResult
from harness.run.masking import anonymise, clean_record, digest_values, find_secrets, is_private
from harness.text.paths import MachinePaths
from tests.builders import ENVIRONMENT, HOSTS, RUN, load_result, record

if TYPE_CHECKING:
    from collections.abc import Mapping

SECRET = "hunter2-hunter2"


def selection(variables: Mapping[str, str], headers: tuple[tuple[str, str], ...] = ()) -> Selection:
    (app,) = listing.choose("apps", listing.apps(), ["asgi"])
    given = replace(app, environment=variables, headers=headers)
    return Selection((), (given,), (), ("h1",), Conditions(), Candidate("uvicorn", "asgi"))


def test_a_record_keeps_its_names_and_loses_its_secrets() -> None:
    asked = selection({"SHOP_KEY": SECRET}, (("authorization", f"Bearer {SECRET}x"),))
    one = Histogram.of([1])
    result = load_result(
        errors=Errors(1, {"status": 1}, {"status": f"expected 200, found 401: {SECRET}x is no token"}),
        by_request=[RequestResult("GET", name, (1.0,), 1, one) for name in ("/?token=a", "/?token=b", "/")],
    )
    told = replace(
        record(), reasons=(f"it said: {SECRET}",), log_tail=f"\x1b[2J{SECRET}\nsecond\u202e line\n", result=result
    )
    kept = clean_record(told, find_secrets(asked))
    assert SECRET.encode() not in msgspec.json.encode(kept, enc_hook=write_load)
    assert kept.reasons == ("it said: ***",)
    assert kept.log_tail == "\\u001b[2J***\nsecond\\u202e line\n"
    assert kept.result is not None
    assert kept.result.errors.examples == {"status": "expected 200, found 401: *** is no token"}
    assert {each.name: each.response.count for each in kept.result.by_request} == {"/?token=***": 2, "/": 1}
    assert clean_record(kept, find_secrets(asked)) == kept


def test_what_is_published_names_no_host_that_load_came_from() -> None:
    names = ("anns-laptop-7", "anns-laptop-71")
    workers = tuple(LoadWorker(name, "anns-laptop", "0.1.0", "2.46.6", "CPython 3.11.7", 2) for name in names[:1])
    trial = replace(
        record(), result=load_result(load_workers={names[1]: 0.5}), reasons=(f"load worker {names[1]} ended",)
    )
    run, (clean,), _ = anonymise(replace(RUN, load_workers=workers), [trial], [], MachinePaths())
    assert clean.result is not None
    assert (clean.result.load_workers, clean.reasons) == ({"load-worker-2": 0.5}, ("load worker load-worker-2 ended",))
    assert [(each.name, each.host) for each in run.load_workers] == [("load-worker-1", "")]


def test_values_are_compared_without_being_kept() -> None:
    asked = selection({"SHOP_KEY": SECRET, "HARNESS_FACTORY": "shop:make"}, (("cookie", "a=b"),))
    digests = digest_values(asked, "one")
    assert digests.keys() == {"--env SHOP_KEY", "--header cookie"}
    assert digests == digest_values(asked, "one")
    assert not set(digests.values()) & set(digest_values(asked, "two").values())
    assert digests["--env SHOP_KEY"] != digest_values(selection({"SHOP_KEY": "other"}), "one")["--env SHOP_KEY"]


def test_a_run_is_private_if_it_is_given_a_value() -> None:
    assert is_private(selection({"SHOP_KEY": "1"}))
    assert is_private(selection({}, (("x", "y"),)))
    assert not is_private(selection({"HARNESS_FACTORY": "shop:make"}))


def test_the_password_of_a_login_is_masked_and_its_change_is_known() -> None:
    (app,) = listing.choose("apps", listing.apps(), ["asgi"])

    def asked(password: str) -> Selection:
        given = replace(app, login=parse_login(f"POST /login user=ann&password={password}"))
        return Selection((), (given,), (), ("h1",), Conditions(), Candidate("uvicorn", "asgi"))

    kept = clean_record(replace(record(), reasons=(f"ann has {SECRET}",)), find_secrets(asked(SECRET)))
    assert kept.reasons == ("ann has ***",)
    assert is_private(asked(SECRET))
    assert digest_values(asked(SECRET), "run").keys() == {"--login"}
    assert digest_values(asked(SECRET), "run") != digest_values(asked("other"), "run")


def test_what_is_published_names_no_path_and_no_host_and_keeps_its_requests() -> None:
    home = "/home/ann/shop"
    where = replace(
        ENVIRONMENT,
        host="anns-laptop",
        server_args={"ours": f"gunicorn -c {home}/conf.py --api-token={SECRET}"},
        interpreters={"ours": f"CPython 3.11.7 ({home}/build)"},
        kept_out=("UVICORN_PORT", f"{home}/gunicorn.conf.py"),
    )
    run = replace(
        RUN, environment=where, argv=("harness", "run", "--app-dir", home), sources={f"Locust file {home}/l.py": "1"}
    )
    one = Histogram.of([1])
    result = load_result(
        errors=Errors(1, {"status": 1}, {"status": f"GET /home/feed: found 500: File {home}/app.py"}),
        by_request=[RequestResult("GET", "/home/feed", (1.0,), 1, one)],
    )
    trial = replace(
        record(), reasons=(f"see {home}/x.log",), log_tail=f"{home}/app.py", load_argv=(home,), result=result
    )
    start = ServerStart(trial.case.config, 0, (f"{home}/.venv/bin/python", "-m", "uvicorn"))
    found = anonymise(run, [trial], [start], MachinePaths())
    text = msgspec.json.encode(found, enc_hook=write_load).decode()
    for private in ("/ann", "anns-laptop", SECRET):
        assert private not in text
    kept, (clean,), (started,) = found
    assert kept.argv == ("harness", "run", "--app-dir", "…/shop")
    assert kept.environment.server_args == {"ours": "gunicorn -c …/conf.py --api-token=***"}
    assert started.argv == ("…/python", "-m", "uvicorn")
    assert clean.result is not None
    assert clean.result.errors.examples == {"status": "GET /home/feed: found 500: File …/app.py"}
    assert [each.name for each in clean.result.by_request] == ["/home/feed"]
    assert (clean.case, clean.result.slices) == (trial.case, result.slices)


def test_names_and_addresses_of_hosts_are_left_out() -> None:
    run = replace(
        RUN, argv=("harness", "run", "--server-host", "ssh://ann@10.0.0.2:22", "--bind", "10.0.0.2"), hosts=HOSTS
    )
    trial = replace(
        record(), reasons=("the loss of its host: ann@10.0.0.2 did not answer", "10.0.0.21 and 10.0.0.2:80")
    )
    start = ServerStart(trial.case.config, 0, ("uvicorn", "--host", "10.0.0.2"))
    kept, (clean,), (started,) = anonymise(run, [trial], [start], MachinePaths())
    text = msgspec.json.encode((kept, clean, started), enc_hook=write_load).decode()
    for private in ("ann@", "bench-1", "10.0.0.2 ", '10.0.0.2"', "10.0.0.2:"):
        assert private not in text
    assert kept.argv[-3:] == ("ssh://server-host:22", "--bind", "server-host")
    assert clean.reasons == ("the loss of its host: server-host did not answer", "10.0.0.21 and server-host:80")
    assert [(each.role, each.name, each.address) for each in kept.hosts] == [("load", "", None), ("server", "", "")]
