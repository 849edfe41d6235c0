"""A change of the members, done on the caller's thread or in a lane."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from rdzv_core.abc import OnDone
from rdzv_file._lane import Lane
from rdzv_file._log.writer import OpenLog
from rdzv_file._members.book import MemberBook
from rdzv_file._members.roll import Roll
from rdzv_file._turns import Patience

T = TypeVar("T")
R = TypeVar("R")

Change: TypeAlias = Callable[[OpenLog[Roll]], T]
Access: TypeAlias = Callable[[], "AbstractContextManager[MemberBook | None]"]


@dataclass(frozen=True, eq=False)
class Writing(Generic[T, R]):
    """What to do with the roll: `begin` returns it, or None where there is nothing to do; `read` makes the result.

    `access` is the book, and maps the errors of what is done with it. `read` gets None where nothing was done.
    """

    access: Access
    patience: Patience
    begin: Callable[[MemberBook | None], Change[T] | None]
    read: Callable[[T | None], R]

    def block(self) -> R:
        """Do it on this thread."""
        with self.access() as book:
            change = self.begin(book)
            if change is None or book is None:
                return self.read(None)
            return self.read(book.writer.do(change, self.patience))

    def submit(self, lane: Lane, done: OnDone) -> None:
        """Begin on this thread, which is the lane's, and have it done there with what others submit."""
        with self.access() as book:
            change = self.begin(book)
            if change is not None and book is not None:
                book.writer.submit(change, self.patience, lane, lambda result, error: self._tell(result, error, done))
                return
        self._tell(None, None, done)

    def _tell(self, result: T | None, error: Exception | None, done: OnDone) -> None:
        try:
            with self.access():
                if error is not None:
                    raise error  # noqa: TRY301 - to be mapped
                answer = self.read(result)
        except Exception as failed:  # noqa: BLE001 - it is handed on
            done(None, failed)
        else:
            done(answer, None)
