"""How `rdzv simulate` reads its options, and which of them can be combined."""

from __future__ import annotations

from typing import Any

import click
from click.core import ParameterSource

from rdzv_simulation._cli.repetition import NOTHING, NotOfThisLifeError, check_keep, check_without
from rdzv_simulation._loop.scenario import Scenario

_HEEDED = {"messages": {"nodes", "as_json"}, "matrix": {"seed", "as_json"}}
"""Options that ask for something other than lives, and which others they heed; `jobs` is never in the way."""


def fault_names(known: tuple[str, ...]) -> Any:
    """Return a callback that reads one or more of the known faults."""

    def read(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
        if value is None:
            return None
        names = _split(value)
        unknown = [name for name in names if name not in known]
        if unknown:
            raise click.BadParameter(f"{unknown[0]!r} is not a fault; choose from {', '.join(known)}", ctx, param)
        if not names:
            raise click.BadParameter(f"{value!r} names no fault; choose from {', '.join(known)}", ctx, param)
        return names

    return read


def numbers(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, ...]:
    """Read numbers of nodes."""
    names = _split(value)
    if not names or not all(name.isdecimal() and int(name) > 1 for name in names):
        raise click.BadParameter(f"{value!r} is not a list of numbers above 1, such as 100,1000", ctx, param)
    return tuple(int(name) for name in names)


def left_out(ctx: click.Context, param: click.Parameter, value: str | None) -> frozenset[str]:
    """Read the nodes to leave out; none if the option is not given."""
    if value is None:
        return frozenset()
    if not _split(value):
        raise click.BadParameter(f"{value!r} names no node; give one or more, such as host0,late1", ctx, param)
    return frozenset(_split(value))


def kept(ctx: click.Context, param: click.Parameter, value: str | None) -> frozenset[str] | None:
    """Read what alone may go wrong: None, which is everything, if the option is not given."""
    if value is None:
        return None
    names = _split(value)
    if not names:
        raise click.BadParameter(
            f"{value!r} is empty; give the names that a failure prints, or {NOTHING!r}", ctx, param
        )
    return frozenset() if names == (NOTHING,) else frozenset(names)


def check_together(ctx: click.Context) -> None:
    """Raise `UsageError` if an option was given that another one makes meaningless."""
    spelled = {str(param.name): param.opts[0] for param in ctx.command.params}
    given = [name for name in spelled if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    for mode, heeded in _HEEDED.items():
        for name in given:
            if mode in given and name not in {mode, "jobs", *heeded}:
                raise click.UsageError(
                    f"{spelled[name]} has no meaning beside {spelled[mode]}: give one or the other", ctx
                )
    if "nodes" in given and "messages" not in given:
        raise click.UsageError("--nodes has no meaning without --messages: give both, or neither", ctx)
    if "trace" in given and "as_json" in given:
        raise click.UsageError("--json has no meaning beside --trace, which is text: give one or the other", ctx)


def check_repetition(ctx: click.Context, scenario: Scenario, lives: int) -> None:
    """Raise `BadParameter` if --keep or --without names what the lives, from the scenario's seed on, do not have."""
    if scenario.keep and lives > 1:
        raise click.UsageError(f"--keep names what goes wrong in one life: give --seeds 1, not {lives} seeds", ctx)
    option = "--keep"
    try:
        check_keep(scenario)
        option = "--without"
        for seed in range(scenario.seed, scenario.seed + lives) if scenario.without else ():
            check_without(scenario.of(seed))
    except NotOfThisLifeError as error:
        raise click.BadParameter(str(error), ctx, param_hint=option) from error


def _split(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
