"""Some nodes of PyTorch's c10d rendezvous in one process: `PEER_PYTHON _torch_nodes.py JSON`. They meet once.

JSON: endpoint, run_id, total, count, hosts (whether the first of them hosts the store), timeout.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any

from torch.distributed.elastic.rendezvous import RendezvousParameters
from torch.distributed.elastic.rendezvous.c10d_rendezvous_backend import create_backend
from torch.distributed.elastic.rendezvous.dynamic_rendezvous import create_handler


def main() -> None:
    """Create the nodes, print ready, and meet on the next line of stdin."""
    given = json.loads(sys.argv[1])
    handlers: list[Any] = []
    places: list[tuple[int, int, int]] = []
    for number in range(given["count"]):
        params = RendezvousParameters(
            "c10d",
            given["endpoint"],
            given["run_id"],
            given["total"],
            given["total"],
            is_host=given["hosts"] and number == 0,
            join_timeout=given["timeout"],
        )
        backend, store = create_backend(params)
        handlers.append(create_handler(store, backend, params))
    told = threading.Event()

    def meet(handler: Any) -> None:
        told.wait()
        info = handler.next_rendezvous()
        places.append((1, info.rank, info.world_size))

    threads = [threading.Thread(target=meet, args=(handler,)) for handler in handlers]
    for thread in threads:
        thread.start()
    print(json.dumps("ready"), flush=True)
    sys.stdin.readline()
    told.set()
    for thread in threads:
        thread.join()
    print(json.dumps({"ended": time.monotonic(), "places": places}), flush=True)
    sys.stdin.readline()
    os._exit(0)


if __name__ == "__main__":
    main()
