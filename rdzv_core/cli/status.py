"""`rdzv status`: who is in the round of a run."""

from __future__ import annotations

import dataclasses

import click

from rdzv_core._create import create_backend
from rdzv_core._parameters import RendezvousParameters
from rdzv_core.cli._errors import FAILED
from rdzv_core.cli._options import json_option, parameters, run_options
from rdzv_core.cli._output import show_json, show_table
from rdzv_core.cli._variables import RunCommand
from rdzv_core.cli.watch.words import FORMS, NOT_THERE, place, standing
from rdzv_core.inspection import RosterMember, RunStatus, inspect_run


@click.command(cls=RunCommand)
@run_options
@json_option
@click.option("--watch", is_flag=True, help="Go on looking, until the run is closed or Ctrl-C.")
def status(backend: str, endpoint: str, run_id: str, config: dict[str, str], as_json: bool, watch: bool) -> int:
    """Show a run: its phase, its round, who is in it and who waits.

    With --watch it shows the round forming, live: who is there, who is missing and since when, whose last call it is.
    In a pipe it prints a line for every change instead, and with --json the whole status as a line for every change.

    Only looks: hosts no store and creates nothing. The exit status is 1 where there is no such run; with --watch it
    waits for one.
    """
    params = parameters(backend, endpoint, run_id, config)
    if watch:
        # Imported late: it brings rich and threads.
        from rdzv_core.cli.watch.loop import watch_run

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
        return inspect_run(store)
    finally:
        store.close()


def headline(found: RunStatus, where: str) -> str:
    """Say in one line how the run stands; where there is none, in which store, and what to do."""
    if not found.exists:
        return f"run {found.run_id!r}: no such run on {where}: {NOT_THERE}"
    fence = f"last fence {found.fence}" if found.phase in FORMS else f"fence {found.fence}"
    nodes = f", {found.min_nodes} to {found.max_nodes} nodes" if found.max_nodes else ""
    return f"run {found.run_id!r}: {standing(found)}, {fence}{nodes}"


def _show(found: RunStatus, where: str) -> None:
    click.echo(headline(found, where))
    if found.roster:
        rows = [[str(each.rank), each.node_id, each.addr, _state(each)] for each in found.roster]
        show_table(("rank", "node", "address", "state"), rows)
    if found.waiting:
        show_table(("waiting node", "address"), [[each.node_id, each.addr] for each in found.waiting])
    show_health(found)


def show_health(found: RunStatus) -> None:
    """Print what the store says of itself, if it says anything."""
    if found.store:
        show_table(("store", ""), [[name.replace("_", " "), _said(value)] for name, value in found.store.items()])


def _said(value: str | int | float | bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.1f}" if isinstance(value, float) else str(value) or "-"


def _state(member: RosterMember) -> str:
    if member.present:
        return "working" if member.announced else "present"
    return member.went or "gone"
