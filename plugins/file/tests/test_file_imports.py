"""What a call imports: nothing. A fork amidst an import leaves the child a module's lock that nobody gives back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CALLS = """
import sys
from rdzv_core import RendezvousParameters, create_backend

backend = create_backend(RendezvousParameters("file", sys.argv[1], "run", 1, 2))
before = set(sys.modules)
token = backend.set_state(b"x").token
backend.wait_state(token, 0.01)
lease = backend.enter(b"x", 60)
backend.wait_members(backend.members().version, 0.01)
backend.refresh(lease)
backend.store("s").set("key", b"x")
backend.store("s").wait(["key"], 0.01)
print(*sorted(set(sys.modules) - before))
"""


def test_a_call_imports_nothing(tmp_path: Path) -> None:
    """RDZV-CONN-11: no thread holds a module's lock when another one forks."""
    told = subprocess.run([sys.executable, "-c", CALLS, str(tmp_path / "store")], capture_output=True, text=True)
    assert (told.stdout, told.stderr) == ("\n", "")
