"""The options of `rdzv run` about its workers: how many, how they are started and stopped, where their output goes."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from rdzv_core._cli.node.count import count_of
from rdzv_core._cli.node.output_plan import BOTH, STDERR, STDOUT, OutputPlan, Selection
from rdzv_core._cli.options import Seconds
from rdzv_core._cli.variables import RunOption
from rdzv_core._handler.worker_ranks import MOST_WORKERS

F = TypeVar("F", bound=Callable[..., Any])

_STREAMS = {"none": 0, "stdout": STDOUT, "stderr": STDERR, "both": BOTH, "0": 0, "1": STDOUT, "2": STDERR, "3": BOTH}
_NOT_ENDING = (signal.SIGSTOP, signal.SIGTSTP, signal.SIGCONT, signal.SIGCHLD, signal.SIGWINCH)


def read_count(ctx: click.Context, param: click.Parameter, text: str | None) -> int | None:
    """Read a number of workers, as a callback of an option; None if it is not given."""
    if text is None:
        return None
    try:
        count = count_of(text)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None
    if not 0 < count <= MOST_WORKERS:
        raise click.BadParameter(f"{text!r}: a node runs 1 to {MOST_WORKERS:,} processes", ctx, param)
    return count


def read_signal(ctx: click.Context, param: click.Parameter, text: str) -> int:
    """Read a signal that ends a process, by name (with or without SIG) or number."""
    name, there = text.upper(), {each.name: each for each in signal.Signals}
    number = there.get(name) or there.get(f"SIG{name}")
    if number is None:
        number = next((each for each in there.values() if str(int(each)) == name), None)
    if number is None:
        raise click.BadParameter(
            f"{text!r} is not a signal: give TERM, INT, USR1 or another name, or its number", ctx, param
        )
    if number in _NOT_ENDING:
        raise click.BadParameter(f"{text!r}: {number.name} ends no process", ctx, param)
    return int(number)


def read_streams(ctx: click.Context, param: click.Parameter, text: str) -> Selection:
    """Read some streams of all workers (`both`), or of some by local rank (`0:both,1:stderr`)."""
    if (everywhere := _STREAMS.get(text.strip().lower())) is not None:
        return Selection(everywhere)
    found: dict[int, int] = {}
    for part in text.split(","):
        place, _, what = (each.strip() for each in part.partition(":"))
        streams = _STREAMS.get(what.lower())
        if streams is None or not place.isdecimal() or int(place) in found:
            raise click.BadParameter(
                f"{text!r} is neither stdout, stderr, both or none (or 1, 2, 3, 0), nor a list of local ranks with one "
                "of these for each, as in 0:both,1:stderr",
                ctx,
                param,
            )
        found[int(place)] = streams
    return Selection(0, found)


def output_plan(log_dir: Path | None, redirect: Selection, tee: Selection, prefix: bool | None) -> OutputPlan:
    """Return what the options mean; --log-dir alone keeps everything, and shows it too. Makes the directory.

    Raises `UsageError` for files without a directory, and for a directory that cannot be made.
    """
    if log_dir is None and (redirect or tee):
        raise click.UsageError(f"--{'tee' if tee else 'redirect'} needs a directory for its files: give --log-dir too")
    if log_dir is not None:
        try:
            log_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise click.UsageError(f"--log-dir {str(log_dir)!r} cannot be made: {error.strerror}") from error
        tee = tee if tee or redirect else Selection(BOTH)
    return OutputPlan(log_dir, redirect, tee, prefix)


def worker_options(command: F) -> F:
    """Add the options. They belong to a `RunCommand`."""
    for decorate in reversed(_OPTIONS):
        command = decorate(command)
    return command


_OPTIONS = (
    click.option(
        "--nproc-per-node",
        cls=RunOption,
        envvar="RDZV_NPROC_PER_NODE",
        callback=read_count,
        metavar="N",
        help="How many workers, each of which runs CMD, this node has: a number, `cpu`, `gpu` (one for each), or "
        "`auto` (GPUs, or processors without any). Nodes may differ.  [default: 1]",
    ),
    click.option(
        "--module",
        "-m",
        cls=RunOption,
        envvar="RDZV_MODULE",
        is_flag=True,
        help="CMD is a Python module and its arguments, as after `python -m`.",
    ),
    click.option(
        "--stop-signal",
        cls=RunOption,
        envvar="RDZV_STOP_SIGNAL",
        callback=read_signal,
        default="TERM",
        show_default=True,
        metavar="SIGNAL",
        help="What tells CMD to stop when the round is over, or another worker of this node has failed.",
    ),
    click.option(
        "--health-check",
        cls=RunOption,
        envvar="RDZV_HEALTH_CHECK",
        metavar="CMD",
        help="A shell command that runs before each time this node joins. If it fails, the node leaves, status 1.",
    ),
    click.option(
        "--health-check-timeout",
        cls=RunOption,
        envvar="RDZV_HEALTH_CHECK_TIMEOUT",
        type=Seconds(),
        default=60.0,
        show_default=True,
        metavar="SECONDS",
        help="How long the health check may take before it counts as failed.",
    ),
    click.option(
        "--log-dir",
        cls=RunOption,
        envvar="RDZV_LOG_DIR",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        help="Keep what CMD writes in DIR/RUN_ID-EPOCH/round-N/rank-R.stdout.log and rank-R.stderr.log; which streams, "
        "--tee and --redirect say.",
    ),
    click.option(
        "--redirect",
        "-r",
        cls=RunOption,
        envvar="RDZV_REDIRECT",
        callback=read_streams,
        default="none",
        metavar="STREAMS",
        help="Streams that go to files only: `stdout`, `stderr`, `both` or `none`, or by local rank as in "
        "`0:stderr,1:both`.  [default: none]",
    ),
    click.option(
        "--tee",
        "-t",
        cls=RunOption,
        envvar="RDZV_TEE",
        callback=read_streams,
        default="none",
        metavar="STREAMS",
        help="Streams that go to files and to the console.  [default: `both` with --log-dir, but `none` with "
        "--redirect]",
    ),
    click.option(
        "--prefix/--no-prefix",
        cls=RunOption,
        envvar="RDZV_PREFIX",
        default=None,
        help="Begin each line of CMD with `[rank R]`.  [default: with several workers, on a terminal and for --tee]",
    ),
)
