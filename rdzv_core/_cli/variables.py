"""Options that a variable of the environment can give: the command line wins, and an error names the variable."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable
from typing import Any, TypeVar, cast

import click
from click.core import ParameterSource

from rdzv_core._environment import BACKEND, ENDPOINT, INSIDE, RUN_ID, options_in, variable_of
from rdzv_core._secrets import overlaid
from rdzv_core.compat import resolved_name
from rdzv_core.registry import normalize

F = TypeVar("F", bound=Callable[..., Any])

_MISSING = "rdzv_core.missing"

_TOLD_BY_NAME = {"run_id": ("run_id",), "local_addr": ("local_addr",)}
"""Parameters that an error names when it does not show the value as it was given: one that is too long, say."""


class _Collected(click.Parameter):
    """A required parameter of a `RunCommand`: that it is missing is said with all others that are."""

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        try:
            return super().process_value(ctx, value)
        except click.MissingParameter:
            ctx.meta.setdefault(_MISSING, []).append(self)
            return None


class RunArgument(_Collected, click.Argument):
    """An argument of a `RunCommand`."""


class RunOption(_Collected, click.Option):
    """An option of a `RunCommand`, which its variable `envvar` can give too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["show_envvar"] = True
        super().__init__(*args, **kwargs)

    def get_error_hint(self, ctx: click.Context | None) -> str:
        return repr(spelled(ctx, self)) if ctx else click.Parameter.get_error_hint(self, ctx)

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        if self._is_anothers(ctx):
            return None
        return super().resolve_envvar_value(ctx)

    def _is_anothers(self, ctx: click.Context) -> bool:
        """Whether the variable is not meant: the run around this one's, or the endpoint of another store."""
        if self.name == "master_port":
            return bool(os.environ.get(INSIDE))  # that of the job around this one, where another process listens
        if self.envvar == RUN_ID:
            return ctx.command.name == "run" and bool(os.environ.get(INSIDE))
        return self.envvar == ENDPOINT and _names_another_store(ctx.params.get("backend"))


class RunCommand(click.Command):
    """A command whose missing parameters are named all at once."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        rest = super().parse_args(ctx, args)
        self.fill(ctx)
        lacks = [param for param in ctx.meta.get(_MISSING, []) if ctx.params.get(str(param.name)) is None]
        missing = [param for param in self.params if param in lacks]
        if missing and not ctx.resilient_parsing:
            raise click.UsageError(f"missing: {', '.join(map(_wanted, missing))}{_why(missing)}", ctx)
        return rest

    def fill(self, ctx: click.Context) -> None:
        """Set parameters that others determine; those that are required and still None are missing."""


def _wanted(param: click.Parameter) -> str:
    if isinstance(param, click.Argument):
        return str(param.metavar).strip("[-]. ")
    return f"{param.opts[0]} (or {param.envvar})"


def _why(missing: list[click.Parameter]) -> str:
    variables = {param.envvar for param in missing if os.environ.get(str(param.envvar))}
    if RUN_ID in variables:
        return (
            f"; {RUN_ID}={os.environ[RUN_ID]!r} is the run that this command is part of: a run within it needs its own"
        )
    if ENDPOINT in variables:
        return f"; {ENDPOINT} goes with {BACKEND}={os.environ[BACKEND]!r}, and --backend names another"
    return ""


def spelled(ctx: click.Context, param: click.Parameter) -> str:
    """Return what gave the parameter its value: its variable, or the option itself."""
    if _is_from_variable(ctx, str(param.name)):
        return str(param.envvar)
    return param.opts[0]


def with_variables(ctx: click.Context, backend: str, given: dict[str, str]) -> dict[str, str]:
    """Return the options of the command line, over those of the environment.

    Where --backend names another store than RDZV_BACKEND, the environment's are not those of this one, but for the
    handler's.
    """
    from rdzv_core._handler.settings import HANDLER_OPTIONS

    found = options_in(os.environ)
    if not _is_from_variable(ctx, "backend") and _names_another_store(backend):
        everywhere = {option.name for option in HANDLER_OPTIONS}
        found = {name: value for name, value in found.items() if name in everywhere}
    return overlaid(found, given)


def naming_variables(command: F) -> F:
    """Let a `ValueError` of `command` say which variable gave the value that it is about."""

    @functools.wraps(command)
    def named(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except ValueError as error:
            variable = _culprit(click.get_current_context(), str(error))
            if variable is None:
                raise
            raise ValueError(f"{error} (given by the environment variable {variable})") from error

    return cast("F", named)


def _culprit(ctx: click.Context, text: str) -> str | None:
    named = re.findall(r"\boption (\w+)", text)
    if named:
        given, found = ctx.params.get("config") or {}, options_in(os.environ)
        return next((variable_of(name) for name in named if name in found and name not in given), None)
    for param in ctx.command.params:
        told = [repr(ctx.params.get(str(param.name))), *_TOLD_BY_NAME.get(str(param.name), ())]
        if _is_from_variable(ctx, str(param.name)) and any(each in text for each in told):
            return str(param.envvar)
    return None


def _names_another_store(backend: str | None) -> bool:
    there = os.environ.get(BACKEND)
    return bool(backend and there) and _same(str(backend)) != _same(str(there))


def _same(backend: str) -> str:
    return normalize(resolved_name(backend))


def _is_from_variable(ctx: click.Context, name: str) -> bool:
    return ctx.get_parameter_source(name) is ParameterSource.ENVIRONMENT
