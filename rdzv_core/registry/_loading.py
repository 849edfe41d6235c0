"""From an entry point to a factory, and what a factory's product must be."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from rdzv_core._backend_names import normalize
from rdzv_core._errors import BackendLoadError
from rdzv_core._parameters import RendezvousParameters
from rdzv_core.abc import CONTRACT_VERSION, RendezvousBackend
from rdzv_core.options import Option, OptionTable, accepts_options, options_of
from rdzv_core.registry._listing import info_of

if TYPE_CHECKING:
    from importlib_metadata import EntryPoint

BackendFactory = Callable[[RendezvousParameters], RendezvousBackend]


def load_factory(point: EntryPoint) -> BackendFactory:
    """Import what an entry point names; `BackendLoadError`, with the cause chained, if that is not possible."""
    info = info_of(point)
    where = f"backend {info.name!r} of {info.distribution} {info.version} ({info.target})"
    try:
        return as_factory(point.load())
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # an import may raise anything, SystemExit too: it must not end the program
        raise BackendLoadError(
            f"{where} is installed but broken: {type(error).__name__}: {error}; reinstall or update {info.distribution}"
        ) from error


def as_factory(loaded: Any) -> BackendFactory:
    """Return the factory: a class's `from_params`, else what was given; `TypeError` if that cannot be called."""
    factory: BackendFactory = getattr(loaded, "from_params", loaded)
    if not callable(factory):
        raise TypeError(f"{loaded!r} is neither a factory nor a class with from_params")
    return factory if options_of(factory) else _with_options(factory, options_of(loaded))


def _with_options(factory: BackendFactory, options: OptionTable) -> BackendFactory:
    """Return a factory with the options table of the class that it is a method of."""
    if not options:
        return factory

    @functools.wraps(factory)
    def create(params: RendezvousParameters) -> RendezvousBackend:
        return factory(params)

    return accepts_options(*options)(create)


def make_backend(factory: BackendFactory, params: RendezvousParameters, asked: str) -> object:
    """Call the factory; a class that cannot be made, or takes something else, is a `BackendLoadError`."""
    missing = sorted(getattr(inspect.unwrap(factory), "__abstractmethods__", ()))
    if missing:
        raise BackendLoadError(f"backend {asked!r} ({target_of(factory)}) does not implement {', '.join(missing)}")
    try:
        inspect.signature(factory).bind(params)
    except TypeError as error:
        raise BackendLoadError(
            f"the factory {target_of(factory)} of backend {asked!r} must take one argument, a RendezvousParameters: "
            f"{error}"
        ) from error
    except ValueError:  # its signature is not known
        pass
    return factory(params)


def check_distinct(
    own: Iterable[Option[Any]], further: Iterable[Option[Any]], asked: str, factory: BackendFactory
) -> None:
    """Raise `BackendLoadError` if the backend has an option of the name of a further one, the handler's say.

    Both would be given one value, and mean two things by it.
    """
    taken = {option.name: option for option in further}
    for option in own:
        if option.name in taken:
            raise BackendLoadError(
                f"backend {asked!r} ({target_of(inspect.unwrap(factory))}) defines an option {option.name!r} "
                f"({option.help}), but that is the handler's on every backend ({taken[option.name].help}): report this "
                "to its maintainers: the option needs another name"
            )


def target_of(factory: object) -> str:
    """Name a factory as an entry point would."""
    return f"{getattr(factory, '__module__', '?')}:{getattr(factory, '__qualname__', repr(factory))}"


def check_backend(backend: object, asked: str, factory: object) -> RendezvousBackend:
    """Return `backend` if it is one, of the name asked for and of a contract known here; else `BackendLoadError`."""
    if not isinstance(backend, RendezvousBackend):
        raise BackendLoadError(
            f"the factory {target_of(factory)} of backend {asked!r} returned {backend!r}, "
            "which does not derive from rdzv_core.RendezvousBackend"
        )
    if normalize(str(backend.name)) != normalize(asked.rpartition(":")[2]):
        _refuse(backend, f"backend {asked!r} was asked for, but {target_of(factory)} returned {backend.name!r}")
    if backend.contract_version > CONTRACT_VERSION:
        _refuse(
            backend,
            f"backend {asked!r} implements contract version {backend.contract_version}, this core speaks "
            f"{CONTRACT_VERSION}: run `pip install -U rdzv-core`",
        )
    return backend


def _refuse(backend: RendezvousBackend, why: str) -> NoReturn:
    try:
        backend.close()
    except Exception:  # noqa: BLE001, S110 - why it is refused is what matters, not that it closes badly too
        pass
    raise BackendLoadError(why)
