"""The options of the backend, beside those of secret and TLS."""

from __future__ import annotations

from rdzv_core import Option
from rdzv_tcp._net.security import SECURITY

IS_HOST = Option(
    "is_host",
    bool,
    None,
    "whether this process hosts the store; unset: it does if it can bind the endpoint, else it connects",
)
READ_TIMEOUT = Option("read_timeout", int, 60, "seconds that a call may take", positive=True)
CONNECT_TIMEOUT = Option(
    "connect_timeout",
    float,
    None,
    "seconds that one attempt to connect at creation may take (a handler makes more of them, until join_timeout); "
    "unset: 5, or read_timeout where that is shorter",
    positive=True,
)
DATA_DIR = Option("data_dir", str, None, "hosting: keep registers in this directory; unset: in memory only")
FSYNC = Option("fsync", bool, True, "hosting with data_dir: answer a write only when it is on the disk")

OPTIONS = (IS_HOST, READ_TIMEOUT, CONNECT_TIMEOUT, DATA_DIR, FSYNC, *SECURITY)
