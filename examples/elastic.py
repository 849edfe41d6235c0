"""A job that goes on when its nodes die or join: meet, work, meet again, until all steps are done.

python elastic.py ENDPOINT CHECKPOINT
"""

import sys
import time
from pathlib import Path

from fenced_checkpoint import read_checkpoint, write_checkpoint

from rdzv_core import (
    ChangeReason,
    RendezvousGracefulExitError,
    RendezvousHandler,
    RendezvousInfo,
    RendezvousParameters,
    RendezvousRoundOverError,
    create_handler,
)

STEPS = 40


def step_together(info: RendezvousInfo, step: int, stop: bool) -> bool:
    """Do one step, which needs every node of the round; return whether all of them stop after it.

    A node that wants to stop says so before it has done its part, so all see the same answer.
    """
    time.sleep(0.2)
    if stop:
        info.store.set(f"{step}/stop", b"")
    if info.store.add(f"{step}/done", 1) == info.world_size:
        info.store.set(f"{step}/all", b"stop" if info.store.check([f"{step}/stop"]) else b"go on")
    return info.store.get(f"{step}/all") == b"stop"  # raises RendezvousRoundOverError if a peer was lost


def work(node: RendezvousHandler, info: RendezvousInfo, checkpoint: Path) -> bool:
    """Work from the last checkpoint on; return whether all steps are done, False if the round is over before."""
    step = int(read_checkpoint(checkpoint) or 0)
    print(f"round {info.round}: rank {info.rank} of {info.world_size} goes on from step {step}", flush=True)
    stop = False
    while step < STEPS and not stop:
        change = node.wait_for_change(0)
        if change and change.reason is not ChangeReason.WAITING:
            break
        try:
            stop = step_together(info, step, stop=change is not None)
        except RendezvousRoundOverError:
            break
        step += 1
        if info.rank == 0:
            write_checkpoint(checkpoint, info.epoch, info.fence, str(step).encode())
    if step < STEPS:
        print(f"round {info.round} is over: {node.wait_for_change()}", flush=True)
    return step == STEPS


def main(endpoint: str, checkpoint: Path) -> None:
    """Take part until the job is done."""
    params = RendezvousParameters(
        "tcp", endpoint, run_id="elastic", min_nodes=2, max_nodes=3, is_host=False, last_call_timeout=1, fence_delay=1
    )
    with create_handler(params) as node:
        try:
            while not work(node, node.next_rendezvous(), checkpoint):
                pass
            node.finish()
            print("done", flush=True)
        except RendezvousGracefulExitError as reason:
            print(f"not needed: {reason}", flush=True)  # it stood by, and the others finished


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
