"""The command line: a group whose commands come from the installed distributions.

A command is an entry point in the group `rdzv_core.commands` that names a `click.Command`. It may raise any of
rdzv's errors, or `ValueError`: they end as one line on stderr (see `errors`). An integer that it returns is the exit
status.
"""

from __future__ import annotations

from collections.abc import Sequence

import rich  # noqa: F401 - the commands need it: better to miss it here, where `__main__` says what to install

from rdzv_core._cli.errors import exit_status
from rdzv_core._cli.group import command_line

__all__ = ["run_command_line"]


def run_command_line(arguments: Sequence[str]) -> int:
    """Run `rdzv` with `arguments` and return its exit status; never raises."""
    return exit_status(lambda: command_line().main(list(arguments), prog_name="rdzv", standalone_mode=False))
