"""Which runs a store holds. Reading them writes nothing and enters nothing."""

from __future__ import annotations

import difflib

from rdzv_core._create import create_backend
from rdzv_core._errors import RendezvousError
from rdzv_core._handler.head import decode_head
from rdzv_core._keys import is_run_key, register_key, run_of
from rdzv_core._parameters import RendezvousParameters
from rdzv_core._run_status import RunStatus
from rdzv_core.abc import RendezvousBackend, SupportsListing
from rdzv_core.inspection import inspect_run

_MOST_SIMILAR = 3


def list_runs(params: RendezvousParameters) -> list[RunStatus]:
    """Look at every run of the store of `params`, in the order of their ids; which run they name does not matter.

    Raises what `create_backend` raises, and `RendezvousError` where the backend cannot list its runs.
    """
    store = create_backend(params.for_observer())
    try:
        if not isinstance(store, SupportsListing):
            raise RendezvousError(
                f"backend {store.name!r} cannot list its runs: name one with --run-id, as in `rdzv status --run-id ID`"
            )
        found = [_look(params, key) for key in store.list_keys() if is_run_key(key)]
    finally:
        store.close()
    return sorted(found, key=lambda status: status.run_id)


def similar_runs(store: RendezvousBackend, run_id: str) -> list[str]:
    """Return the ids of runs in this store that are spelled nearly like that; none where it cannot list its runs."""
    if not isinstance(store, SupportsListing):
        return []
    try:
        names = [name for key in store.list_keys() if (name := run_of(key)) is not None and name != run_id]
    except RendezvousError:
        return []
    lower = {name.lower(): name for name in sorted(names)}
    return [lower[near] for near in difflib.get_close_matches(run_id.lower(), lower, _MOST_SIMILAR)]


def _look(params: RendezvousParameters, key: str) -> RunStatus:
    """Look at the run whose register has this key; if that fails, the status has the reason."""
    try:
        run_id = run_of(key) or _told_by_head(params, key)
        if run_id is None:
            return RunStatus(f"{key.split('.')[1]}…", True, "unknown", reasons=["its run id is not in its register"])
        store = create_backend(params.for_run(run_id).for_observer())
        try:
            return inspect_run(store)
        finally:
            store.close()
    except RendezvousError as error:
        return RunStatus(run_of(key) or f"{key.split('.')[1]}…", True, "unknown", reasons=[str(error)])


def _told_by_head(params: RendezvousParameters, key: str) -> str | None:
    """Return a run id that its key does not show: the head has it."""
    store = create_backend(params.for_observer().for_key(key))
    try:
        snapshot = store.get_state()
    finally:
        store.close()
    run_id = decode_head(snapshot[0]).run if snapshot is not None else ""
    return run_id if run_id and register_key(run_id) == key else None
