"""`rdzv runs`: which runs a store holds."""

from __future__ import annotations

import dataclasses
import time

import click

from rdzv_core._cli.options import json_option, parameters, store_options
from rdzv_core._cli.output import show_json, show_table
from rdzv_core._cli.variables import RunCommand
from rdzv_core._cli.watch.words import counts, place, span
from rdzv_core._runs import list_runs
from rdzv_core.inspection import RunStatus

_ANY_RUN = "rdzv"


@click.command(cls=RunCommand)
@store_options
@json_option
def runs(backend: str, endpoint: str, config: dict[str, str], as_json: bool) -> None:
    """List the runs of a store: the phase and the round of each, its nodes, and how long ago that round formed.

    Read-only: hosts no store and creates nothing. A backend that cannot list its runs is an error.
    """
    found = list_runs(parameters(backend, endpoint, _ANY_RUN, config))
    if as_json:
        show_json({"runs": [dataclasses.asdict(each) for each in found]})
    elif found:
        now = time.time()
        show_table(("run", "phase", "round", "nodes", "formed"), [_row(each, now) for each in found])
    else:
        click.echo(f"no run on {place(backend, endpoint)}")


def _row(status: RunStatus, now: float) -> list[str]:
    if status.phase == "unknown":
        return [status.run_id, status.phase, "-", status.reasons[0], "-"]
    formed = f"{span(now - status.rounds[-1].time)} ago" if status.rounds else "-"
    nodes = counts(status.states(), status.missing)
    return [status.run_id, status.phase, str(status.round), nodes, formed]
