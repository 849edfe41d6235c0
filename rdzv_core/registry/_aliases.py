"""Names under which a parameter set written for PyTorch's launcher works as it is."""

from __future__ import annotations

from rdzv_core._parameters import RendezvousParameters
from rdzv_core.options import Option
from rdzv_core.registry._names import normalize

STORE_TYPE = Option("store_type", str, "tcp", "which store the alias c10d stands for", choices=("tcp", "file"))

_WITHOUT_MEANING_HERE = ("store_type", "use_libuv")


def resolve_alias(params: RendezvousParameters) -> RendezvousParameters:
    """Turn `c10d` (with `store_type`, default tcp) and `etcd-v2` into the backend they stand for; else as given.

    Raises `ValueError` for a `store_type` other than tcp and file.
    """
    name = normalize(params.backend)
    if name == "etcd-v2":
        return params.with_backend("etcd", **params.config)
    if name != "c10d":
        return params
    config = {key: value for key, value in params.config.items() if key not in _WITHOUT_MEANING_HERE}
    return params.with_backend(STORE_TYPE.of(params), **config)
