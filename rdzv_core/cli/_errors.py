"""The one place where an error becomes a line on stderr and an exit status.

| status | meaning |
|---|---|
| 1 | the rendezvous failed: the store is out of reach, the run is closed, time is over |
| 2 | bad usage or bad input: an option, an endpoint, a name that is not installed |
| 130 | interrupted from the keyboard |
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable

import click

from rdzv_core._errors import RendezvousError

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130

TRACEBACK_VARIABLE = "RDZV_TRACEBACK"


def exit_status(action: Callable[[], object]) -> int:
    """Run `action` and give the exit status; an error is said in one line, a traceback only if asked for."""
    try:
        outcome = action()
        sys.stdout.flush()
    except (KeyboardInterrupt, click.Abort):
        _say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader went away (`rdzv backends | head -1`): keep the interpreter from complaining when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:  # noqa: BLE001 - this is where all of them end
        return _explained(error)
    return outcome if isinstance(outcome, int) else 0


def _explained(error: Exception) -> int:
    if os.environ.get(TRACEBACK_VARIABLE):
        traceback.print_exception(error)
    if isinstance(error, click.UsageError):
        where = f" (see `{error.ctx.command_path} --help`)" if error.ctx else ""
        _say(f"error: {error.format_message().rstrip('.')}{where}")
        return BAD_INPUT
    if isinstance(error, click.ClickException):
        _say(f"error: {error.format_message()}")
        return error.exit_code
    if isinstance(error, (ValueError, RendezvousError, OSError)):
        _say(f"error: {error}")
        return BAD_INPUT if isinstance(error, ValueError) else FAILED
    _say(
        f"unexpected {type(error).__name__}: {error} (this is a bug in rdzv or a plugin: "
        f"set {TRACEBACK_VARIABLE}=1 to see where)"
    )
    return FAILED


def _say(message: str) -> None:
    print("rdzv:", " ".join(message.split()), file=sys.stderr)
