"""The one place where an error becomes a line on stderr and an exit status.

| status | meaning |
|---|---|
| 1 | the rendezvous failed: the store is out of reach, the run is closed, time is over |
| 2 | bad usage or bad input: an option, an endpoint, a name that is not installed |
| 130 | interrupted from the keyboard |
"""

from __future__ import annotations

import errno
import os
import select
import sys
import traceback
from collections.abc import Callable
from typing import TextIO

import click

from rdzv_core._cli.stderr import flush_lines, write_line
from rdzv_core._errors import RendezvousError

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130

NO_PROCESS = "raise the limit that is reached (ulimit -u, or pids.max of the cgroup)"
"""What to do where the system refuses a process or a thread."""

TRACEBACK_VARIABLE = "RDZV_TRACEBACK"


def exit_status(action: Callable[[], object]) -> int:
    """Run `action` and return the exit status. An error becomes one line on stderr, with a traceback if asked for."""
    try:
        outcome = action()
        if sys.stdout is not None:
            sys.stdout.flush()
    except (KeyboardInterrupt, click.Abort):
        say("interrupted")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - this is where all of them end
        if isinstance(error, BrokenPipeError) and _has_no_reader(sys.stdout):
            return FAILED  # `rdzv backends | head -1`: a reader that has gone need not be told
        return _explained(error)
    finally:
        flush_lines()
        speak_as(str)
        for stream in (sys.stdout, sys.stderr):
            _drop_unwritten(stream)
    return outcome if isinstance(outcome, int) else 0


def say(message: str) -> None:
    """Write a line to stderr. Raises nothing: one that cannot be written (no reader, a full disk) is lost."""
    write_line(f"{speaker()}: {' '.join(message.split())}")


def speaker() -> str:
    """Return what a line begins with: `rdzv`, and which node it is from where there may be several."""
    return f"rdzv {_who()}".rstrip()


def speak_as(who: Callable[[], str]) -> None:
    """Have each line begin with what `who` returns then, until the command is over."""
    global _who
    _who = who


_who: Callable[[], str] = str


def _explained(error: Exception) -> int:
    if os.environ.get(TRACEBACK_VARIABLE):
        write_line("".join(traceback.format_exception(error)).rstrip())
    if isinstance(error, click.UsageError):
        where = f" (see `{error.ctx.command_path} --help`)" if error.ctx else ""
        say(f"error: {error.format_message().rstrip('.')}{where}")
        return BAD_INPUT
    if isinstance(error, click.ClickException):
        say(f"error: {error.format_message()}")
        return error.exit_code
    if _is_of_a_limit(error):
        say(
            f"error: {error}: the system refuses this process another process or thread: {NO_PROCESS} and start "
            "it again"
        )
        return FAILED
    if isinstance(error, (ValueError, RendezvousError, OSError)):
        say(f"error: {error}")
        return BAD_INPUT if isinstance(error, ValueError) else FAILED
    say(
        f"unexpected {type(error).__name__}: {error} (this is a bug in rdzv or a plugin: "
        f"set {TRACEBACK_VARIABLE}=1 to see where)"
    )
    return FAILED


def _is_of_a_limit(error: Exception) -> bool:
    """Whether a process or thread could not be started; `RuntimeError` is what Python makes of that for threads."""
    if isinstance(error, RuntimeError):
        return "start new thread" in str(error)
    return isinstance(error, BlockingIOError) and error.errno == errno.EAGAIN


def _drop_unwritten(stream: TextIO | None) -> None:
    """Discard what a stream holds and cannot write: else the interpreter tries again, and ends with status 120."""
    if stream is None:
        return
    try:
        stream.flush()
    except ValueError:  # it is closed
        return
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _has_no_reader(stream: TextIO | None) -> bool:
    if stream is None:
        return False
    poll = select.poll()
    poll.register(stream, 0)  # asked for nothing, it still reports errors
    return bool(poll.poll(0))
