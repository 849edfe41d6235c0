"""`rdzv run`: a command on one node of an elastic job."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING

import click

from rdzv_core._cli.errors import say, speak_as, speaker
from rdzv_core._cli.options import Seconds, parameters, read_nodes, run_options
from rdzv_core._cli.standalone import NodeCommand
from rdzv_core._cli.stderr import take_over
from rdzv_core._cli.variables import RunArgument, RunOption, spelled
from rdzv_core._cli.worker_options import output_plan, worker_options
from rdzv_core._create import open_handler, with_defaults
from rdzv_core._environment import EVENTS, for_command
from rdzv_core._handler.settings import HANDLER_OPTIONS, HandlerSettings
from rdzv_core._parameters import RendezvousParameters
from rdzv_core.hooks import Hooks

if TYPE_CHECKING:
    from pathlib import Path

    from rdzv_core._cli.node.output_plan import Selection
    from rdzv_core._handler import RendezvousHandler


@click.command(cls=NodeCommand, context_settings={"allow_interspersed_args": False})
@run_options
@click.option(
    "--nodes",
    cls=RunOption,
    envvar="RDZV_NODES",
    required=True,
    metavar="MIN[:MAX]",
    callback=read_nodes,
    help="How many nodes a round has: 4, or 2:4 for 2 to 4.",
)
@click.option(
    "--standalone",
    cls=RunOption,
    envvar="RDZV_STANDALONE",
    is_flag=True,
    help="Run on this node alone: in place of --backend, --endpoint, --run-id and --nodes.",
)
@worker_options
@click.option(
    "--local-addr",
    cls=RunOption,
    envvar="RDZV_LOCAL_ADDR",
    metavar="ADDR",
    help="This node's address for its peers.  [default: the one from which it reaches the store, or its host name]",
)
@click.option(
    "--master-port",
    cls=RunOption,
    type=click.IntRange(1, 65535),
    envvar=["RDZV_MASTER_PORT", "MASTER_PORT"],
    metavar="PORT",
    help="The MASTER_PORT of the round if this node gets rank 0, for a firewall that lets only one port through.  "
    "[default: a free one]",
)
@click.option(
    "--max-restarts",
    cls=RunOption,
    envvar="RDZV_MAX_RESTARTS",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Maximum restarts after CMD fails (membership changes do not count).",
)
@click.option(
    "--grace-period",
    cls=RunOption,
    envvar="RDZV_GRACE_PERIOD",
    type=Seconds(),
    metavar="SECONDS",
    help="How long CMD may take to stop before it is killed.  [default: the fence delay]",
)
@click.option(
    "--events",
    metavar="WHERE",
    help="Where to write every event of this node: a file for lines of JSON, `log` (stderr) or `otel` "
    "(OpenTelemetry); separate several by commas.  [default: RDZV_EVENTS]",
)
@click.option(
    "--metrics",
    cls=RunOption,
    envvar="RDZV_METRICS",
    metavar="HOST[:PORT]",
    help="Serve Prometheus metrics of this node at this address, as /metrics; the port is 29464 if not given.",
)
@click.option(
    "--tail/--no-tail",
    cls=RunOption,
    envvar="RDZV_TAIL",
    default=True,
    help="If CMD fails first in a round, keep the last lines of its stderr in the store (only where stderr is a file), "
    "so that `rdzv status` and the other nodes show them.  [default: --tail]",
)
@click.option("--quiet", "-q", cls=RunOption, envvar="RDZV_QUIET", is_flag=True, help="Suppress progress output.")
@click.argument("command", cls=RunArgument, metavar="[--] CMD...", nargs=-1, required=True, type=click.UNPROCESSED)
def run(
    backend: str,
    endpoint: str,
    run_id: str,
    config: dict[str, str],
    nodes: tuple[int, int],
    standalone: bool,  # noqa: ARG001 - what it stands for is in the parameters before it
    nproc_per_node: int | None,
    module: bool,
    stop_signal: int,
    health_check: str | None,
    health_check_timeout: float,
    log_dir: Path | None,
    redirect: Selection,
    tee: Selection,
    prefix: bool | None,
    local_addr: str | None,
    master_port: int | None,
    max_restarts: int,
    grace_period: float | None,
    events: str | None,
    metrics: str | None,
    tail: bool,
    quiet: bool,
    command: tuple[str, ...],
) -> int:
    """Form a round with the other nodes of a run, then run CMD in it.

    CMD finds in its environment RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT, RDZV_RUN_ID, RDZV_EPOCH, RDZV_ROUND and
    RDZV_FENCE, RDZV_RESTART_COUNT (how often CMD was started on this node before, for whatever reason), and RDZV_PEERS:
    the nodes' addresses by rank, separated by commas (left out where they take more than 100 kB). A script for torchrun
    finds all that it has there. A file `*.py` that is not executable is run by Python. CMD reaches the store
    with RDZV_BACKEND, RDZV_ENDPOINT and RDZV_OPTION_…: so does a `rdzv status` within it, without any option. A
    `rdzv run` within it is a run of its own on the same store, and needs its own --run-id and --nodes.

    With --nproc-per-node each node runs CMD in several workers; RANK and WORLD_SIZE then count those of all nodes. They
    start and end together: when one fails, the others of its node are stopped, and that is one failure of CMD.

    When a member is lost or leaves, a new one waits, or one asks for the next round because its CMD failed, CMD is
    stopped (SIGTERM to its process group, SIGKILL after the grace period), the nodes form a new round, and CMD is
    started again. When CMD fails it is restarted too, up to --max-restarts times; then this node leaves. When CMD ends
    with status 0 this node is done and the others continue; the last one to be done closes the run. In a closed run
    CMD runs to its end and is not restarted. A node that hosts the store itself (tcp without `rdzv serve`) stays until
    the other nodes are done, including those of other runs on its store.

    SIGTERM, SIGINT, SIGHUP and SIGQUIT are passed on to CMD, and then the node leaves; a second one kills CMD. SIGUSR1,
    SIGUSR2, SIGWINCH and SIGCONT are only passed on; Ctrl-Z pauses both. A signal that is ignored at the start stays
    ignored. While no CMD runs, a signal of the first kind ends the node at once, and one of the second is dropped.

    The exit status is CMD's (128 + n if signal n ended it); 1 if no round could be formed, 2 for bad input. What CMD
    leaves behind in its process group is killed. The whole group is killed if this process is killed; if it is stopped
    or hangs, when its lease and the grace period are over, so that nothing works beside the next round.
    """
    config = {**config, **_listeners(events, metrics, config)}
    if master_port is not None:
        config = {**config, "master_port": str(master_port)}
    if nproc_per_node is not None:
        config = {**config, "workers": str(nproc_per_node)}
    hooks = Hooks()
    asked = parameters(backend, endpoint, run_id, config, nodes, local_addr)
    params = with_defaults(asked, hooks)
    grace = _grace_period(params, grace_period)
    # Imported late: `rdzv --help` loads this module, and needs none of it.
    from rdzv_core._cli.node.agent import Agent
    from rdzv_core._cli.node.command import check_command, command_line
    from rdzv_core._cli.node.ending import Ending
    from rdzv_core._cli.node.failures import Failures
    from rdzv_core._cli.node.health import HealthCheck
    from rdzv_core._cli.node.signals import reported
    from rdzv_core._cli.node.workload import Workload

    words = command_line(command, module)
    check_command(words[0])
    output = output_plan(log_dir, redirect, tee, prefix)
    health = None if health_check is None else HealthCheck(health_check, health_check_timeout)
    _log_as_said()
    logging.getLogger("rdzv.events").setLevel(logging.INFO)
    logging.getLogger("rdzv").setLevel(logging.WARNING if quiet else logging.INFO)
    began = time.monotonic()
    tell = _say_nothing if quiet else say
    ending = Ending(tell)
    with reported(ending), open_handler(params, hooks) as handler:
        took = f"{time.monotonic() - began:.3f} s"
        connected = f"opened in {took}" if handler.connected else f"no store there after {took}: still trying"
        speak_as(lambda: _speaker(handler))
        asking = f"run {run_id!r}: asking for a round of {_range(nodes)} on {backend} at {endpoint!r} ({connected})"
        store, failures = lambda: _store_of(asked, handler), Failures(handler, say, tail)
        workload = Workload(words, max_restarts, grace, stop_signal, output, health)
        return Agent(handler, workload, tell, store, ending, failures).run(asking)


def _listeners(events: str | None, metrics: str | None, config: dict[str, str]) -> dict[str, str]:
    """Return the handler's option `events` as --events and --metrics have it, if they say anything."""
    if metrics is None:
        return {} if events is None else {"events": events}
    others = config.get("events", os.environ.get(EVENTS, "")) if events is None else events
    return {"events": ",".join(filter(None, [others, f"metrics:{metrics}"]))}


def _store_of(params: RendezvousParameters, handler: RendezvousHandler) -> dict[str, str]:
    """Return the variables that tell CMD of the store: as a client of it, even if this node hosts it."""
    ours = {option.name for option in HANDLER_OPTIONS}
    options = {name: value for name, value in params.config.items() if name not in ours}
    if "is_host" in options:
        options["is_host"] = "false"
    return for_command(params.backend, handler.endpoint or params.endpoint, options, os.environ)


def _speaker(handler: RendezvousHandler) -> str:
    """Return time, node and rank for a line: several nodes may share a terminal, and their lines be sorted later."""
    node, rank = " ".join(handler.settings.node_id.split()), handler.rank
    what = "rank" if handler.settings.workers == 1 else "node"  # the ranks are those of its workers
    return f"{time.strftime('%H:%M:%S')} {node}{'' if rank is None else f'[{what} {rank}]'}"


def _log_as_said() -> None:
    """Format log records like the other lines."""
    handler = take_over()
    handler.setFormatter(_AsSaid())
    logging.basicConfig(handlers=[handler])
    logging.raiseExceptions = False  # a line that stderr does not take is lost, as `say` has it


class _AsSaid(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"{speaker()}: {super().format(record)}"


def _say_nothing(_text: str) -> None:
    """Stand in for `say` with --quiet."""


def _range(nodes: tuple[int, int]) -> str:
    least, most = nodes
    return f"{least} node{'' if most == 1 else 's'}" if least == most else f"{least} to {most} nodes"


def _grace_period(params: RendezvousParameters, given: float | None) -> float:
    """Check that a fenced node has stopped its command before the others form a round without it."""
    fence_delay = HandlerSettings.from_params(params).fence_delay
    if given is None:
        return fence_delay
    if given > fence_delay:
        # Not as `g` has it: rounded, the advice could be refused again.
        seconds = str(given).removesuffix(".0")
        ctx = click.get_current_context()
        option = next(param for param in ctx.command.params if param.name == "grace_period")
        raise click.UsageError(
            f"{spelled(ctx, option)} {seconds} does not fit inside the fence delay of {fence_delay:g} s, after "
            f"which the others form a round without a lost node: give --option fence_delay={seconds} too, on every node"
        )
    return given
