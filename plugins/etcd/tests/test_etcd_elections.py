"""Three members under load, whose leaders are killed, stopped and restarted: nothing that was acknowledged is lost."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[3] / "benchmarks" / "etcd_elections.py"


@pytest.mark.cases
@pytest.mark.timeout(600)
@pytest.mark.skipif(not PROGRAM.exists(), reason="the program is not beside: these tests run without their tree")
def test_no_leader_takes_with_it_what_was_acknowledged() -> None:
    """Writes and keep-alives that were acknowledged hold, what clients saw is linearizable, and all work again."""
    command = [sys.executable, str(PROGRAM), "--rounds", "10", "--clients", "8", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=580, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["findings"] == []
    assert told["calls"] > 100
    assert told["stored"] > 100
    assert len(told["rounds"]) == 10
    assert all(math.isfinite(row[what]) for row in told["rounds"] for what in ("register", "store", "lease"))
