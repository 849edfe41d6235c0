"""A process that sets keys of a store until it is killed."""

from __future__ import annotations

import hashlib
import sys
from itertools import count
from typing import cast

from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.lines import Say
from rdzv_core import RendezvousConnectionError, SupportsStore


def value_of(key: str) -> bytes:
    """Return the value that a key is set to."""
    return bytes_of(key, 2000)


def bytes_of(name: str, size: int) -> bytes:
    """Return bytes that follow from a name."""
    return hashlib.shake_128(name.encode()).digest(size)


def set_on(under_test: BackendUnderTest, say: Say, prefix: str, name: str) -> None:
    """Set keys on and on, and say of each that it is set."""
    register = under_test.open(**under_test.target.as_client(), **under_test.target.impatient())
    store = cast("SupportsStore", register.backend).store(prefix)
    say("ready")
    sys.stdin.readline()
    for number in count():
        key = f"{name}-{number}"
        try:
            store.set(key, value_of(key))
        except RendezvousConnectionError:
            continue
        say("set", key=key)
