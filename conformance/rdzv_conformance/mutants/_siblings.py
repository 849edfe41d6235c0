"""Mutants of RDZV-LIFE-5, RUN-3, CONN-4 and PARAM-2: what a sibling is, and what it and others are made from."""

from __future__ import annotations

from typing import Any, ClassVar

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._remote import READ_TIMEOUT, SoundRemote
from rdzv_conformance.mutants._silence import of_the_network
from rdzv_core import Option, RendezvousParameters, StateSnapshot, accepts_options


@mutant(
    "one-sibling-for-a-purpose",
    "sibling() is memoized: who asks for one purpose twice has one instance, and closes it for both.",
    "LIFE-5",
    message="raised RendezvousConnectionError",
)
class OneSiblingForAPurpose(SoundMemory):
    def sibling(self, purpose: str) -> SoundMemory:
        made: dict[str, SoundMemory] = vars(self).setdefault("made", {})
        return made.setdefault(purpose, super().sibling(purpose))


@mutant(
    "its-own-sibling",
    "Asked for the purpose that it has, a register gives itself.",
    "LIFE-5",
    message="raised RendezvousConnectionError",
)
class ItsOwnSibling(SoundMemory):
    def sibling(self, purpose: str) -> SoundMemory:
        return self if purpose == self._params.purpose else super().sibling(purpose)


@mutant(
    "an-empty-purpose-is-a-default",
    "`purpose or 'default'`: the sibling for the empty purpose is not the run's own register.",
    "RUN-3",
    message="of the sibling for the empty purpose",
    may_break=("LIFE-6",),
)
class AnEmptyPurposeIsADefault(SoundMemory):
    def sibling(self, purpose: str) -> SoundMemory:
        return super().sibling(purpose or "default")


@mutant(
    "a-siblings-empty-purpose-is-its-own",
    "A sibling's sibling is of its maker's purpose where none is given.",
    "RUN-3",
    message="of a sibling's sibling for the empty purpose",
    may_break=("LIFE-6",),
)
class ASiblingsEmptyPurposeIsItsOwn(SoundMemory):
    def sibling(self, purpose: str) -> SoundMemory:
        return super().sibling(purpose or self._params.purpose)


class _ForgetsOptions(SoundRemote):
    """A sibling is made from what names its register, and not from the options."""

    def sibling(self, purpose: str) -> SoundRemote:
        made = type(self)(self.params.for_purpose(purpose))
        made.timeout = READ_TIMEOUT.default
        return made


class _Raw(SoundRemote):
    """An option that was given is used as it was given."""

    def __init__(self, params: RendezvousParameters) -> None:
        super().__init__(params)
        self.timeout = params.get("read_timeout", READ_TIMEOUT.default)


class _RawInSiblings(SoundRemote):
    """A sibling reads the option once more, and does not convert it."""

    def sibling(self, purpose: str) -> SoundRemote:
        made = type(self)(self.params.for_purpose(purpose))
        made.timeout = self.params.get("read_timeout", READ_TIMEOUT.default)
        return made


class _Checks(SoundMemory):
    """It reads with or without a checksum, which an option says: it asks whether that is True."""

    is_checked: ClassVar[Option[bool]] = Option("checked", bool, True, "whether what is read is checked")

    def get_state(self) -> StateSnapshot | None:
        given: Any = self._params.get("checked", True)
        if not isinstance(given, bool):
            raise TypeError(f"checked must be a bool, not {type(given).__name__}")
        return super().get_state()


MUTANTS = (
    OneSiblingForAPurpose,
    ItsOwnSibling,
    AnEmptyPurposeIsADefault,
    ASiblingsEmptyPurposeIsItsOwn,
    of_the_network(
        _ForgetsOptions,
        "a-sibling-with-default-timeouts",
        "A sibling is made without the options of its maker, and waits for as long as is usual.",
        "CONN-4",
        message="get_state() of a sibling on a silent store raised after",
    ),
    of_the_network(
        _Raw,
        "a-timeout-as-it-was-given",
        "A timeout is checked, and then used as it was given: as text, from a command line, it is a TypeError.",
        "PARAM-2",
        message="given as text, a call raised TypeError",
    ),
    of_the_network(
        _RawInSiblings,
        "a-siblings-timeout-as-it-was-given",
        "A sibling takes over an option that was given as text, without converting it.",
        "PARAM-2",
        message="given as text, a call raised TypeError",
    ),
    Mutant(
        "a-boolean-as-it-was-given",
        "A boolean that is given as text is refused when it is needed first.",
        ("RDZV-PARAM-2",),
        "given as text, a call raised TypeError",
        accepts_options(_Checks.is_checked)(lambda params: _Checks(params)),
    ),
)
