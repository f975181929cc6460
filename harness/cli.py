"""The verbs of the command `harness`, and what turns settings into a selection."""

from __future__ import annotations

import inspect
import secrets
import shlex
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness import calibrate, catalog, config, cpus, guard, peers, record, report, run, server, stats
from harness.findings import RunInfo
from harness.model import PROTOCOLS, App, Launch, Scenario, Selection, UsageError
from harness.plan import make_plan
from harness.record import RunDirectory
from harness.show import Screen

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.config import Settings

NOTHING_MEASURED = 3
INTERRUPTED = 130
POLL_S = 0.2

app = typer.Typer(
    help="Which server should I deploy my ASGI app on? One app under several servers, the same load at each.",
    epilog="Begin with: harness run --rounds 2 --scenarios plaintext",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def with_settings(verb: Callable[[Settings], None]) -> Callable[..., None]:
    """Give a verb an option for each setting; the verb gets what they, the file and the defaults amount to."""

    def command(config_file: Path | None, **given: str | None) -> None:
        verb(config.load(given, Path.cwd(), config_file))

    parameters = [
        inspect.Parameter(
            option.key,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                str | None,
                typer.Option(help=option.help, metavar=option.metavar, show_default=False),
            ],
        )
        for option in config.options()
    ]
    file = Annotated[Path | None, typer.Option("--config", help="File of these settings, if not harness.toml.")]
    parameters.append(inspect.Parameter("config_file", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=file))
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # what inspect and typer read
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__name__, command.__doc__ = verb.__name__, verb.__doc__
    return command


@app.command("run")
@with_settings
def measure(settings: Settings) -> None:
    """Measure, write the results, and report them.

    Every server starts afresh in every round, every answer is verified, and the report says which numbers hold.
    """
    selection = select(settings)
    plan = make_plan(selection)
    screen = Screen()
    screen.plan(plan, selection)
    placement = cpus.place(cpus.available(), selection.load_processes)
    info = describe(selection, placement)
    directory = RunDirectory.create(Path(settings.out), info.id)
    directory.write_info(info)
    screen.say("First a few seconds for each protocol to find the load generator's own ceiling.")
    interrupted = False
    try:
        with screen.progress(plan) as watch:
            run.measure(selection, plan, info, directory, sys.executable, placement, watch)
    except KeyboardInterrupt:
        interrupted = True
        screen.say("Interrupted; what was measured is kept.")
    measured = publish(directory, screen)
    if interrupted:
        raise typer.Exit(INTERRUPTED)
    if not measured:
        raise typer.Exit(NOTHING_MEASURED)


@app.command("plan")
@with_settings
def plan_(settings: Settings) -> None:
    """Show what a run would do, and how long it would take, without doing it."""
    selection = select(settings)
    Screen().plan(make_plan(selection), selection, every_stint=True)


@app.command("list")
def list_() -> None:
    """List the servers, apps and scenarios there are, with what they can do."""
    Screen().catalogue(catalog.servers(), catalog.apps(), catalog.scenarios(), catalog.not_installed(catalog.servers()))


@app.command("report")
def report_(
    directory: Annotated[Path, typer.Argument(help="Folder of a run.", metavar="RUN")] = Path("results/latest"),
) -> None:
    """Draw the charts and write the report of a run again, from its files."""
    if not publish(RunDirectory(directory), Screen()):
        raise typer.Exit(NOTHING_MEASURED)


@app.command("serve")
def serve(
    name: Annotated[str, typer.Argument(help="Server from `harness list`.", metavar="SERVER")] = "uvicorn",
    app_: Annotated[str, typer.Option("--app", help="App of the catalogue, or MODULE:CALLABLE.")] = "asgi",
    app_dir: Annotated[Path, typer.Option(help="Folder that your own app is imported from.")] = Path(),
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.", min=1, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(help="Worker processes.", min=1)] = 1,
    tls: Annotated[bool, typer.Option("--tls", help="Serve over TLS, and HTTP/2 where the server has it.")] = False,
) -> None:
    """Start one server on one app, as a trial would, to look at it; Ctrl-C stops it."""
    (entry,) = catalog.choose("server", catalog.servers(), [name])
    chosen = catalog.own_app(app_, app_dir) if ":" in app_ else catalog.choose("app", catalog.apps(), [app_])[0]
    screen = Screen()
    with ExitStack() as stack:
        token = stack.enter_context(guard.guard())
        certificate = stack.enter_context(run.certificates()) if tls else None
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="harness-")))
        launch = Launch(run.HOST, port, chosen.target, workers, certificate, sys.executable)
        everywhere = cpus.available()
        log = folder / "server.log"
        running = stack.enter_context(server.start(entry, chosen, launch, cpus=everywhere, log=log, token=token))
        screen.say(
            f"{entry.name} answers on {'https' if tls else 'http'}://{launch.address} after {running.ready_s:.2f} s"
        )
        screen.say(shlex.join(running.argv))
        if certificate:
            screen.say(
                f"Trust it with: curl --cacert {certificate.authority} https://{launch.address}{chosen.ready_path}"
            )
        try:
            while running.ended is None:
                time.sleep(POLL_S)
        except KeyboardInterrupt:
            return
        screen.say(f"{entry.name} ended with {running.ended}\n{server.log_tail(log)}")
        raise typer.Exit(1)


@app.command("calibrate")
def calibrate_(
    against: Annotated[
        str, typer.Option(help="Other generators to run in turn with ours: wrk,h2load.", metavar="A,B")
    ] = "",
    pairs: Annotated[int, typer.Option(help="How often each comparison is made.", min=1)] = 5,
) -> None:
    """Find what the generator itself can do: its ceiling on each protocol, and beside other generators.

    The target is a server that does nothing, and nginx too where it is installed. A test of the generator, not of a
    server: run it on an idle machine.
    """
    screen = Screen()
    tools = {name for name in against.split(",") if name}
    if unknown := tools - {"wrk", "h2load"}:
        raise UsageError(f"--against: expected wrk, h2load or both, found {', '.join(sorted(unknown))}")
    if absent := peers.missing(tools):
        raise UsageError(f"--against: expected {', '.join(sorted(absent))} to be installed, found no such command")
    placement = cpus.place(cpus.available())
    with guard.guard() as token, run.certificates() as tls:
        generator = calibrate.Generator(sys.executable, placement, tls, token, window_s=peers.WINDOW_S)
        screen.say("Ceilings against the null server, best of three, 32 users:")
        for protocol in PROTOCOLS:
            rate_rps = calibrate.ceilings(generator, [protocol], tries=3).get(protocol)
            screen.say(f"  {protocol:7} {'none came' if rate_rps is None else f'{rate_rps:10,.0f} requests/s'}")
        targets = [peers.null_target] + ([peers.nginx_target] if not peers.missing({"nginx"}) else [])
        for target in targets if tools else []:
            screen.comparisons(peers.all_comparisons(target, tools, generator, pairs), pairs)
        with peers.null_target(generator) as null:
            result = peers.ours(peers.Side(users=1000), "h1", null.url("h1"), generator)
        screen.say(f"Memory of one load process with 1,000 connections: {result.memory_bytes / 1e6:,.0f} MB")


def select(settings: Settings) -> Selection:
    """Look up what the settings name; raises `UsageError` for what is not there."""
    servers = _chosen("servers", catalog.servers(), settings.servers)
    if settings.app is not None:
        apps: tuple[App, ...] = (catalog.own_app(settings.app, Path(settings.app_dir), settings.ready_path),)
    else:
        apps = _chosen("apps", catalog.apps(), settings.apps)
    baseline = settings.baseline or servers[0].name
    if baseline not in {entry.name for entry in servers}:
        raise UsageError(f"--baseline: expected one of --servers {','.join(settings.servers)}, found {baseline}")
    return Selection(
        servers=servers,
        apps=apps,
        scenarios=_scenarios(settings),
        protocols=settings.protocols,
        load=settings.load,
        users=settings.users,
        streams=settings.streams,
        workers=settings.workers,
        rounds=settings.rounds,
        warmup_s=settings.warmup,
        duration_s=settings.duration,
        baseline=baseline,
        seed=secrets.randbelow(2**31) if settings.seed is None else settings.seed,
        load_processes=_load_processes(settings),
        not_installed=catalog.not_installed(servers),
    )


def _scenarios(settings: Settings) -> tuple[Scenario, ...]:
    if settings.locustfile is None:
        return _chosen("scenarios", catalog.scenarios(), settings.scenarios)
    scenario = catalog.read_scenario(Path(settings.locustfile))
    if not scenario.ours and settings.load != "saturate":
        raise UsageError(f"--load: expected saturate with users that are Locust's own, found {settings.load}")
    if not scenario.protocols & set(settings.protocols):
        spoken = ", ".join(sorted(scenario.protocols))
        raise UsageError(f"--protocols: expected any of {spoken} for {settings.locustfile}, found others only")
    return (scenario,)


def _load_processes(settings: Settings) -> int:
    if settings.load_processes == "auto":
        return max(1, len(cpus.available()) // 2)
    return settings.load_processes


def _chosen(kind: str, entries: tuple[Any, ...], names: tuple[str, ...]) -> tuple[Any, ...]:
    return entries if names == ("all",) else catalog.choose(kind, entries, names)


def describe(selection: Selection, placement: cpus.Placement) -> RunInfo:
    """What the run stands on, before it begins."""
    now = datetime.now(UTC)
    versions = {entry.name: version for entry in selection.servers if (version := catalog.version_of(entry))}
    return RunInfo(
        id=f"{now:%Y-%m-%dT%H-%M-%S}-{selection.seed}",
        started_at=now.isoformat(timespec="seconds"),
        seed=selection.seed,
        argv=tuple(sys.argv),
        environment=record.environment(placement.server, placement.load, versions, Path(__file__).parent),
        baseline=selection.baseline or "",
        rounds=selection.rounds,
        warmup_s=selection.warmup_s,
        duration_s=selection.duration_s,
        load=selection.load,
        users=selection.users,
        streams=selection.streams,
        workers=selection.workers,
    )


def publish(directory: RunDirectory, screen: Screen) -> bool:
    """Statistics, charts and report from the files of a run; True when anything was measured."""
    info = directory.read_info()
    summaries = stats.summarise(directory.trials(), directory.lives(), baseline=info.baseline, seed=info.seed)
    page = report.write(directory.path, info, summaries, report.draw(catalog.charts(), info, summaries))
    screen.ranking(info, summaries)
    screen.say(f"Report: {page}")
    return any(summary.measured for summary in summaries)
