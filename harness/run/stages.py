"""The order of the stages of a run, which only this file knows.

For each round, for each block: start its servers; then for each measurement let the cases take turns (one unmeasured
pass, warm-up, slices) beside the samplers, and write the records at once; then stop the servers. Reports come later,
from the files.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.host import certificates, guard
from harness.host.files import telling_of_full_disks
from harness.hosts.server_host import LocalHost
from harness.model.errors import StorageError
from harness.model.targets import HOST
from harness.run import feedback
from harness.run.calibration.ceiling import Generator, measure_ceilings
from harness.run.calibration.link import measure_link
from harness.run.journal import Journal
from harness.run.launcher import Launcher
from harness.run.load_hosts import gather
from harness.run.load_process import ForkServer
from harness.run.masking import find_secrets
from harness.run.measurer import Measurer
from harness.run.rounds import Rounds

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.hosts.server_host import ServerHost
    from harness.model.machine import Placement
    from harness.model.plan import Plan, Selection
    from harness.model.protocols import Protocol
    from harness.model.run_info import RunInfo
    from harness.run.directory import RunDirectory
    from harness.run.journal import Watcher

CEILING_TRIES = 3


def measure(
    selection: Selection,
    plan: Plan,
    info: RunInfo,
    directory: RunDirectory,
    placement: Placement,
    watch: Watcher,
    host: ServerHost | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Find the generator's ceilings and what the link carries, then do what the plan says.

    Every record is written the moment it is known.

    A server or a generator that fails costs its trials a number, not the run its others. What an interrupted run has
    found already, in the same directory, is not done again. Raises `StorageError` when a file cannot be written; what
    was measured until then is in the files, as far as there is room.

    Servers run on `host`, or else on this machine. `say` reports who takes part in the load from other hosts; raises
    `WorkersMissingError` if it lacks too many.
    """
    info = replace(info, complete=False)
    wanted = selection.load_workers
    host = host or LocalHost(placement.server, wanted.host if wanted else HOST)
    host.cpus = placement.server
    directory.write_info(info)
    with (
        guard.guard() as token,
        certificates.issue(selection.servers, host.address) as tls,
        ForkServer(token) as fork_server,
        gather(wanted, token, say) as load_hosts,
    ):
        if load_hosts is not None:
            info = replace(info, load_workers=load_hosts.workers)
        generator = Generator(sys.executable, placement, tls, token, fork_server, hosts=load_hosts, server_host=host)
        info = _find_limits(info, selection, plan, generator, host)
        directory.write_info(info)
        journal = Journal(directory, watch, plan.estimate_s, secrets=find_secrets(selection))
        launcher = Launcher(selection, host, token, tls, journal)
        measurer = Measurer(selection, info, placement, fork_server, tls, journal, load_hosts, host.link)
        try:
            with telling_of_full_disks():
                _carry_out(selection, plan, Rounds(launcher, measurer, journal), journal)
            directory.write_info(replace(info, complete=True))
        except StorageError:
            journal.save(info)
            raise


def _find_limits(info: RunInfo, selection: Selection, plan: Plan, generator: Generator, host: ServerHost) -> RunInfo:
    """What generator and link can do, beside what is known of the run; a resumed run knows it from before."""
    ceilings, link = info.ceilings or _ceilings(selection, plan, generator), info.link
    if host.link is not None and link is None:
        link = measure_link(host.link, host, selection.conditions.distances, generator.token)
    return replace(info, ceilings=ceilings, link=link)


def _carry_out(selection: Selection, plan: Plan, rounds: Rounds, journal: Journal) -> None:
    """Do what the plan says, and what it adds."""
    at_half_rate = plan.half_rate_rounds * len(plan.at_half_rate)
    journal.begin(plan.exclusions, plan.case_count + at_half_rate)
    for number, planned in enumerate(plan.rounds):
        rounds.carry_out(number, planned)
    for number, further in enumerate(feedback.further_rounds(plan, selection, journal.records), len(plan.rounds)):
        journal.expect(sum(block.case_count for block in further))
        rounds.carry_out(number, further)
    last = feedback.half_rate_rounds(plan, selection, journal.records)
    journal.expect(sum(block.case_count for each in last for block in each) - at_half_rate)
    # Their numbers do not depend on how many rounds were added, which a resumed run may decide otherwise.
    for number, planned in enumerate(last, len(plan.rounds) + len(plan.further)):
        rounds.carry_out(number, planned)


def _ceilings(selection: Selection, plan: Plan, generator: Generator) -> dict[Protocol, float]:
    """What the generator reaches at most, with the most users, on each protocol where it can be known."""
    conditions = selection.conditions
    as_run = replace(
        generator,
        users=max(conditions.users),
        streams=conditions.streams,
        processes=conditions.load_processes,
    )
    spoken = dict.fromkeys(case.protocol for case in plan.cases)
    own = next((scenario for scenario in selection.scenarios if not scenario.ours), None)
    found = measure_ceilings(as_run, list(spoken), min(CEILING_TRIES, conditions.rounds), own)
    return {protocol: ceiling.rate_rps for protocol, ceiling in found.items() if ceiling.of_generator}
