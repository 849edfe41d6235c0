"""Processes of the suite talk in lines: following what one writes, and answering from within one."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from typing import IO, Any, Protocol


class Say(Protocol):
    """Sends one answer to the process that asked: a line of JSON with its kind."""

    def __call__(self, kind: str, **fields: Any) -> None: ...


def answer_on_stdout() -> Say:
    """Keep stdout for the answers alone: whatever a backend prints goes to stderr from now on."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(kind: str, **fields: Any) -> None:
        answers.write(json.dumps({"kind": kind, **fields}) + "\n")
        answers.flush()

    return say


def follow(
    stream: IO[str] | None, take: Callable[[str], object], end: Callable[[], object], name: str
) -> threading.Thread:
    """Hand every line of a stream to `take` on a thread called `name`, and call `end` at its end."""

    def read() -> None:
        assert stream is not None
        with stream:  # closed by its reader: any other thread would wait for the reader
            for line in stream:
                take(line)
        end()

    thread = threading.Thread(target=read, name=name, daemon=True)
    thread.start()
    return thread
