"""A process that takes itself for another one: so do the first of two containers, with one host name and one seed."""

from __future__ import annotations

import os
import platform
import random
import socket
import sys
import time
import uuid
from typing import cast

from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.lines import Say
from rdzv_conformance.suite.processes import encode
from rdzv_core import SupportsMembership

HOST = "container"
PROCESS = 1
NODE = 0x02420A000001
WRITES = 20
SEED = 42
ENTRIES, TTL = 4, 600.0


def write_as_a_namesake(under_test: BackendUnderTest, say: Say, run_id: str, began: float) -> None:
    """Write to a register as process 1 of a host that is named as others are, and say the tokens of all writes.

    Its clock shows `began` when it goes on, to the microsecond, and its generator has a seed that others have too.
    """
    _be_a_namesake()
    say("ready")
    sys.stdin.readline()
    _begin_alike(began)
    register = under_test.open(run_id)
    found = register.get_state()
    tokens, token = [], found and found.token
    for _ in range(WRITES):
        token = register.write(b"same", token)
        tokens.append(encode(token))
    say("done", tokens=tokens)


def enter_as_a_namesake(under_test: BackendUnderTest, say: Say, began: float) -> None:
    """Enter as such a process does, and say the ids of all members."""
    _be_a_namesake()
    say("ready")
    sys.stdin.readline()
    _begin_alike(began)
    members = cast("SupportsMembership", under_test.open().backend)
    say("done", ids=[members.enter(b"same", TTL).id for _ in range(ENTRIES)])


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


def _begin_alike(began: float) -> None:
    random.seed(SEED)  # as training scripts do, on each node alike
    real, offset = time.time, began - time.time()
    time.time = lambda: real() + offset
    time.time_ns = lambda: int((real() + offset) * 1e9)
