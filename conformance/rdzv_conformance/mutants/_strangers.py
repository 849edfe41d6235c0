"""Mutants of RDZV-SECURE-1: a server that asks for the password in some calls, and in others answers anybody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._remote import Extension, Guard, RemoteStore
from rdzv_conformance.mutants._remote_members import Members, SoundRemoteMembers
from rdzv_conformance.mutants._remote_stores import SoundRemoteStores, Stores
from rdzv_conformance.mutants._secrets import OPTIONS, SoundGuarded, ask_for_all, guarded
from rdzv_conformance.mutants._settings import Place, Setting
from rdzv_core import RendezvousBackend, RendezvousParameters, accepts_options


class GuardedStores(SoundGuarded, SoundRemoteStores):
    """Stores of rounds behind a password."""

    durable = False


class GuardedMembers(SoundGuarded, SoundRemoteMembers):
    """Members behind a password."""


def _extended(guard: Guard, extension: Callable[[], Extension]) -> Setting:
    @contextmanager
    def setting() -> Iterator[Place]:
        with guarded(guard)() as place, RemoteStore(guard, extension=extension()) as store:
            yield Place(store.endpoint, place.options, place.helpers)

    return setting


def _ask_where(is_asked: Callable[[dict[str, Any]], bool]) -> Guard:
    """Return a guard that asks for the password where it is said, and for TLS everywhere."""

    def guard(hello: dict[str, Any], request: dict[str, Any]) -> str:
        return ask_for_all(hello, request) if is_asked(request) or not hello.get("authority") else ""

    return guard


def _not_asked(
    name: str,
    sentence: str,
    what: str,
    is_asked: Callable[[dict[str, Any]], bool],
    backend: Callable[[RendezvousParameters], RendezvousBackend] = SoundGuarded,
    extension: Callable[[], Extension] | None = None,
) -> Mutant:
    guard = _ask_where(is_asked)
    setting = guarded(guard) if extension is None else _extended(guard, extension)
    message = f"{what} with password changed"
    return Mutant(name, sentence, ("RDZV-SECURE-1",), message, accepts_options(*OPTIONS)(backend), (), setting)


def _of_a_run(request: dict[str, Any]) -> bool:
    """Return whether a request is about the run's own register, and not about that of a purpose."""
    return str(request.get("key", "")).count(".") < len(("run", "purpose", "digest"))


MUTANTS = (
    _not_asked(
        "stores-for-anybody",
        "The calls of a register ask for the password; stores were added later, and answer anybody.",
        "of a store",
        lambda request: "map" not in request,
        lambda params: GuardedStores(params),
        Stores,
    ),
    _not_asked(
        "stores-are-shown-to-anybody",
        "Only what changes a store asks for the password; whoever knows its name may read it.",
        "get of a store",
        lambda request: "map" not in request or "version" in request,
        lambda params: GuardedStores(params),
        Stores,
    ),
    _not_asked(
        "members-for-anybody",
        "The calls of a register ask for the password; members are shown to, and enter for, anybody.",
        "enter(…)",
        lambda request: "do" not in request,
        lambda params: GuardedMembers(params),
        Members,
    ),
    _not_asked(
        "members-are-shown-to-anybody",
        "Only what changes members asks for the password; who they are is shown to anybody.",
        "members()",
        lambda request: request.get("do") != "look",
        lambda params: GuardedMembers(params),
        Members,
    ),
    _not_asked(
        "siblings-for-anybody",
        "Rights are given to the key of a run; those of its purposes were forgotten.",
        "of a sibling",
        _of_a_run,
        lambda params: SoundGuarded(params),
    ),
)
