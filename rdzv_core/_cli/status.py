"""`rdzv status`: the nodes of a run, and their states."""

from __future__ import annotations

import dataclasses
import time

import click

from rdzv_core._cli.errors import FAILED
from rdzv_core._cli.options import json_option, parameters, run_options
from rdzv_core._cli.output import show_json, show_table
from rdzv_core._cli.variables import RunCommand
from rdzv_core._cli.watch.words import FORMS, NOT_THERE, counts, failure_lines, place, size, span, standing, wanted
from rdzv_core._create import create_backend
from rdzv_core._parameters import RendezvousParameters
from rdzv_core._runs import similar_runs
from rdzv_core.inspection import PastRound, RunStatus, inspect_run


@click.command(cls=RunCommand)
@run_options
@json_option
@click.option("--watch", is_flag=True, help="Keep watching until the run closes, or until Ctrl-C.")
def status(backend: str, endpoint: str, run_id: str, config: dict[str, str], as_json: bool, watch: bool) -> int:
    """Show a run: its phase, its round, the state of each node, and what failed first.

    With --watch it shows the round forming, live: which nodes are there, which are missing and since when, and how
    long the last call lasts. In a pipe, and on a terminal that cannot be drawn on (TERM=dumb), it prints a line for
    every change instead; with --json each of these lines is the whole status.

    Read-only: hosts no store and creates nothing. The exit status is 1 if there is no such run; with --watch it waits
    for one.
    """
    params = parameters(backend, endpoint, run_id, config)
    if watch:
        # Imported late: it brings rich and threads.
        from rdzv_core._cli.watch.loop import watch_run

        return watch_run(params, as_json)
    found = inspect(params)
    if as_json:
        show_json(dataclasses.asdict(found))
    else:
        _show(found, place(backend, endpoint))
    return 0 if found.exists else FAILED


def inspect(params: RendezvousParameters) -> RunStatus:
    """Look at a run, hosting and creating nothing."""
    store = create_backend(params.for_observer())
    try:
        found = inspect_run(store)
        if found.exists:
            return found
        return dataclasses.replace(found, similar=similar_runs(store, params.run_id))
    finally:
        store.close()


def near(found: RunStatus) -> str:
    """Return a hint at the runs whose ids are spelled nearly like that of one that is not there."""
    return f"; did you mean {' or '.join(map(repr, found.similar))}?" if found.similar else ""


def headline(found: RunStatus, where: str) -> str:
    """Return in one line how the run stands; if there is no such run, which store was read and what to do."""
    if not found.exists:
        return f"run {found.run_id!r}: no such run on {where}: {NOT_THERE}{near(found)}"
    terms = [wanted(found)] if found.max_nodes else []
    terms.append(f"last fence {found.fence}" if found.phase in FORMS else f"fence {found.fence}")
    now = counts(found.states(), found.missing)
    return f"run {found.run_id!r}: {standing(found)}: {now} ({', '.join(terms)})"


def _show(found: RunStatus, where: str) -> None:
    click.echo(headline(found, where))
    for line in failure_lines(found):
        click.echo(line)
    rows = [[str(each.rank), each.node_id, each.addr, each.state] for each in found.roster]
    rows += [["-", each.node_id, each.addr, each.state] for each in found.waiting]
    if rows:
        show_table(("rank", "node", "address", "state"), rows)
    if found.rounds:
        show_table(("round", "nodes", "formed", "because"), [_past(each) for each in found.rounds])
    show_health(found)


def _past(each: PastRound) -> list[str]:
    formed = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(each.time))
    return [str(each.round), str(each.size), formed, each.why or "-"]


def show_health(found: RunStatus) -> None:
    """Print what the store reports about itself, if anything."""
    if found.store:
        show_table(("store", ""), [_fact(name, value) for name, value in found.store.items()])


def _fact(name: str, value: str | int | float | bool) -> list[str]:
    """Return a row for a fact of a store, whose name ends in its unit, in units that people use."""
    if name in _RENAMED:
        name, yes, no = _RENAMED[name]
        return [name, yes if value else no]
    if isinstance(value, bool):
        return [name.replace("_", " "), "yes" if value else "no"]
    if isinstance(value, (int, float)) and name.endswith("_seconds"):
        return [name.removesuffix("_seconds").replace("uptime", "up"), span(value)]
    if isinstance(value, (int, float)) and name.endswith("_bytes"):
        return [name.removesuffix("_bytes"), size(value)]
    return [name.replace("_", " "), f"{value:.1f}" if isinstance(value, float) else str(value) or "-"]


_RENAMED = {"guarded": ("authentication", "required", "none")}
