"""From an entry point to a factory, and what a factory's product must be."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from rdzv_core._backend_names import normalize
from rdzv_core._errors import BackendLoadError
from rdzv_core._parameters import RendezvousParameters
from rdzv_core.abc import CONTRACT_VERSION, RendezvousBackend
from rdzv_core.options import Option, OptionTable, accepts_options, options_of
from rdzv_core.registry._listing import BackendInfo, info_of

if TYPE_CHECKING:
    from importlib_metadata import EntryPoint

_REQUIRED = re.compile(r"[A-Za-z0-9._-]+")

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
            f"{where} is installed but broken: {type(error).__name__}: {error}; {_what_to_do(error, info)}"
        ) from error


def _what_to_do(error: BaseException, info: BackendInfo) -> str:
    """Return what helps: of a module that is not there, which distribution is missing."""
    own = info.target.partition(":")[0].partition(".")[0]
    lacking = error.name.partition(".")[0] if isinstance(error, ModuleNotFoundError) and error.name else own
    if lacking == own:
        return f"reinstall or update {info.distribution}"
    missing = _missing_requirements(info.distribution)
    if missing:
        return f"{info.distribution} needs what is not installed: run `pip install {' '.join(missing)}`"
    return (
        f"the module {lacking!r} is of a distribution that is not installed, and that {info.distribution} does not "
        "name among its dependencies: install it, and add it there"
    )


def _missing_requirements(distribution: str) -> list[str]:
    """Return what a distribution requires in every case, and what is not installed."""
    from importlib.metadata import Distribution, PackageNotFoundError  # here, since hardly anybody needs it

    missing = []
    with suppress(PackageNotFoundError):
        for each in Distribution.from_name(distribution).requires or ():
            name = _REQUIRED.match(each)
            if name is None or ";" in each:
                continue
            try:
                Distribution.from_name(name[0])
            except PackageNotFoundError:
                missing.append(name[0])
    return missing


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
        _refuse(
            backend,
            f"backend {asked!r} was asked for, but {target_of(factory)} returned {backend.name!r}: the name of the "
            "entry point and the property name must be the same, so change one of them",
        )
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
