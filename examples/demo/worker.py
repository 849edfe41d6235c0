"""What each node of the demo runs: it records its place in the round, and works until the job is done.

`rdzv run` starts it with a directory and the node's name; it imports only the standard library.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

RECORDED = ("RANK", "WORLD_SIZE", "RDZV_ROUND", "RDZV_EPOCH", "RDZV_FENCE", "RDZV_PEERS", "MASTER_ADDR", "MASTER_PORT")
DONE = "done"


def main(directory: Path, node: str) -> None:
    """Record the round, then work until the file `done` exists."""
    record = {name: os.environ[name] for name in RECORDED} | {"pid": str(os.getpid())}
    file = directory / f"round-{os.environ['RDZV_ROUND']}.{node}.json"
    unfinished = file.with_suffix(".new")
    unfinished.write_text(json.dumps(record))
    unfinished.rename(file)
    while not (directory / DONE).exists():
        time.sleep(0.02)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
