"""Certify every backend of this repository on stores of their own, and write the reports next to this file.

    python docs/certificates/generate.py [--seed N]

The status is that of `rdzv certify`: 0 if all are certified. It takes some minutes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from rdzv_conformance.network import closed_port
from rdzv_etcd import EtcdServer

HERE = Path(__file__).resolve().parent
SEED = ["--seed", "1"]


def main(arguments: list[str]) -> int:
    """Run the suite on all of them, in an empty directory: so no path of this machine is in a report."""
    with tempfile.TemporaryDirectory(prefix="rdzv-certificates-") as directory:
        server = EtcdServer()
        server.start(stderr=subprocess.DEVNULL)
        try:
            backends = [
                "memory=certificate",
                f"tcp=127.0.0.1:{closed_port()}",
                "file=rendezvous",
                f"etcd={server.get_endpoint()}",
                "sqlite=rendezvous.db",
            ]
            command = [sys.executable, "-m", "rdzv_conformance", *backends, "--report", str(HERE)]
            return subprocess.run([*command, *(arguments or SEED)], cwd=directory, check=False).returncode  # noqa: S603
        finally:
            server.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
