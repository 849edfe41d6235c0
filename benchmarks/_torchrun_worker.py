"""A worker of the jobs that the tests and the benchmark run: all workers add up a one, again and again.

    _torchrun_worker.py FOLDER [--steps N] [--until FILE] [--pause SECONDS]

Each process writes lines of JSON to a file of its own in FOLDER: when it started, every step, and how it ended. It ends
when all are told so by FILE being there, or after N steps; they agree on that by the sum.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from pathlib import Path

warnings.simplefilter("ignore")

import torch  # noqa: E402
import torch.distributed as dist  # noqa: E402

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "GROUP_RANK", "TORCHELASTIC_RESTART_COUNT", "RDZV_ROUND", "RDZV_FENCE")


def main() -> None:
    """Work until told to end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=sys.maxsize)
    parser.add_argument("--until", type=Path, default=Path("/nonexistent"))
    parser.add_argument("--pause", type=float, default=0.1)
    given = parser.parse_args()
    node = os.environ.get("NODE", "node")
    who = {name.lower(): int(os.environ.get(name, "0")) for name in NAMES}
    who["pid"] = os.getpid()
    with (given.folder / f"{node}.{who['local_rank']}.{os.getpid()}.jsonl").open("w", buffering=1) as log:

        def tell(what: str, **more: object) -> None:
            log.write(json.dumps({"what": what, "at": time.monotonic(), "node": node, **who, **more}) + "\n")

        tell("started")
        dist.init_process_group("gloo")
        for step in range(given.steps):
            # The first counts the workers, the second those that have seen the file: all see the same sum.
            sums = torch.tensor([1, int(given.until.exists())])
            dist.all_reduce(sums)
            tell("step", step=step, sum=int(sums[0]))
            if sums[1]:
                break
            time.sleep(given.pause)
        dist.barrier()
        dist.destroy_process_group()
        tell("ended")


if __name__ == "__main__":
    main()
