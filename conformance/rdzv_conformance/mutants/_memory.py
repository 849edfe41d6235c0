"""The sound backend in memory under a name of its own, and how a mutant is made of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar

from rdzv_conformance.harness.helpers import Helpers
from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._settings import Place, Setting, in_memory
from rdzv_core import RendezvousConnectionError, RendezvousParameters
from rdzv_core.memory import MemoryBackend, MemoryHub
from rdzv_core.memory._members import MemberTable


class SoundMemory(MemoryBackend):
    """The reference backend; `name` is whatever it was selected by, so that subclasses need not say."""

    @property
    def name(self) -> str:
        return self._params.backend

    def sibling(self, purpose: str) -> SoundMemory:
        return type(self)(self._params.for_purpose(purpose))


sound_memory = SoundMemory.from_params


class SoundAndSlow(SoundMemory):
    """Every call takes its time, and none of it holds up another."""

    SECONDS = 0.15

    @contextmanager
    def opened(self) -> Iterator[threading.Condition]:
        if not self.hub.changed._is_owned():  # type: ignore[attr-defined] # a call within a call is none of its own
            time.sleep(self.seconds())
        with super().opened() as changed:
            yield changed

    def seconds(self) -> float:
        """Return how long the next call takes."""
        return self.SECONDS


class StallingHub(MemoryHub):
    """A store that can be made to stand still, and that gives everybody a fresh ttl when it goes on."""

    flowing = threading.Event()

    def go_on(self) -> None:
        """Answer again."""
        with self.changed:
            for table in self.members.values():
                self.make_up(table)
        self.flowing.set()

    def make_up(self, table: MemberTable) -> None:
        """Grant everybody a fresh ttl."""
        for entry in table._entries.values():
            entry.ends = self.now() + entry.ttl


class SoundStalling(SoundMemory):
    """Its calls raise for as long as the store stands still."""

    hub_type: type[StallingHub] = StallingHub
    hubs: ClassVar[dict[type, StallingHub]] = {}

    def __init__(self, params: RendezvousParameters) -> None:
        super().__init__(params, self.hubs.setdefault(self.hub_type, self.hub_type()))
        self.hub_type.flowing.set()

    @contextmanager
    def _members(self) -> Iterator[MemberTable]:
        if not self.hub_type.flowing.wait(1.0):
            raise RendezvousConnectionError(f"{self!r} does not answer")
        with super()._members() as table:
            yield table


@contextmanager
def stalling() -> Iterator[Place]:
    """The memory of this process, and how to let it stand still."""
    hubs = SoundStalling.hubs

    def go_on() -> None:
        for hub in hubs.values():
            hub.go_on()

    yield Place("mutants", {}, Helpers(pause=StallingHub.flowing.clear, resume=go_on))


def mutant(
    name: str,
    sentence: str,
    *breaks: str,
    message: str | tuple[str, ...],
    may_break: tuple[str, ...] = (),
    setting: Setting = in_memory,
    in_a_child: bool = False,
) -> Callable[[type[MemoryBackend]], Mutant]:
    """Turn a class into a mutant; clauses are given without their `RDZV-`."""

    def make(broken: type[MemoryBackend]) -> Mutant:
        factory = broken.from_params
        return Mutant(name, sentence, _full(breaks), message, factory, _full(may_break), setting, in_a_child)

    return make


def _full(clauses: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"RDZV-{number}" for number in clauses)
