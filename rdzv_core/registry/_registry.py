"""The registry: names in, factories out, one import at a time."""

from __future__ import annotations

import difflib
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from rdzv_core._backend_names import KNOWN_DISTRIBUTIONS, normalize
from rdzv_core._errors import BackendConflictError, BackendLoadError, BackendNotFoundError
from rdzv_core._parameters import RendezvousParameters
from rdzv_core._secrets import read_secrets, with_files
from rdzv_core.abc import RendezvousBackend
from rdzv_core.abc._backend import noted
from rdzv_core.compat import ALIASES, explain_alias, resolve_alias, resolved_name
from rdzv_core.forking import hold_forks
from rdzv_core.options import Option, check_options, options_of
from rdzv_core.registry._entry_points import entry_points as installed
from rdzv_core.registry._entry_points import unreadable
from rdzv_core.registry._listing import GROUP, BackendInfo, info_of, infos_of
from rdzv_core.registry._loading import (
    BackendFactory,
    as_factory,
    check_backend,
    check_distinct,
    load_factory,
    make_backend,
    target_of,
)

if TYPE_CHECKING:
    from importlib_metadata import EntryPoint


class BackendRegistry:
    """The backends of an environment, and those registered in this process.

    Installed ones are found by metadata, which is read again when `sys.path` or a directory on it has changed; one is
    imported when it is selected, and only that one. `entry_points` replaces the environment's, so that a test needs to
    install nothing. Thread-safe.
    """

    def __init__(self, entry_points: Callable[[], Iterable[EntryPoint]] | None = None) -> None:
        self._entry_points = entry_points or (lambda: installed(GROUP))
        self._unreadable: Callable[[], list[str]] = (list) if entry_points else unreadable
        self._registered: dict[str, BackendFactory] = {}
        self._lock = threading.Lock()

    def register(self, name: str, factory: BackendFactory) -> None:
        """Add a backend for this process; it goes before an installed one of that name.

        `factory` takes `RendezvousParameters`, or is a class with `from_params`. Raises `ValueError` if the name is
        empty, an alias, or has another factory already; registering the same one again is not an error.
        """
        wanted = normalize(name)
        if not wanted or ":" in wanted:
            raise ValueError(f"the backend name must be non-empty and without a colon, not {name!r}")
        if wanted in ALIASES:
            raise ValueError(
                f"backend name {name!r} is an alias ({explain_alias(name)}): {factory!r} needs another name"
            )
        with hold_forks(), self._lock:
            there = self._registered.setdefault(wanted, factory)
        # By equality: from_params of a class is a new bound method at each access.
        if there != factory:
            raise ValueError(f"backend {name!r} is registered already, by {there!r}: {factory!r} needs another name")

    def list(self) -> list[BackendInfo]:
        """Return what is installed and registered, by name, from metadata alone."""
        found = infos_of(self._entry_points())
        with hold_forks(), self._lock:
            found += [
                BackendInfo(name, "(registered in this process)", "", target_of(factory))
                for name, factory in self._registered.items()
            ]
        return sorted(found, key=lambda info: (info.name, info.distribution, info.target))

    def load(self, name: str) -> BackendFactory:
        """Return the factory of `name`, or of `distribution:name` where two distributions claim it.

        An alias is that of the backend it stands for. Raises `BackendNotFoundError`, `BackendConflictError`, or
        `BackendLoadError` with the cause chained.
        """
        return self._load(resolved_name(name), explain_alias(name))

    def _load(self, name: str, alias: str | None) -> BackendFactory:
        distribution, _, plain = name.rpartition(":")
        wanted = normalize(plain)
        with hold_forks(), self._lock:
            registered = None if distribution else self._registered.get(wanted)
        if registered is not None:
            return as_factory(registered)
        claims = [point for point in self._entry_points() if normalize(point.name) == wanted]
        points = [point for point in claims if not distribution or _is_of(point, distribution)]
        if not points:
            self._not_found(name, wanted, sorted({info.distribution for info in infos_of(claims)}), alias)
        _check_unambiguous(name, plain, infos_of(points))
        return load_factory(points[0])

    def create(self, params: RendezvousParameters, further_options: Iterable[Option[Any]] = ()) -> RendezvousBackend:
        """Create the backend that `params` name; `further_options` are accepted beside the backend's own.

        A secret option X may be given as `X_file` instead, the path of a file that holds it: the factory sees X alone.

        Raises what `load` raises, `ValueError` for a bad option before anything is created, `BackendLoadError` if
        an option of the backend's own has the name of a further one, if the factory is a class that lacks a method,
        takes no parameters, or returns anything but a backend of that name, and whatever the factory itself raises.
        """
        resolved, further = resolve_alias(params), tuple(further_options)
        factory = self._load(resolved.backend, explain_alias(params.backend))
        own = options_of(factory)
        check_distinct(own, further, resolved.backend, factory)
        table = with_files((*own, *further))
        check_options(f"backend {resolved.backend!r}", table, resolved.config)
        resolved = resolved.with_backend(resolved.backend, **read_secrets(table, resolved.config))
        backend = check_backend(make_backend(factory, resolved, resolved.backend), resolved.backend, factory)
        return noted(backend, factory, resolved)

    def _not_found(self, name: str, wanted: str, elsewhere: Sequence[str], alias: str | None) -> NoReturn:
        names = sorted({info.name for info in self.list()})
        near = difflib.get_close_matches(wanted, [*names, *KNOWN_DISTRIBUTIONS, *ALIASES], n=1)
        if elsewhere:
            way_out = (
                f"that distribution does not provide it: give {' or '.join(f'{one}:{wanted}' for one in elsewhere)}"
            )
        elif wanted in KNOWN_DISTRIBUTIONS:
            way_out = f"run `pip install {KNOWN_DISTRIBUTIONS[wanted]}`"
        elif near:
            way_out = f"did you mean {near[0]!r}?"
        else:
            way_out = "install the distribution that provides it"
        left_out = self._unreadable()
        raise BackendNotFoundError(
            f"no backend {name!r} is installed{f' ({alias})' if alias else ''}: {way_out} "
            f"(installed: {', '.join(names) or 'none'}"
            f"{f'; left out, as they cannot be read: {_shortened(left_out)}' if left_out else ''})"
        )


def _shortened(reasons: Sequence[str]) -> str:
    return "; ".join([*reasons[:3], *(["…"] if reasons[3:] else [])])


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
            f"{distributions[0]} provides backend {name!r} more than once, as {targets}: report this to its maintainers"
        )
