"""Names under which a parameter set written for PyTorch's launcher works as it is."""

from __future__ import annotations

from rdzv_core._parameters import RendezvousParameters
from rdzv_core.options import Option
from rdzv_core.registry._names import normalize

STORE_TYPE = Option("store_type", str, "tcp", "which store the alias c10d stands for", choices=("tcp", "file"))

ALIASES = {"c10d": "tcp or file, by store_type", "etcd-v2": "etcd"}
"""The aliases, and what they stand for in words."""

_WITHOUT_MEANING_HERE = ("store_type", "use_libuv")


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


_ETCD_NAMES = {"etcd_prefix": "key_prefix"}
