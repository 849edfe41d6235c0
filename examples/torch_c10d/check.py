"""Run the suite against PyTorch's C10dRendezvousBackend, and check that it names every known fault of it.

    PEER_PYTHON=/path/to/a/python/that/has/torch python examples/torch_c10d/check.py [--report DIR]

It makes a temporary venv that sees that Python's packages, installs this tree's core, suite and adapter into it, and
certifies. The status is 0 if every known fault was named by its clause, 1 if one was not, 2 if it could not run. This
takes some minutes, because it waits for calls that hang.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SITE = "import sysconfig; print(sysconfig.get_path('purelib'))"
PIP = ["-m", "pip", "install", "-q", "--disable-pip-version-check"]

# A known fault, the clause that must name it, and a part of that clause's message.
FAULTS = (
    (
        "the token is the value: after A, B, A the token of the first A is valid again",
        "RDZV-CAS-7",
        "of the first A again",
    ),
    ("two writers of the same bytes are both told that they wrote", "RDZV-CAS-9", "told True"),
    ("an empty state can be written, but is lost and cannot be updated", "RDZV-STATE-3", "the state b''"),
    ("the state b'canimadam' reads as no state", "RDZV-STATE-3", "the state b'canimadam'"),
    ("a token that is not UTF-8 raises UnicodeDecodeError", "RDZV-CAS-5", "UnicodeDecodeError"),
    ("if the key has vanished a write returns the caller's own old state", "RDZV-CAS-6", "a state that has vanished"),
    ("after the connection was lost no call works again", "RDZV-CONN-5", "after the store came back"),
)


def main(arguments: list[str]) -> int:
    """Install, certify, and compare."""
    peer = os.environ.get("PEER_PYTHON")
    if not peer or _run(peer, "-c", "import torch", stderr=subprocess.DEVNULL).returncode:
        print("set PEER_PYTHON to a Python (3.10 or later) that has torch", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="rdzv-torch-") as temporary:
        python = _venv(peer, Path(temporary))
        report = _certify(python, Path(temporary), arguments)
    if report is None:
        return 2
    found = {each["clause"]: each for each in report["clauses"]}
    missed = 0
    for what, clause, word in FAULTS:
        named = found[clause]["status"] == "fail" and word in found[clause]["message"]
        missed += not named
        print(f"{'named' if named else 'MISSED':<7} {clause:<13} {what}")
    print(report["verdict"])
    return 1 if missed or report["certified"] else 0


def _venv(peer: str, directory: Path) -> Path:
    """Make a venv with our packages that also sees those of `peer`; nothing is installed into `peer`."""
    _run(peer, "-m", "venv", str(directory / "venv"), check=True)
    python = directory / "venv" / "bin" / "python"
    theirs, ours = (_run(each, "-c", SITE, check=True).stdout for each in (peer, str(python)))
    (Path(ours.strip()) / "peer.pth").write_text(theirs, encoding="utf-8")
    _run(str(python), *PIP, f"{ROOT}[cli]", str(ROOT / "conformance"), str(HERE), check=True)
    return python


def _certify(python: Path, directory: Path, arguments: list[str]) -> dict | None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{probe.getsockname()[1]}"
    command = ["-m", "rdzv_conformance", "torch-c10d", "--endpoint", endpoint, "--json", "--seed", "1"]
    absolute = [str(Path(each).resolve()) if before == "--report" else each for before, each in _pairs(arguments)]
    ran = _run(str(python), *command, *absolute, cwd=directory)
    return None if ran.returncode == 2 else json.loads(ran.stdout)


def _run(*command: str, check: bool = False, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=check, **options)  # noqa: S603


def _pairs(arguments: list[str]) -> list[tuple[str, str]]:
    return list(zip(["", *arguments], arguments, strict=False))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
