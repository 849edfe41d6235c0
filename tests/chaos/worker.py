"""The job of a node under chaos: writes down, every 20 ms, that it is at work, where no kill can take it back.

    python worker.py DIRECTORY OWNER

Each run appends to a journal of its own, with plain `write` calls: what was written before a SIGKILL stays written, and
no lock, no store and no rendezvous is involved. The first line says which round this is, every other one when (seconds
on the machine's monotonic clock, which all processes share). Some runs ignore SIGTERM, and some have a child do the
work. It ends when OWNER, the process id of the chaos, is gone; and where CHAOS_SECONDS says so, its work is done after
as many seconds: then its last line says `done`, and its status is 0.
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
    """Work until somebody ends this."""
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
