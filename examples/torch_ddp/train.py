"""An elastic training on CPUs: it goes on from its last checkpoint whenever nodes come or go.

    torchrun --nnodes 1:4 --nproc-per-node 2 --rdzv-backend rdzv --rdzv-endpoint /shared/store --rdzv-conf store=file \
        train.py --checkpoint /shared/model.pt --steps 1000

Nothing in it is rdzv's but the fence: with it a process that was frozen, and thaws when others have gone on without it,
cannot overwrite what they wrote. Under another rendezvous there is no fence, and the file is written without one.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fenced_checkpoint import write_checkpoint

TRUTH = torch.tensor([[2.0, -3.0]])


def load(path: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Take in the last checkpoint where there is one; returns how many steps it has seen."""
    if not path.exists():
        return 0
    kept = torch.load(path, weights_only=True)
    model.load_state_dict(kept["model"])
    optimizer.load_state_dict(kept["optimizer"])
    return int(kept["step"])


def save(path: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    """Write a checkpoint; raises `StaleFenceError`, and writes nothing, if a later round has written already."""
    data = io.BytesIO()
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, data)
    write_checkpoint(path, os.environ.get("RDZV_EPOCH", ""), int(os.environ.get("RDZV_FENCE", "0")), data.getvalue())


def main() -> None:
    """Train until all steps are done, by however many."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoint", type=Path, required=True, help="on storage that all nodes share")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--every", type=int, default=5, help="steps between two checkpoints")
    parser.add_argument("--pause", type=float, default=0.05, help="seconds that a step takes longer, to watch it")
    given = parser.parse_args()

    dist.init_process_group("gloo")
    rank = dist.get_rank()
    model = torch.nn.Linear(2, 1, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    # One process reads the file, so that all go on from the same: DDP hands its parameters to the others.
    begun = torch.tensor([load(given.checkpoint, model, optimizer) if rank == 0 else 0])
    dist.broadcast(begun, src=0)
    parallel = DistributedDataParallel(model)
    if rank == 0:
        print(f"{dist.get_world_size()} processes go on from step {begun.item()}", flush=True)

    for step in range(int(begun.item()) + 1, given.steps + 1):
        torch.manual_seed(step * 1000 + rank)
        inputs = torch.randn(16, 2)
        loss = torch.nn.functional.mse_loss(parallel(inputs), inputs @ TRUTH.T)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if rank == 0 and (step % given.every == 0 or step == given.steps):
            save(given.checkpoint, model, optimizer, step)
            print(f"step {step}: loss {loss.item():.6f}, weights {model.weight.tolist()}", flush=True)
        time.sleep(given.pause)

    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
