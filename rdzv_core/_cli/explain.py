"""`rdzv explain`: what a run waits for."""

from __future__ import annotations

import dataclasses

import click

from rdzv_core._cli.errors import FAILED
from rdzv_core._cli.options import json_option, parameters, run_options
from rdzv_core._cli.output import show_json
from rdzv_core._cli.status import headline, inspect
from rdzv_core._cli.variables import RunCommand
from rdzv_core._cli.watch.words import failure_lines, place


@click.command(cls=RunCommand)
@run_options
@json_option
def explain(backend: str, endpoint: str, run_id: str, config: dict[str, str], as_json: bool) -> int:
    """Show which nodes a run waits for, why, and what unblocks it.

    Read-only: hosts no store and creates nothing. The exit status is 1 if there is no such run.
    """
    found = inspect(parameters(backend, endpoint, run_id, config))
    if as_json:
        show_json(dataclasses.asdict(found))
    else:
        click.echo(headline(found, place(backend, endpoint)))
        for line in failure_lines(found):
            click.echo(line)
        for reason in found.reasons:
            click.echo(f"- {reason}")
    return 0 if found.exists else FAILED
