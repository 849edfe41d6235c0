"""The command `rdzv simulate`: its options, and which mode answers."""

from __future__ import annotations

import os

import click

from rdzv_simulation._cli import modes
from rdzv_simulation._cli.options import check_repetition, check_together, fault_names, kept, left_out, numbers
from rdzv_simulation._faults.kinds import FAULTS
from rdzv_simulation._loop.scenario import STRATEGIES, Scenario
from rdzv_simulation.mutants import MUTANTS

_ROUNDS_A_SEED = 100


@click.command()
@click.option("--seed", type=click.IntRange(0), default=0, metavar="N", help="The first seed (default: 0).")
@click.option("--seeds", type=click.IntRange(1), metavar="N", help="Number of seeds (default: one per 100 rounds).")
@click.option(
    "--rounds",
    type=click.IntRange(1),
    default=2000,
    metavar="N",
    help="Number of rounds over all seeds; each seed lives through an equal share (default: 2000).",
)
@click.option("--jobs", type=click.IntRange(1), metavar="N", help="Number of processes (default: one per processor).")
@click.option(
    "--faults",
    metavar="A,B,…",
    callback=fault_names(FAULTS),
    help=f"Only these faults, out of {', '.join(FAULTS)}. If none of them ends a round, work is over now and then.",
)
@click.option(
    "--strategy",
    type=click.Choice(STRATEGIES),
    default="mixed",
    help="How messages are ordered: at random, by an adversary (pct), or one of the two, chosen by the seed (mixed).",
)
@click.option("--trace", is_flag=True, help="Print the trace of the first seed, with every message.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--mutants", "matrix", is_flag=True, help="Hunt every broken protocol and print the kill matrix.")
@click.option("--mutant", type=click.Choice(list(MUTANTS)), metavar="NAME", help="Simulate this broken protocol.")
@click.option("--messages", is_flag=True, help="Count messages and bytes per node instead; nothing goes wrong.")
@click.option(
    "--nodes",
    metavar="N,N,…",
    callback=numbers,
    default="100,1000,10000",
    help="With --messages: for how many nodes (default: 100,1000,10000).",
)
@click.option(
    "--keep",
    metavar="A,B,…|nothing",
    callback=kept,
    help="To repeat a failure: let only these things go wrong, named as the failure prints them.",
)
@click.option("--without", metavar="A,B,…", callback=left_out, help="To repeat a failure: leave these nodes out.")
@click.option("--calm", is_flag=True, help="To repeat a failure: let every message that is not disturbed take 2 ms.")
@click.pass_context
def simulate(
    ctx: click.Context,
    seed: int,
    seeds: int | None,
    rounds: int,
    jobs: int | None,
    faults: tuple[str, ...] | None,
    strategy: str,
    trace: bool,
    as_json: bool,
    matrix: bool,
    mutant: str | None,
    messages: bool,
    nodes: tuple[int, ...],
    keep: frozenset[str] | None,
    without: frozenset[str],
    calm: bool,
) -> None:
    """Prove the protocol on a simulated network, clock and store: the handler's real state machine, seed by seed.

    Each seed is a life of storms, in which nodes, messages and the store fail, and of peaces, in which all nodes must
    meet. The protocol's invariants are checked after every step. A failing life is made as small as possible, and
    printed with the command that repeats it.

    The exit status is 0 if every invariant held (with --mutants: if each mutant was caught; with --messages: if nothing
    grows with the number of nodes), and 1 if not. It is 2 for a bad option, or if something that was to be repeated
    never came up, and 130 if it was interrupted (Ctrl-C, SIGTERM) before anything was broken.
    """
    check_together(ctx)
    workers = jobs or os.cpu_count() or 1
    if messages:
        ctx.exit(modes.uninterrupted(lambda: modes.count_messages(nodes, as_json)))
    if matrix:
        ctx.exit(modes.uninterrupted(lambda: modes.hunt(seed, workers, as_json)))
    count = seeds or max(1, rounds // _ROUNDS_A_SEED)
    hunted = MUTANTS[mutant].faults if mutant else FAULTS
    scenario = Scenario(
        seed=seed,
        rounds=-(-rounds // count),
        faults=faults if faults is not None else hunted,
        strategy=strategy,
        keep=keep,
        without=without,
        calm=calm,
    )
    check_repetition(ctx, scenario, 1 if trace else count)
    if trace:
        ctx.exit(modes.uninterrupted(lambda: modes.trace(scenario, mutant or "")))
    ctx.exit(modes.uninterrupted(lambda: modes.live(scenario, count, workers, mutant or "", as_json)))
