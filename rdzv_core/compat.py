"""PyTorch's names: what was written for its launcher works as it is.

The backend names `c10d` (with its option `store_type`) and `etcd-v2` are aliases. `timeout` is the handler's option
`join_timeout`, and `set_closed` and `shutdown` are methods of the handler (`PyTorchNames`).
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod

from rdzv_core._backend_names import normalize
from rdzv_core._errors import RendezvousError
from rdzv_core._parameters import RendezvousParameters
from rdzv_core.options import Option

__all__ = ["ALIASES", "STORE_TYPE", "TIMEOUT", "PyTorchNames", "explain_alias", "resolve_alias", "resolved_name"]

log: logging.Logger = logging.getLogger("rdzv")

STORE_TYPE = Option("store_type", str, "tcp", "which store the alias c10d stands for", choices=("tcp", "file"))

TIMEOUT = Option("timeout", float, None, "join_timeout under the name of PyTorch's etcd handler", positive=True)

ALIASES = {"c10d": "tcp", "etcd-v2": "etcd"}
"""The aliases, and the backend that each stands for unless an option chooses another."""

_EXPLAINED = {
    "c10d": "c10d is PyTorch's name for tcp, and with the option store_type=file for file",
    "etcd-v2": "etcd-v2 is PyTorch's name for etcd; its option etcd_prefix is key_prefix here",
}

_WITHOUT_MEANING_HERE = ("store_type", "use_libuv")

_ETCD_NAMES = {"etcd_prefix": "key_prefix"}


def explain_alias(name: str) -> str | None:
    """Return what `name` stands for, in words; None if it is not an alias."""
    return _EXPLAINED.get(normalize(name))


def resolved_name(name: str) -> str:
    """Return the backend that an alias stands for unless an option chooses another; any other name as it is."""
    return ALIASES.get(normalize(name), name)


def resolve_alias(params: RendezvousParameters) -> RendezvousParameters:
    """Replace `c10d` (with `store_type`, default tcp) and `etcd-v2` by the backend they stand for.

    Parameters that name no alias are returned as they are. Raises `ValueError` for a `store_type` other than tcp and
    file.
    """
    name = normalize(params.backend)
    if name == "etcd-v2":
        return params.with_backend("etcd", **{_ETCD_NAMES.get(key, key): value for key, value in params.config.items()})
    if name != "c10d":
        return params
    config = {key: value for key, value in params.config.items() if key not in _WITHOUT_MEANING_HERE}
    return params.with_backend(STORE_TYPE.of(params), **config)


class PyTorchNames(ABC):
    """Methods of PyTorch's `RendezvousHandler` that have another name here, or are two calls."""

    @abstractmethod
    def get_run_id(self) -> str:
        """Return the run id."""

    @abstractmethod
    def close_run(self) -> None:
        """Close the run: no round forms in it again."""

    @abstractmethod
    def close(self) -> None:
        """Release everything without telling the others."""

    def set_closed(self) -> None:
        """Close the run: PyTorch's name for `close_run`."""
        self.close_run()

    def shutdown(self) -> bool:
        """Close the run, then release everything; False if the run could not be closed."""
        try:
            self.close_run()
        except RendezvousError as error:
            log.warning("the run %r could not be closed: %s", self.get_run_id(), error)
            return False
        finally:
            self.close()
        return True
