"""Names under which a parameter set written for PyTorch's launcher works as it is."""

from __future__ import annotations

from rdzv_core._parameters import RendezvousParameters
from rdzv_core.options import Option
from rdzv_core.registry._names import normalize

STORE_TYPE = Option("store_type", str, "tcp", "which store the alias c10d stands for", choices=("tcp", "file"))

ALIASES = {"c10d": "tcp", "etcd-v2": "etcd"}
"""The aliases, and the backend that each stands for where no option says otherwise."""

_EXPLAINED = {
    "c10d": "c10d is PyTorch's name for tcp, and with the option store_type=file for file",
    "etcd-v2": "etcd-v2 is PyTorch's name for etcd; its option etcd_prefix is key_prefix here",
}

_WITHOUT_MEANING_HERE = ("store_type", "use_libuv")

_ETCD_NAMES = {"etcd_prefix": "key_prefix"}


def explain_alias(name: str) -> str | None:
    """Return what `name` stands for, in words; None if it is no alias."""
    return _EXPLAINED.get(normalize(name))


def resolved_name(name: str) -> str:
    """Return the backend that an alias stands for where no option says otherwise; any other name as it is."""
    return ALIASES.get(normalize(name), name)


def resolve_alias(params: RendezvousParameters) -> RendezvousParameters:
    """Turn `c10d` (with `store_type`, default tcp) and `etcd-v2` into the backend they stand for; else as given.

    Raises `ValueError` for a `store_type` other than tcp and file.
    """
    name = normalize(params.backend)
    if name == "etcd-v2":
        return params.with_backend("etcd", **{_ETCD_NAMES.get(key, key): value for key, value in params.config.items()})
    if name != "c10d":
        return params
    config = {key: value for key, value in params.config.items() if key not in _WITHOUT_MEANING_HERE}
    return params.with_backend(STORE_TYPE.of(params), **config)
