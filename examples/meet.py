"""Three processes meet, get a rank each, and say hello through the round's store."""

import sys

from rdzv_core import RendezvousParameters, create_handler

params = RendezvousParameters("file", sys.argv[1], run_id="hello", min_nodes=3, max_nodes=3)
with create_handler(params) as node:
    info = node.next_rendezvous()
    info.store.set(f"hello/{info.rank}", f"hello from rank {info.rank}".encode())
    neighbour = (info.rank + 1) % info.world_size
    heard = info.store.get(f"hello/{neighbour}").decode()
    print(f"rank {info.rank} of {info.world_size} in round {info.round} heard: {heard}")
    node.finish()
