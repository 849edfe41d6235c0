"""PyTorch's side of the comparison on files: runs in an interpreter that has torch, and does not import rdzv.

Run as a process: `python _file_peer.py DIRECTORY`. It answers each line `get|cas|set|compare_set size count` with the
seconds that each call took: of `FileStore.get`, of `C10dRendezvousBackend.set_state` on a FileStore, which is a
compare-and-set, or of `FileStore.set` or `FileStore.compare_set`.
"""

from __future__ import annotations

import json
import sys
import time
import warnings

warnings.simplefilter("ignore")

from torch.distributed import FileStore  # noqa: E402
from torch.distributed.elastic.rendezvous.c10d_rendezvous_backend import (  # noqa: E402
    C10dRendezvousBackend,
)

WARM_UP = 20


def main() -> None:
    """Answer until stdin ends."""
    for number, line in enumerate(sys.stdin):
        what, size, count = line.split()
        store = FileStore(f"{sys.argv[1]}/peer-{number}")
        backend = C10dRendezvousBackend(store, "run")
        state = bytes(int(size))
        token = backend.set_state(state)[1]
        value = "x" * int(size)
        store.set("key", value)
        times = []
        for turn in range(WARM_UP + int(count)):
            # Its token is the state itself: writing the same state again would compare it with itself.
            state = turn.to_bytes(8, "big") + state[8:]
            known, value = value, f"{turn:08d}" + value[8:]
            began = time.perf_counter()
            if what == "get":
                store.get("key")
            elif what == "set":
                store.set("key", value)
            elif what == "compare_set":
                store.compare_set("key", known, value)
            else:
                token = backend.set_state(state, token)[1]
            times.append(time.perf_counter() - began)
        print(json.dumps(times[WARM_UP:]), flush=True)


if __name__ == "__main__":
    main()
