"""Mutants of RDZV-SECURE, on a toy that stands for passwords and TLS: see `_remote`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rdzv_conformance.harness.helpers import Helpers
from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._remote import AUTHORITY, READ_TIMEOUT, Guard, RemoteStore, SoundRemote
from rdzv_conformance.mutants._settings import Place, Setting
from rdzv_core import Option, RendezvousBackend, RendezvousConnectionError, RendezvousParameters, accepts_options

PASSWORD = Option("password", str, None, "what the store asks for", secret=True)
TRUST = Option("trust", str, None, "the authority of the store; unset: plain text")
OPTIONS = (READ_TIMEOUT, PASSWORD, TRUST)
RIGHT = "open sesame"


def ask_for_all(hello: dict[str, Any], _: dict[str, Any]) -> str:
    """Refuse plain text, and clients that do not know the password."""
    if not hello.get("authority"):
        return "plain text, where TLS is asked for"
    return "" if hello.get("password") == RIGHT else "the password is not accepted"


class SoundGuarded(SoundRemote):
    """Says its password to the server that it trusts, and to no other."""

    secure = True

    def introduce(self) -> None:
        trusted = TRUST.optional(self.params)
        self.seals = self.would_seal(trusted)
        there = self.converse({"hello": {"authority": trusted, "password": PASSWORD.optional(self.params)}})
        self.check_authority(there.get("authority"), trusted)
        if trusted is not None:
            self.check_name(there.get("names", []))

    def would_seal(self, trusted: str | None) -> bool:
        """Return whether nobody on the way is to read along."""
        return trusted is not None

    def check_authority(self, there: str | None, trusted: str | None) -> None:
        """Raise unless the server is who it should be."""
        if trusted is not None and there != trusted:
            raise PermissionError(f"the certificate is not accepted: {trusted!r} has not signed it")

    def check_name(self, names: list[str]) -> None:
        """Raise unless the server's certificate is for where it was looked for."""
        if self.where[0] not in names:
            raise PermissionError(f"the certificate is not accepted: it is for {', '.join(names)}")


@accepts_options(*OPTIONS)
def sound_guarded(params: RendezvousParameters) -> RendezvousBackend:
    """Make it."""
    return SoundGuarded(params)


def guarded(guard: Guard = ask_for_all) -> Setting:
    """A server that authenticates its clients."""

    @contextmanager
    def setting() -> Iterator[Place]:
        with RemoteStore(guard) as store:
            helpers = Helpers(
                wrong_credentials=(
                    ({"password": "open barley"}, "the password is not accepted"),
                    ({"password": None}, "the password is not accepted"),
                ),
                wrong_transport=(
                    ({"trust": None}, "plain text"),
                    ({"trust": "another"}, "the certificate is not accepted"),
                ),
            )
            yield Place(store.endpoint, {"password": RIGHT, "trust": AUTHORITY}, helpers)

    return setting


class SaysNothing(SoundGuarded):
    def ask(self, request: dict[str, Any]) -> Any:
        try:
            return super().ask(request)
        except RendezvousConnectionError as error:
            raise RendezvousConnectionError("connection failed") from error


class TrustsAnybody(SoundGuarded):
    def check_authority(self, there: str | None, trusted: str | None) -> None:
        pass


class ShowsItself(SoundGuarded):
    def __repr__(self) -> str:
        return f"<ShowsItself {self.params.config}>"


class ShowsItsError(SoundGuarded):
    def converse(self, request: dict[str, Any]) -> Any:
        try:
            return super().converse(request)
        except PermissionError as error:
            raise PermissionError(f"{error} ({self.params.config})") from error


def _anybody(hello: dict[str, Any], _: dict[str, Any]) -> str:
    return "" if hello.get("authority") else "plain text, where TLS is asked for"


def _readers(hello: dict[str, Any], request: dict[str, Any]) -> str:
    return ask_for_all(hello, request) if request["state"] is not None or not hello.get("authority") else ""


def _plain(hello: dict[str, Any], _: dict[str, Any]) -> str:
    return "" if hello.get("password") == RIGHT else "the password is not accepted"


def secret_mutant(
    name: str,
    sentence: str,
    number: str,
    message: str,
    broken: type[SoundGuarded] = SoundGuarded,
    guard: Guard = ask_for_all,
    may_break: tuple[str, ...] = (),
) -> Mutant:
    """Make a mutant of the client, or of the server's guard."""
    factory = accepts_options(*OPTIONS)(lambda params: broken(params))
    may = tuple(f"RDZV-{each}" for each in may_break)
    return Mutant(name, sentence, (f"RDZV-{number}",), message, factory, may, guarded(guard))


MUTANTS = (
    secret_mutant(
        "anybody-may",
        "The password is asked for and not compared.",
        "SECURE-1",
        "it must raise",
        guard=_anybody,
        may_break=("SECURE-3",),
    ),
    secret_mutant(
        "anybody-may-read",
        "Writers are asked for a password, readers are not.",
        "SECURE-1",
        "it must raise",
        guard=_readers,
        may_break=("SECURE-3",),
    ),
    secret_mutant(
        "refused-without-a-word",
        "A user with a wrong password reads that the connection failed, and looks for a network fault.",
        "SECURE-1",
        "does not say 'the password is not accepted'",
        SaysNothing,
        may_break=("SECURE-2",),
    ),
    secret_mutant(
        "trusts-anybody",
        "Certificates are not verified (`verify=False`, put in for a test and left there).",
        "SECURE-2",
        "it must raise",
        TrustsAnybody,
    ),
    secret_mutant(
        "speaks-plain-text",
        "The port for TLS answers plain text as well.",
        "SECURE-2",
        "it must raise",
        guard=_plain,
    ),
    secret_mutant(
        "shows-itself",
        "The repr of an instance shows its options, the password among them.",
        "SECURE-3",
        "repr of the instance holds a secret",
        ShowsItself,
    ),
    secret_mutant(
        "shows-its-error",
        "The error about a refused login shows all options, to help.",
        "SECURE-3",
        "holds a secret",
        ShowsItsError,
    ),
)
