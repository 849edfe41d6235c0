"""Looks whenever there is news, and shows it: drawn on a terminal, as lines in a pipe, as JSON for machines."""

from __future__ import annotations

import dataclasses
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

import click

from rdzv_core._cli.watch.watched_run import WatchedRun
from rdzv_core._cli.watch.words import place
from rdzv_core._create import create_backend
from rdzv_core._errors import RendezvousConnectionError, RendezvousError
from rdzv_core._parameters import RendezvousParameters
from rdzv_core.inspection import Inspector, RunStatus

_AT_LEAST_EVERY = 2.0
_AT_MOST_EVERY = 0.1
_DUMB = ("", "dumb", "unknown")
_TICK = 0.25
_WAIT = 5.0


def watch_run(params: RendezvousParameters, as_json: bool) -> int:
    """Show a run until it is closed or Ctrl-C; return the exit status. Raises if the first look does."""
    backend = create_backend(params.for_observer())
    try:
        inspector = Inspector(backend)
        first = inspector.look()
        show = _json if as_json else _live if _can_draw() else _lines
        with _news(inspector) as news:
            show(_looks(inspector, first, news), f"run {params.run_id!r} on {place(params.backend, params.endpoint)}")
    except KeyboardInterrupt:
        pass  # the way to end it
    finally:
        backend.close()
    return 0


def _can_draw() -> bool:
    """Return whether stdout is a terminal that can be drawn on: rich prints nothing live on one that cannot."""
    return sys.stdout.isatty() and os.environ.get("TERM", "").lower() not in _DUMB


Look = RunStatus | RendezvousError | None
"""A look at the run, its error if it failed, None where only time has passed."""


def _looks(inspector: Inspector, first: RunStatus, news: threading.Event) -> Iterator[Look]:
    """Look whenever there is news, in a thread of its own: a store that does not answer does not stop the display."""
    found: queue.SimpleQueue[RunStatus | RendezvousError] = queue.SimpleQueue()
    wanted = threading.Semaphore(0)

    def look() -> None:
        while True:
            wanted.acquire()
            looked = time.monotonic()
            try:
                found.put(inspector.look())
            except RendezvousError as error:
                found.put(error)
            time.sleep(max(0.0, looked + _AT_MOST_EVERY - time.monotonic()))

    threading.Thread(target=look, name="rdzv look", daemon=True).start()
    latest: RunStatus | RendezvousError = first
    while True:
        yield latest
        if isinstance(latest, RunStatus) and latest.closed:
            return
        looked = time.monotonic()
        while not news.wait(_TICK) and time.monotonic() < looked + _AT_LEAST_EVERY:
            yield None
        news.clear()
        wanted.release()
        latest = yield from _next(found)


def _next(found: queue.SimpleQueue[RunStatus | RendezvousError]) -> Generator[Look, None, RunStatus | RendezvousError]:
    while True:
        try:
            return found.get(timeout=_TICK)
        except queue.Empty:
            yield None


@contextmanager
def _news(inspector: Inspector) -> Iterator[threading.Event]:
    """Have an event set when the register or the memberships change; its threads end when the backend is closed."""
    news, over = threading.Event(), threading.Event()

    def listen(wait: Callable[[float], bool]) -> None:
        while not over.is_set():
            try:
                if wait(_WAIT):
                    news.set()
                # What was waited for is taken in by the next look: until then a wait would end at once.
                over.wait(_AT_MOST_EVERY)
            except RendezvousConnectionError:
                over.wait(1.0)
            except RendezvousError:
                news.set()
                over.wait(1.0)

    threads = [
        threading.Thread(target=listen, args=(wait,), name="rdzv watch", daemon=True)
        for wait in (inspector.wait_for_head, inspector.wait_for_members)
    ]
    for thread in threads:
        thread.start()
    try:
        yield news
    finally:
        over.set()
        inspector.release()


def _live(looks: Iterator[Look], what: str) -> None:
    from rich.live import Live

    from rdzv_core._cli.watch.live import Picture

    history = WatchedRun()
    with Live(auto_refresh=False) as live:
        for look in looks:
            _take_in(history, look)
            assert history.frame is not None
            live.update(Picture(history.frame, what), refresh=True)


def _lines(looks: Iterator[Look], what: str) -> None:
    history = WatchedRun()
    click.echo(f"watching {what}")
    for look in looks:
        for line in _take_in(history, look):
            click.echo(f"{time.strftime('%H:%M:%S')} {line}")


def _json(looks: Iterator[Look], _what: str) -> None:
    before: RunStatus | None = None
    for look in looks:
        if isinstance(look, RunStatus) and (before is None or _without_store(before) != _without_store(look)):
            before = look
            click.echo(json.dumps(dataclasses.asdict(look), separators=(",", ":")))


def _without_store(status: RunStatus) -> RunStatus:
    """Leave out the store's health, which is different in every look."""
    return dataclasses.replace(status, store={})


def _take_in(history: WatchedRun, look: Look) -> list[str]:
    now = time.monotonic()
    if isinstance(look, RunStatus):
        return history.see(look, now)
    if look is not None:
        return history.trouble(str(look), now)
    return history.tick(now)
