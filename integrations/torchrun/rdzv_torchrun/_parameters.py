"""From what torchrun was given to rdzv's parameters."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import rdzv_core
from rdzv_core.compat import resolve_alias
from rdzv_core.options import options_of
from rdzv_core.registry import BackendRegistry

if TYPE_CHECKING:
    from torch.distributed.elastic.rendezvous import RendezvousParameters

log = logging.getLogger("rdzv")

STORE = "store"
"""The option that names the store."""

_STORE_TYPE = "store_type"
_TORCHS_OWN = ("is_host", "rank", "read_timeout", "use_libuv")
"""What torch's backends take, and do not mind where it means nothing to them: kept if the store has such an option."""

_UNHEARD = {"rank": "ranks are agreed upon in every round"}


def rdzv_parameters(given: RendezvousParameters) -> rdzv_core.RendezvousParameters:
    """Return rdzv's parameters for torch's. Raises `ValueError` for what does not fit together, or is unknown.

    torchrun always gives a `timeout` (900 s by default). It is rdzv's `join_timeout`, unless that is given too.
    """
    config: dict[str, Any] = dict(given.config)
    if config.get("join_timeout") is not None:
        config.pop("timeout", None)
    params = rdzv_core.RendezvousParameters(
        _store_name(config),
        given.endpoint or "",
        given.run_id,
        given.min_nodes,
        given.max_nodes,
        local_addr=given.local_addr,
    )
    params.config.update({name: value for name, value in config.items() if value is not None})
    params = resolve_alias(params)
    _drop_what_means_nothing(params)
    return params


def _store_name(config: dict[str, Any]) -> str:
    """Take the store's name out of the options: `store`, or torch's `store_type`, or tcp."""
    named, kind = config.pop(STORE, None), config.pop(_STORE_TYPE, None)
    if named is None:
        # rdzv's name for torch's default backend chooses by torch's option, and refuses what torch refuses.
        return str(resolve_alias(_c10d(kind)).backend) if kind is not None else "tcp"
    if kind is not None and str(kind).strip().lower() != str(named).strip().lower():
        raise ValueError(
            f"options store={named!r} and store_type={kind!r} name two stores: store_type is torch's name for store; "
            "leave out one of the two"
        )
    return str(named)


def _c10d(kind: object) -> rdzv_core.RendezvousParameters:
    params = rdzv_core.RendezvousParameters("c10d", "", "any", 1, 1)
    params.config[_STORE_TYPE] = kind
    return params


def _drop_what_means_nothing(params: rdzv_core.RendezvousParameters) -> None:
    given = [name for name in _TORCHS_OWN if name in params.config]
    if not given:
        return
    try:
        known = {option.name for option in options_of(BackendRegistry().load(params.backend))}
    except rdzv_core.BackendNotFoundError:
        return  # one that this process registered; if it is none at all, that is said when it is created
    for name in given:
        if name not in known:
            value = params.config.pop(name)
            why = _UNHEARD.get(name, f"the store {params.backend!r} has no such option")
            log.warning("--rdzv-conf %s=%s is left out: %s", name, value, why)
