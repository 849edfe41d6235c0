"""The job of a node in the chaos test: records every 20 ms that it is at work, in a way that survives a kill.

    python worker.py DIRECTORY OWNER

Each worker appends to its own journal, with plain `write` calls: what was written before a SIGKILL stays written, and
no lock, store or rendezvous is involved. The first line names the round, every other one is a time (seconds on the
machine's monotonic clock, which all processes share). Some workers ignore SIGTERM, and some let a child do the work.
A worker ends when OWNER, the process id of the chaos test, is gone. After CHAOS_SECONDS, if set, its work is done:
then its last line is `done`, and its status is 0.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time

EVERY = 0.02
STUBBORN, DELEGATES = 0.2, 0.25


def main() -> None:
    """Work until the process is ended, or the work is done."""
    directory, owner = sys.argv[1], int(sys.argv[2])
    if random.random() < STUBBORN:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if random.random() < DELEGATES and (child := os.fork()):
        os.waitpid(child, 0)
        return
    environment = os.environ
    name = f"{directory}/{environment['RDZV_ROUND']}-{environment['RANK']}-{os.getpid()}"
    journal = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND)
    names = ("RDZV_EPOCH", "RDZV_ROUND", "RANK", "WORLD_SIZE", "CHAOS_NODE")
    os.write(journal, (" ".join(environment[name] for name in names) + "\n").encode())
    done_at = time.monotonic() + float(environment.get("CHAOS_SECONDS", "inf"))
    while _runs(owner):
        os.write(journal, f"{time.monotonic():.6f}\n".encode())
        if time.monotonic() >= done_at:
            os.write(journal, b"done\n")
            return
        time.sleep(EVERY)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    main()
