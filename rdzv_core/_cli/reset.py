"""`rdzv reset`: a new epoch for a run that is closed, or stuck."""

from __future__ import annotations

import click

from rdzv_core._cli.options import parameters, run_options
from rdzv_core._cli.status import inspect, near
from rdzv_core._cli.variables import RunCommand
from rdzv_core._create import create_backend
from rdzv_core._errors import RendezvousError
from rdzv_core._removal import is_over, remove_run
from rdzv_core.inspection import RunStatus, reset_run


@click.command(cls=RunCommand)
@run_options
@click.option("--yes", is_flag=True, help="Reset even if members are alive; they are fenced and must rejoin.")
def reset(backend: str, endpoint: str, run_id: str, config: dict[str, str], yes: bool) -> None:
    """Start a new epoch of a run, so that nodes can join it again.

    A closed run stays closed until then. While members of the run are alive this is refused without --yes: the new
    epoch does not wait for a node that still works in the old one. If the run is over, everything it left is removed
    from the store.
    """
    params = parameters(backend, endpoint, run_id, config)
    # Look first, as an observer that creates nothing: if there is no run, no store is created or hosted to reset it in.
    found = inspect(params)
    _check(found, yes)
    store = create_backend(params)
    try:
        if is_over(found) and (removed := remove_run(store)):
            what = f"removed from the store ({removed} register{'s' * (removed > 1)})"
        else:
            what = f"epoch {reset_run(store)} begins"
    finally:
        store.close()
    click.echo(f"run {run_id!r}: {what}; nodes can join it")


def _check(found: RunStatus, yes: bool) -> None:
    if not found.exists:
        raise RendezvousError(f"there is no run {found.run_id!r} here, so there is nothing to reset{near(found)}")
    working = {f"{each.node_id} ({each.addr})" for each in found.roster if each.present}
    alive = sorted(working | {f"{each.node_id} ({each.addr})" for each in found.waiting})
    if alive and not yes:
        raise RendezvousError(
            f"run {found.run_id!r} has {len(alive)} live member{'s' * (len(alive) > 1)} "
            f"({', '.join(alive[:8])}{', …' if alive[8:] else ''}): "
            "stop them first, or give --yes to fence them"
        )
