"""The options that several commands share, and the parameters that they make."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import click

from rdzv_core._cli.completion import backend_names, option_names
from rdzv_core._cli.variables import RunOption, naming_variables, with_variables
from rdzv_core._parameters import MOST_NODES, RendezvousParameters

F = TypeVar("F", bound=Callable[..., Any])


def read_nodes(ctx: click.Context, param: click.Parameter, text: str | None) -> tuple[int, int] | None:
    """Read `MIN[:MAX]`, as a callback of an option; None if it is not given."""
    if text is None:
        return None
    low, colon, high = text.partition(":")
    try:
        least, most = int(low), int(high if colon else low)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not MIN or MIN:MAX, as in 4 or 2:4", ctx, param) from None
    if least < 1:
        raise click.BadParameter(f"{text!r}: a round needs at least 1 node", ctx, param)
    if most < least:
        raise click.BadParameter(f"{text!r}: at most {most} nodes is fewer than at least {least}", ctx, param)
    if most > MOST_NODES:
        raise click.BadParameter(f"{text!r}: a round has at most {MOST_NODES} nodes", ctx, param)
    return least, most


class Seconds(click.FloatRange):
    """A finite number of seconds, 0 or more: click takes nan for one that is in every range."""

    def __init__(self) -> None:
        super().__init__(min=0)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds: float = super().convert(value, param, ctx)
        if not math.isfinite(seconds):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return seconds


def _read_options(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    config: dict[str, str] = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise click.BadParameter(f"{text!r} is not name=value", ctx, param)
        if name.strip() in config:
            raise click.BadParameter(f"{name.strip()!r} is given twice", ctx, param)
        config[name.strip()] = value
    return config


def run_options(command: F) -> F:
    """Add the options that name a run in a store. They belong to a `RunCommand`."""
    run_id = click.option(
        "--run-id",
        cls=RunOption,
        envvar="RDZV_RUN_ID",
        required=True,
        metavar="ID",
        help="The run's id: any text up to 1 KiB.",
    )
    return store_options(command, run_id)


def store_options(command: F, *further: Callable[[Any], Any]) -> F:
    """Add the options that name a store, and `further` ones among them. They belong to a `RunCommand`."""
    command = naming_variables(command)
    for decorate in (
        click.option(
            "--option",
            "config",
            multiple=True,
            metavar="NAME=VALUE",
            callback=_read_options,
            shell_complete=option_names,
            help="An option of the backend (see `rdzv backends NAME`) or of the handler. May be repeated. As `ps` "
            "shows it, give a secret X as X_file=PATH or by its variable.  [env var: RDZV_OPTION_<NAME>]",
        ),
        *further,
        click.option(
            "--endpoint",
            cls=RunOption,
            envvar="RDZV_ENDPOINT",
            required=True,
            metavar="E",
            help="Where the store is, in the backend's own form.",
        ),
        click.option(
            "--backend",
            cls=RunOption,
            envvar="RDZV_BACKEND",
            required=True,
            metavar="B",
            shell_complete=backend_names,
            help="The kind of store, by name (see `rdzv backends`).",
        ),
    ):
        command = decorate(command)
    return command


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")


def parameters(
    backend: str,
    endpoint: str,
    run_id: str,
    config: dict[str, str],
    nodes: tuple[int, int] = (1, 1),
    local_addr: str | None = None,
) -> RendezvousParameters:
    """Make the parameters of a command, with the options of the environment; raises `ValueError` as they do."""
    params = RendezvousParameters(backend, endpoint, run_id, *nodes, local_addr=local_addr)
    # Not as keywords: an option that is named like a parameter is an unknown option, not a TypeError.
    params.config.update(with_variables(click.get_current_context(), backend, config))
    return params
