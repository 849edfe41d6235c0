"""A training on JAX, on CPUs: it goes on from its last checkpoint whenever nodes come or go.

    rdzv run --backend file --endpoint /shared/store --run-id jax --nodes 2:3 --max-restarts 99 -- \
        python train.py --checkpoint /shared/model.npz --steps 1000

`rdzv run` starts this program again for every round: it initializes JAX once, with what the round's environment says.
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fenced_checkpoint import write_checkpoint

TRUTH = np.array([2.0, -3.0], np.float32)
RATE = 0.1


def initialize() -> None:
    """Join the other processes of the round: rank 0 serves JAX's coordinator at MASTER_ADDR and MASTER_PORT."""
    jax.distributed.initialize(
        coordinator_address=f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}",
        num_processes=int(os.environ["WORLD_SIZE"]),
        process_id=int(os.environ["RANK"]),
        cluster_detection_method="deactivate",  # in a Slurm job JAX would ask Slurm for what it is not given
    )
    # JAX's preemption service has caught SIGTERM, by which `rdzv run` stops a process: it would end by SIGKILL only.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def sum_over_processes() -> Callable[[np.ndarray], np.ndarray]:
    """Return what adds up an array of each process: a psum over all of them."""
    mesh = Mesh(np.array(jax.devices()), ("process",))
    each, alike = PartitionSpec("process"), PartitionSpec()
    psum = jax.jit(
        jax.shard_map(lambda mine: jax.lax.psum(mine[0], "process"), mesh=mesh, in_specs=each, out_specs=alike)
    )
    sharding = NamedSharding(mesh, each)
    return lambda mine: np.asarray(psum(jax.make_array_from_process_local_data(sharding, mine[np.newaxis])))


@jax.jit
def loss_and_gradient(weights: jax.Array, inputs: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return both, of this process' part of the batch."""
    return jax.value_and_grad(lambda guess: ((inputs @ (guess - TRUTH)) ** 2).mean())(weights)


def load(path: Path) -> np.ndarray:
    """Return the last checkpoint's step and weights; zeros where there is none."""
    if not path.exists():
        return np.zeros(3, np.float32)
    with np.load(path) as kept:
        return np.array([kept["step"], *kept["weights"]], np.float32)


def save(path: Path, step: int, weights: np.ndarray) -> None:
    """Write a checkpoint; raises `StaleFenceError`, and writes nothing, if a later round has written already."""
    data = io.BytesIO()
    np.savez(data, step=step, weights=weights)
    write_checkpoint(path, os.environ["RDZV_EPOCH"], int(os.environ["RDZV_FENCE"]), data.getvalue())


def main() -> None:
    """Train until all steps are done, by however many."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoint", type=Path, required=True, help="on storage that all nodes share")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--every", type=int, default=5, help="steps between two checkpoints")
    parser.add_argument("--pause", type=float, default=0.05, help="seconds that a step takes longer, to watch it")
    given = parser.parse_args()

    initialize()
    rank, size = jax.process_index(), jax.process_count()
    total = sum_over_processes()
    # One process reads the file, so that all go on from the same: the others add nothing to it.
    begun, *kept = total(load(given.checkpoint) if rank == 0 else np.zeros(3, np.float32))
    weights = np.array(kept)
    if rank == 0:
        print(f"{size} processes go on from step {begun:.0f}", flush=True)

    for step in range(int(begun) + 1, given.steps + 1):
        inputs = np.random.default_rng([step, rank]).standard_normal((16, 2), np.float32)
        loss, gradient = loss_and_gradient(weights, inputs)
        loss, *gradient = total(np.array([loss, *gradient])) / size
        weights = weights - RATE * np.array(gradient)
        if rank == 0 and (step % given.every == 0 or step == given.steps):
            save(given.checkpoint, step, weights)
            print(f"step {step}: loss {loss:.6f}, weights {weights.tolist()}", flush=True)
        time.sleep(given.pause)


if __name__ == "__main__":
    main()
