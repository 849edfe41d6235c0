"""The other side of the comparison with torch: runs in an interpreter that has torch, and does not import rdzv."""

from __future__ import annotations

import json
import sys
import time
import warnings
from datetime import timedelta

warnings.simplefilter("ignore")

from torch.distributed import TCPStore  # noqa: E402
from torch.distributed.elastic.rendezvous.c10d_rendezvous_backend import (  # noqa: E402
    C10dRendezvousBackend,
)

LIMIT = timedelta(seconds=30)
WARM_UP = 50


def serve() -> None:
    """Serve a store until stdin ends."""
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False, timeout=LIMIT)
    print(store.port, flush=True)
    sys.stdin.read()


def measure(port: int) -> None:
    """Answer each line `get|cas size count` with the seconds that each call took."""
    store = TCPStore("127.0.0.1", port, is_master=False, timeout=LIMIT)
    for number, line in enumerate(sys.stdin):
        what, size, count = line.split()
        backend = C10dRendezvousBackend(store, f"run-{number}")
        state = bytes(int(size))
        token = backend.set_state(state)[1]
        times = []
        for turn in range(WARM_UP + int(count)):
            # Its token is the state itself: writing the same state again would compare it with itself.
            state = turn.to_bytes(8, "big") + state[8:]
            began = time.perf_counter()
            if what == "get":
                backend.get_state()
            else:
                token = backend.set_state(state, token)[1]
            times.append(time.perf_counter() - began)
        print(json.dumps(times[WARM_UP:]), flush=True)


if __name__ == "__main__":
    serve() if sys.argv[1] == "serve" else measure(int(sys.argv[2]))
