"""The registry: names in, factories out, one import at a time."""

from __future__ import annotations

import difflib
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from rdzv_core._errors import BackendConflictError, BackendLoadError, BackendNotFoundError
from rdzv_core._parameters import RendezvousParameters
from rdzv_core.abc import CONTRACT_VERSION, RendezvousBackend
from rdzv_core.options import Option, check_options, options_of
from rdzv_core.registry._aliases import resolve_alias
from rdzv_core.registry._listing import BackendInfo
from rdzv_core.registry._names import KNOWN_DISTRIBUTIONS, normalize

if TYPE_CHECKING:
    from importlib_metadata import EntryPoint

GROUP = "rdzv_core.backends"

BackendFactory = Callable[[RendezvousParameters], RendezvousBackend]


class BackendRegistry:
    """The backends of an environment, and those registered in this process.

    Installed ones are looked up afresh at every call, from metadata; one is imported when it is selected, and only
    that one. `entry_points` replaces the environment's, so that a test needs to install nothing. Thread-safe.
    """

    def __init__(self, entry_points: Callable[[], Iterable[EntryPoint]] | None = None) -> None:
        self._entry_points = entry_points or _installed
        self._registered: dict[str, BackendFactory] = {}
        self._lock = threading.Lock()

    def register(self, name: str, factory: BackendFactory) -> None:
        """Add a backend for this process; it goes before an installed one of that name.

        Raises `ValueError` if another factory has the name already; registering the same one again is no error.
        """
        if not normalize(name):
            raise ValueError(f"the backend name must not be empty, it is {name!r}")
        with self._lock:
            there = self._registered.setdefault(normalize(name), factory)
        if there is not factory:
            raise ValueError(f"backend {name!r} is registered already, by {there!r}: {factory!r} needs another name")

    def list(self) -> list[BackendInfo]:
        """Give what is installed and registered, by name, from metadata alone."""
        found = [_info(point) for point in self._entry_points()]
        with self._lock:
            found += [
                BackendInfo(name, "(registered in this process)", "", _target(factory))
                for name, factory in self._registered.items()
            ]
        return sorted(found, key=lambda info: (info.name, info.distribution))

    def load(self, name: str) -> BackendFactory:
        """Give the factory of `name`, or of `distribution:name` where two distributions claim it.

        Raises `BackendNotFoundError`, `BackendConflictError`, or `BackendLoadError` with the cause chained.
        """
        distribution, _, plain = name.rpartition(":")
        wanted = normalize(plain)
        with self._lock:
            if not distribution and wanted in self._registered:
                return self._registered[wanted]
        points = [point for point in self._entry_points() if normalize(point.name) == wanted]
        if distribution:
            points = [point for point in points if normalize(_info(point).distribution) == normalize(distribution)]
        distributions = sorted({_info(point).distribution for point in points})
        if not points:
            self._not_found(name, wanted)
        if len(distributions) > 1:
            raise BackendConflictError(
                f"backend {name!r} is provided by {' and by '.join(distributions)}: select one as "
                f"{' or '.join(f'{other}:{plain}' for other in distributions)}"
            )
        return _load(points[0])

    def create(self, params: RendezvousParameters, further_options: Iterable[Option[Any]] = ()) -> RendezvousBackend:
        """Create the backend that `params` name; `further_options` are accepted beside the backend's own.

        Raises what `load` raises, `ValueError` for a bad option before anything is created, `BackendLoadError` if
        what the factory gives is not a backend of that name, and whatever the factory itself raises.
        """
        resolved = resolve_alias(params)
        factory = self.load(resolved.backend)
        check_options(f"backend {resolved.backend!r}", (*options_of(factory), *further_options), resolved.config)
        backend = factory(resolved)
        _check_backend(backend, resolved.backend, factory)
        if backend._origin is None:
            backend._origin = (factory, resolved)
        return backend

    def _not_found(self, name: str, wanted: str) -> NoReturn:
        installed = sorted({info.name for info in self.list()})
        if wanted in KNOWN_DISTRIBUTIONS:
            way_out = f"run `pip install {KNOWN_DISTRIBUTIONS[wanted]}`"
        else:
            near = difflib.get_close_matches(wanted, [*installed, *KNOWN_DISTRIBUTIONS, "c10d"], n=1)
            way_out = f"did you mean {near[0]!r}?" if near else "install the distribution that provides it"
        raise BackendNotFoundError(
            f"no backend {name!r} is installed: {way_out} (installed: {', '.join(installed) or 'none'})"
        )


def _installed() -> Iterable[EntryPoint]:
    import importlib_metadata

    return importlib_metadata.entry_points(group=GROUP)


def _info(point: EntryPoint) -> BackendInfo:
    dist = point.dist
    if dist is None:
        return BackendInfo(normalize(point.name), "(unknown distribution)", "", point.value)
    return BackendInfo(normalize(point.name), dist.name, dist.version, point.value)


def _target(factory: object) -> str:
    return f"{getattr(factory, '__module__', '?')}:{getattr(factory, '__qualname__', repr(factory))}"


def _load(point: EntryPoint) -> BackendFactory:
    info = _info(point)
    where = f"backend {info.name!r} of {info.distribution} {info.version} ({info.target})"
    try:
        loaded = point.load()
    except Exception as error:
        raise BackendLoadError(
            f"{where} is installed but broken: {type(error).__name__}: {error}; reinstall or update {info.distribution}"
        ) from error
    factory = getattr(loaded, "from_params", loaded)
    if not callable(factory):
        raise BackendLoadError(f"{where} names {loaded!r}, which is neither a factory nor a class with from_params")
    if factory is not loaded and options_of(loaded) and not options_of(factory):
        return _WithOptions(factory, options_of(loaded))
    return factory  # type: ignore[no-any-return]


class _WithOptions:
    """`from_params` of a class that carries its options table as a class attribute."""

    def __init__(self, factory: BackendFactory, options: tuple[Option[Any], ...]) -> None:
        self._factory = factory
        self.options = options

    def __call__(self, params: RendezvousParameters) -> RendezvousBackend:
        return self._factory(params)


def _check_backend(backend: object, asked: str, factory: object) -> None:
    plain = asked.rpartition(":")[2]
    if not isinstance(backend, RendezvousBackend):
        raise BackendLoadError(
            f"the factory {_target(factory)} of backend {asked!r} gave {backend!r}: "
            "what it gives must derive from rdzv_core.RendezvousBackend"
        )
    if normalize(backend.name) != normalize(plain):
        backend.close()
        raise BackendLoadError(f"backend {asked!r} was asked for, but {_target(factory)} gave {backend.name!r}")
    if backend.contract_version > CONTRACT_VERSION:
        backend.close()
        raise BackendLoadError(
            f"backend {asked!r} implements contract version {backend.contract_version}, this core speaks "
            f"{CONTRACT_VERSION}: run `pip install -U rdzv-core`"
        )
