"""Certify every backend of this repository on stores of their own, and write the reports next to this file.

    python docs/certificates/generate.py [--seed N]

The exit status is that of `rdzv certify`: 0 if all are certified. It takes some minutes. The repository keeps the JSON,
the Markdown and the badge of each report; its page and its JUnit file are made here and not kept.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SEED = ["--seed", "1"]


def main(arguments: list[str]) -> int:
    """Run the suite on all of them, in an empty directory, so that no path of this machine gets into a report."""
    with tempfile.TemporaryDirectory(prefix="rdzv-certificates-") as directory:
        # Most have no endpoint: the suite starts their stores itself, so that it may kill them.
        redis = ["redis"] if shutil.which("redis-server") else []
        backends = ["memory=certificate", "tcp", "file", "etcd", "sqlite", *redis]
        command = [sys.executable, "-m", "rdzv_conformance", *backends, "--report", str(HERE)]
        return subprocess.run([*command, *(arguments or SEED)], cwd=directory, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
