"""What an installed backend lends to the suite without a line of test code: the group `rdzv_conformance.helpers`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rdzv_conformance.harness.helpers import Helpers, StartedStore
from rdzv_conformance.harness.memory_helpers import MEMORY
from rdzv_conformance.harness.sandbox import Sandbox
from rdzv_core import RendezvousError
from rdzv_core.compat import resolved_name
from rdzv_core.registry import entry_points, normalize

GROUP = "rdzv_conformance.helpers"


class StoreNotStartedError(RendezvousError):
    """The store that a backend lends to the suite could not be started."""


def installed_helpers(backend: str) -> Helpers:
    """Return what the entry point named like the backend lends: any object with attributes of `Helpers`.

    It may be a module, and need not import this package. Without an entry point: `Helpers()`, which lends nothing.
    """
    wanted = normalize(resolved_name(backend).rpartition(":")[2])
    for point in entry_points(GROUP):
        if normalize(point.name) == wanted:
            return helpers_of(point.load())
    return MEMORY if wanted == "memory" else Helpers()


def helpers_of(lender: object) -> Helpers:
    """Read the attributes of `Helpers` from any object; those that are missing are None."""
    return Helpers().and_those_of(lender)


@contextmanager
def store_of_its_own(backend: str, helpers: Helpers, directory: Path, cluster: bool = False) -> Iterator[StartedStore]:
    """Start the store, or the `cluster`, that a backend lends to the suite, in an empty directory.

    Raises `ValueError` if it lends none, and `StoreNotStartedError` if it cannot start it.
    """
    start = helpers.own_cluster if cluster else helpers.own_store
    if start is None:
        instead = "leave out --cluster, or give --endpoint" if cluster else "--endpoint is required"
        raise ValueError(f"{instead} for {backend!r}: the backend starts no {'cluster' if cluster else 'store'} itself")
    with ExitStack() as ending:
        try:
            store = ending.enter_context(start(Sandbox(directory)))
        except (OSError, RendezvousError) as error:
            what = "own_cluster" if cluster else "own_store"
            raise StoreNotStartedError(f"{what} of the helpers of backend {backend!r} started none: {error}") from error
        yield store
