"""A job on this node alone: `rdzv run --standalone` needs no store, and no name for its run."""

from __future__ import annotations

import secrets

import click
from click.core import ParameterSource

from rdzv_core._cli.variables import RunCommand
from rdzv_core.registry import entry_points
from rdzv_core.registry._listing import GROUP

_ALONE = "127.0.0.1"


class NodeCommand(RunCommand):
    """A command whose `standalone` stands for the parameters that name a run in a store."""

    def fill(self, ctx: click.Context) -> None:
        """Set them; raises `UsageError` for one that is given as well. Variables do not count: they are for all jobs.

        The store is one that this process hosts, so that CMD reaches it, where rdzv-tcp is installed.
        """
        if ctx.resilient_parsing or not ctx.params.get("standalone"):
            return
        hosted = any(point.name == "tcp" for point in entry_points(GROUP))
        name = f"standalone-{secrets.token_hex(4)}"
        filled = {
            "backend": "tcp" if hosted else "memory",
            "endpoint": f"{_ALONE}:0" if hosted else name,
            "run_id": name,
            "nodes": (1, 1),
        }
        given = [
            param.opts[0]
            for param in self.params
            if param.name in filled and ctx.get_parameter_source(str(param.name)) is ParameterSource.COMMANDLINE
        ]
        if given:
            raise click.UsageError(f"--standalone is a run of its own on this node: leave out {', '.join(given)}", ctx)
        ctx.params.update(filled)
        ctx.params["local_addr"] = ctx.params.get("local_addr") or _ALONE
