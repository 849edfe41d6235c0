"""The group `rdzv`: commands found by entry point, each imported when it is invoked."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

from rdzv_core import __version__
from rdzv_core._errors import RendezvousError
from rdzv_core.registry import entry_points as installed
from rdzv_core.registry._listing import info_of

if TYPE_CHECKING:
    from importlib_metadata import EntryPoint

GROUP = "rdzv_core.commands"

_PROVIDERS = {"certify": "rdzv-conformance", "simulate": "rdzv-simulation", "serve": "rdzv-tcp"}
"""Commands of first-party distributions, so that the error for a missing one can say what to install."""

_OWN = "rdzv-core"


class CommandGroup(click.Group):
    """Looks its commands up in the installed metadata. A broken one does not affect the others."""

    def __init__(self, *args: Any, entry_points: Callable[[], Iterable[EntryPoint]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._entry_points = entry_points

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted({point.name for point in self._entry_points()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        points = [point for point in self._entry_points() if point.name == cmd_name]
        own = [point for point in points if _origin(point).startswith(f"{_OWN} ")]
        if len({point.value for point in points}) > 1 and not own:
            return _broken(cmd_name, f"several distributions provide it: {', '.join(map(_origin, points))}")
        if points:
            return _load((own or points)[0])
        if cmd_name in _PROVIDERS:
            raise click.UsageError(f"command {cmd_name!r} is not installed: run `pip install {_PROVIDERS[cmd_name]}`")
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        there, name = self.list_commands(ctx), args[0]
        if name in there or name in _PROVIDERS or name.startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        near = difflib.get_close_matches(name.lower(), dict.fromkeys((*there, *_PROVIDERS)), n=1)
        guess = f"did you mean {near[0]!r}? " if near else ""
        raise click.UsageError(f"no command {name!r}: {guess}The commands are {', '.join(there)}", ctx)


def command_line(entry_points: Callable[[], Iterable[EntryPoint]] | None = None) -> click.Group:
    """Return the group. `entry_points` replaces the environment's, so that a test needs to install nothing."""

    @click.group(
        cls=CommandGroup,
        entry_points=entry_points or (lambda: installed(GROUP)),
        invoke_without_command=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    @click.version_option(__version__, prog_name="rdzv")
    @click.pass_context
    def rdzv(ctx: click.Context) -> None:
        """How the processes of an elastic job find each other, over a store chosen by name."""
        if ctx.invoked_subcommand is None:
            click.echo(ctx.get_help())

    return rdzv


def _load(point: EntryPoint) -> click.Command:
    try:
        command = point.load()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a plugin's import does, the others work
        return _broken(point.name, f"{_origin(point)} ({point.value}): {type(error).__name__}: {error}")
    if not isinstance(command, click.Command):
        return _broken(point.name, f"{_origin(point)} ({point.value}) is not a click.Command but {command!r}")
    return command


def _broken(name: str, why: str) -> click.Command:
    reason = " ".join(why.split())

    def refuse() -> None:
        raise RendezvousError(f"command {name!r} is installed but broken: {reason}")

    return click.Command(
        name,
        callback=refuse,
        short_help=f"(broken: {reason})",
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )


def _origin(point: EntryPoint) -> str:
    info = info_of(point)
    return f"{info.distribution} {info.version}".strip()
