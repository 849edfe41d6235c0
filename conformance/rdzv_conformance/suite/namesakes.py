"""A process that takes itself for another one: so do the first of two containers, with one host name and one seed."""

from __future__ import annotations

import os
import platform
import random
import socket
import sys
import time
import uuid

from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.lines import Say
from rdzv_conformance.suite.processes import encode

HOST = "container"
PROCESS = 1
NODE = 0x02420A000001
WRITES = 20
SEED = 42


def write_as_a_namesake(under_test: BackendUnderTest, say: Say, run_id: str, began: float) -> None:
    """Write to a register as process 1 of a host that is named as others are, and say the tokens of all writes.

    Its clock shows `began` when it goes on, to the microsecond: what two namesakes do they do at the same time.
    """
    _be_a_namesake()
    say("ready")
    sys.stdin.readline()
    _set_clock(began)
    register = under_test.open(run_id)
    random.seed(SEED)  # as training scripts do, on each node alike
    found = register.get_state()
    tokens, token = [], found and found.token
    for _ in range(WRITES):
        token = register.write(b"same", token)
        tokens.append(encode(token))
    say("done", tokens=tokens)


def _be_a_namesake() -> None:
    for module, name, value in (
        (os, "getpid", PROCESS),
        (os, "getppid", 0),
        (socket, "gethostname", HOST),
        (socket, "getfqdn", HOST),
        (platform, "node", HOST),
        (uuid, "getnode", NODE),
    ):
        setattr(module, name, lambda *_, value=value: value)


def _set_clock(began: float) -> None:
    real, offset = time.time, began - time.time()
    time.time = lambda: real() + offset
    time.time_ns = lambda: int((real() + offset) * 1e9)
