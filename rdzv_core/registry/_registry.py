"""The registry: names in, factories out, one import at a time."""

from __future__ import annotations

import difflib
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from rdzv_core._errors import BackendConflictError, BackendLoadError, BackendNotFoundError
from rdzv_core._parameters import RendezvousParameters
from rdzv_core.abc import RendezvousBackend
from rdzv_core.options import Option, check_options, options_of
from rdzv_core.registry._aliases import ALIASES, resolve_alias
from rdzv_core.registry._listing import BackendInfo, info_of, infos_of, installed
from rdzv_core.registry._loading import BackendFactory, as_factory, check_backend, load_factory, make_backend, target_of
from rdzv_core.registry._names import KNOWN_DISTRIBUTIONS, normalize

if TYPE_CHECKING:
    from importlib_metadata import EntryPoint


class BackendRegistry:
    """The backends of an environment, and those registered in this process.

    Installed ones are looked up afresh at every call, from metadata; one is imported when it is selected, and only
    that one. `entry_points` replaces the environment's, so that a test needs to install nothing. Thread-safe.
    """

    def __init__(self, entry_points: Callable[[], Iterable[EntryPoint]] | None = None) -> None:
        self._entry_points = entry_points or installed
        self._registered: dict[str, BackendFactory] = {}
        self._lock = threading.Lock()

    def register(self, name: str, factory: BackendFactory) -> None:
        """Add a backend for this process; it goes before an installed one of that name.

        `factory` takes `RendezvousParameters`, or is a class with `from_params`. Raises `ValueError` if the name is
        empty, an alias, or has another factory already; registering the same one again is no error.
        """
        wanted = normalize(name)
        if not wanted or ":" in wanted:
            raise ValueError(f"the backend name must be non-empty and without a colon, it is {name!r}")
        if wanted in ALIASES:
            raise ValueError(f"backend name {name!r} is an alias of {ALIASES[wanted]}: {factory!r} needs another name")
        with self._lock:
            there = self._registered.setdefault(wanted, factory)
        # By equality: a class gives a new bound method each time that its from_params is asked for.
        if there != factory:
            raise ValueError(f"backend {name!r} is registered already, by {there!r}: {factory!r} needs another name")

    def list(self) -> list[BackendInfo]:
        """Give what is installed and registered, by name, from metadata alone."""
        found = infos_of(self._entry_points())
        with self._lock:
            found += [
                BackendInfo(name, "(registered in this process)", "", target_of(factory))
                for name, factory in self._registered.items()
            ]
        return sorted(found, key=lambda info: (info.name, info.distribution, info.target))

    def load(self, name: str) -> BackendFactory:
        """Give the factory of `name`, or of `distribution:name` where two distributions claim it.

        Raises `BackendNotFoundError`, `BackendConflictError`, or `BackendLoadError` with the cause chained.
        """
        distribution, _, plain = name.rpartition(":")
        wanted = normalize(plain)
        with self._lock:
            registered = None if distribution else self._registered.get(wanted)
        if registered is not None:
            return as_factory(registered)
        claims = [point for point in self._entry_points() if normalize(point.name) == wanted]
        points = [point for point in claims if not distribution or _is_of(point, distribution)]
        if not points:
            self._not_found(name, wanted, sorted({info.distribution for info in infos_of(claims)}))
        _check_unambiguous(name, plain, infos_of(points))
        return load_factory(points[0])

    def create(self, params: RendezvousParameters, further_options: Iterable[Option[Any]] = ()) -> RendezvousBackend:
        """Create the backend that `params` name; `further_options` are accepted beside the backend's own.

        Raises what `load` raises, `ValueError` for a bad option before anything is created, `BackendLoadError` if
        the factory is a class that lacks a method, takes no parameters, or gives what is no backend of that name, and
        whatever the factory itself raises.
        """
        resolved = resolve_alias(params)
        factory = self.load(resolved.backend)
        check_options(f"backend {resolved.backend!r}", (*options_of(factory), *further_options), resolved.config)
        backend = check_backend(make_backend(factory, resolved, resolved.backend), resolved.backend, factory)
        if backend._origin is None:
            backend._origin = (factory, resolved)
        return backend

    def _not_found(self, name: str, wanted: str, elsewhere: Iterable[str]) -> NoReturn:
        names = sorted({info.name for info in self.list()})
        near = difflib.get_close_matches(wanted, [*names, *KNOWN_DISTRIBUTIONS, *ALIASES], n=1)
        if elsewhere:
            way_out = f"that distribution does not provide it, but {' and '.join(elsewhere)} does"
        elif wanted in KNOWN_DISTRIBUTIONS:
            way_out = f"run `pip install {KNOWN_DISTRIBUTIONS[wanted]}`"
        elif near:
            way_out = f"did you mean {near[0]!r}?"
        else:
            way_out = "install the distribution that provides it"
        raise BackendNotFoundError(
            f"no backend {name!r} is installed: {way_out} (installed: {', '.join(names) or 'none'})"
        )


def _is_of(point: EntryPoint, distribution: str) -> bool:
    return normalize(info_of(point).distribution) == normalize(distribution)


def _check_unambiguous(name: str, plain: str, infos: Iterable[BackendInfo]) -> None:
    claims = sorted({(info.distribution, info.target) for info in infos})
    distributions = sorted({distribution for distribution, _ in claims})
    if len(distributions) > 1:
        raise BackendConflictError(
            f"backend {name!r} is provided by {' and by '.join(distributions)}: select one as "
            f"{' or '.join(f'{distribution}:{plain}' for distribution in distributions)}, or uninstall the other"
        )
    if len(claims) > 1:
        targets = " and as ".join(target for _, target in claims)
        raise BackendLoadError(
            f"{distributions[0]} provides backend {name!r} more than once, as {targets}: its authors must mend that"
        )
