"""One watch for all waits of a process: a thread follows one stream of etcd's, and wakes whoever waits for a change."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from rdzv_core import RendezvousConnectionError
from rdzv_core.endpoint import HostPort
from rdzv_etcd._client import messages
from rdzv_etcd._client.feed import Feed
from rdzv_etcd._client.gateway import Gateway
from rdzv_etcd._client.scope import CancelScope
from rdzv_etcd._client.subscriptions import Span, Subscription, WaitEnd

CHECK_EVERY, CHECK_EVERY_ALONE = 1.0, 5.0
"""Seconds between two proofs that the watch is alive; the latter where there is no other endpoint to move to."""
CHECK_SECONDS = 5.0
"""How long the read of such a proof may take."""
LINGER_SECONDS = 10.0
"""How long a range is watched on after the last wait for it."""
_JOIN_SECONDS = 0.5
STREAM_SECONDS = 600.0
"""How long one stream is followed; the next one goes on from where it stood."""


class _IsOutdatedError(Exception):
    """The stream has missed a change, or stands at an endpoint that is no longer preferred."""


class _IsToReopenError(Exception):
    """The stream is to be opened again, with other ranges."""


class SharedWatch:
    """Waits for changes of keys over one stream, which is open while somebody waits and for 10 s more. Thread-safe.

    A range is watched from the first wait for it on: the stream is opened again with one range more, from where it
    stood. A silent stream proves nothing, so about once a second (with one endpoint: every 5 s) the extent of a range,
    the next in turn, is read and compared with what was delivered; a stream that has missed a change is replaced.
    Whenever a stream is lost, each wait ends, and its caller reads again: a store that was wiped meanwhile counts its
    revisions from 1, so a stream that went on from the last revision would miss what came before that.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._lock = threading.Lock()
        self._feeds: dict[Span, Feed] = {}
        self._thread: threading.Thread | None = None
        self._calls: set[CancelScope] = set()
        self._stream: CancelScope | None = None
        self._grown = False
        self._closed = False
        self._checks = 0

    def wait(self, subscription: Subscription, within: Span | None = None) -> WaitEnd:
        """Wait for a change until the subscription's deadline.

        `WOKEN` may also come without a change: whoever called must read, and may wait again. `within` is the range to
        watch, if others wait in it as well. Raises `RendezvousConnectionError` when the watch is lost or refused, and
        when the subscription is cancelled.
        """
        feed = self._subscribe(within or subscription.span, subscription)
        try:
            woken = subscription.wait()
        finally:
            with self._lock:
                feed.remove(subscription)
                proven = feed.is_proven_for(subscription)
            subscription.pass_on()
        if subscription.cancelled:
            raise self._gateway.closed()
        if subscription.error is not None:
            raise type(subscription.error)(*subscription.error.args) from subscription.error.__cause__
        if woken:
            return WaitEnd.WOKEN
        return WaitEnd.UNCHANGED if proven else WaitEnd.SILENT

    def rest(self) -> None:
        """End the stream if nobody waits."""
        with self._lock:
            thread = self._thread
            if thread is None or any(feed.subscriptions for feed in self._feeds.values()):
                return
            self._feeds = {}
            for call in self._calls:  # the stream, or a read
                call.cancel()
        if thread is not threading.current_thread():
            thread.join(_JOIN_SECONDS)

    def close(self) -> None:
        """End the stream and every wait."""
        with self._lock:
            self._closed = True
            thread = self._thread
            for call in self._calls:
                call.cancel()
        if thread is not None and thread is not threading.current_thread():
            thread.join(_JOIN_SECONDS)

    def _subscribe(self, watched: Span, subscription: Subscription) -> Feed:
        with self._lock:
            if self._closed:
                raise self._gateway.closed()
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="rdzv-etcd-watch", daemon=True)
                try:
                    thread.start()  # it waits for the lock
                except RuntimeError as error:
                    raise self._gateway.error(f"cannot wait for a change: {error}") from error
                self._thread = thread
            feed = self._feeds.get(watched)
            if feed is None:
                feed = self._feeds[watched] = Feed(watched)
                self._grown = True
                if self._stream is not None:
                    self._stream.cancel()
            feed.add(subscription)
            return feed

    def _run(self) -> None:
        while self._goes_on():
            try:
                self._follow()
            except _IsOutdatedError:
                self._end(None)
            except RendezvousConnectionError as error:
                self._end(error)
            except Exception as error:  # noqa: BLE001 - whatever it is, whoever waits must hear of it
                failure = self._gateway.error(f"the watch failed: {error!r}")
                failure.__cause__ = error
                self._end(failure)

    def _goes_on(self) -> bool:
        """Drop what nobody waits for any more; False, and the thread ends, if nothing is left."""
        with self._lock:
            if not self._closed:
                self._feeds = {span: feed for span, feed in self._feeds.items() if not feed.is_idle(LINGER_SECONDS)}
                if self._feeds:
                    return True
            for feed in self._feeds.values():
                feed.end(self._gateway.closed())
            self._feeds, self._thread = {}, None
            return False

    def _end(self, failure: Exception | None) -> None:
        """Wake everybody. Nothing is watched until somebody waits again."""
        with self._lock:
            for feed in self._feeds.values():
                feed.end(failure)
            self._feeds = {}

    def _follow(self) -> None:
        """Follow one stream; returns when the next one may go on from where it stood."""
        with self._lock:
            feeds, self._grown = list(self._feeds.values()), False
        if not feeds:
            return  # `rest` came just now
        self._read(feeds, self._begin)
        endpoint = self._gateway.endpoints.preferred
        every = (CHECK_EVERY_ALONE if self._gateway.endpoints.alone else CHECK_EVERY) * random.uniform(0.8, 1.2)
        with self._call(STREAM_SECONDS) as scope:
            with self._lock:
                if self._grown:
                    return
                self._stream = scope
                for feed in feeds:
                    feed.stands = False
            scope.on_silence(every, lambda: self._check(feeds, endpoint))
            try:
                self._take_all(scope, endpoint, feeds, every)
            except _IsToReopenError:
                pass
            except RendezvousConnectionError:
                if not scope.cancelled or self._closed:
                    raise
            finally:
                with self._lock:
                    self._stream = None

    def _take_all(self, scope: CancelScope, endpoint: HostPort, feeds: list[Feed], every: float) -> None:
        requests = [
            messages.watch_request(number, feed.span.key, feed.delivered + 1, feed.span.end)
            for number, feed in enumerate(feeds, 1)
        ]
        checked = time.monotonic()
        with contextlib.closing(self._gateway.stream(scope, endpoint, "/v3/watch", requests)) as answers:
            for answer in answers:
                self._take(answer, feeds)
                if time.monotonic() - checked > 2 * every:  # it may never be silent
                    checked = time.monotonic()
                    self._check(feeds, endpoint)

    def _take(self, answer: dict[str, Any], feeds: list[Feed]) -> None:
        result = answer.get("result")
        if not isinstance(result, dict):
            raise self._gateway.error(f"the watch failed: {answer.get('error', answer)}")
        if result.get("canceled"):
            if "compact_revision" in result:
                raise _IsOutdatedError
            self._gateway.session.forget()  # a stale login is the usual reason, and not always named
            raise self._gateway.error(f"the watch was refused: {result.get('cancel_reason', 'no reason given')}")
        feed = feeds[int(result["watch_id"]) - 1]
        with self._lock:
            if result.get("created"):
                feed.stand()
            feed.deliver(result.get("events", []))

    def _check(self, feeds: list[Feed], endpoint: HostPort) -> None:
        """Prove that the stream is alive; raises `_IsOutdatedError`, or `_IsToReopenError` if a range has no waits."""
        self._checks += 1
        self._read([feeds[self._checks % len(feeds)]], self._prove)
        with self._lock:
            idle = any(feed.is_idle(LINGER_SECONDS) for feed in feeds)
            unconfirmed = not all(feed.stands for feed in feeds)
        if unconfirmed:
            raise _IsOutdatedError
        if self._gateway.endpoints.preferred != endpoint:
            raise _IsOutdatedError
        if idle:
            raise _IsToReopenError

    def _begin(self, feed: Feed, extent: messages.Extent, revision: int, _: float) -> None:
        if not feed.begun:
            feed.begin(extent, revision)
        elif revision < feed.delivered:
            raise _IsOutdatedError

    def _prove(self, feed: Feed, extent: messages.Extent, revision: int, began: float) -> None:
        if not feed.prove(extent, revision, began):
            raise _IsOutdatedError

    def _read(self, feeds: list[Feed], use: Callable[[Feed, messages.Extent, int, float], None]) -> None:
        """Read the extent of each range, and the store's revision then; linearizable."""
        for feed in feeds:
            began = time.monotonic()
            read = messages.extent_request(feed.span.key, feed.span.end)
            with self._call(CHECK_SECONDS) as scope:
                answer = self._gateway.post(scope, "/v3/kv/range", read, repeatable=True, urgent=True)
            with self._lock:
                use(feed, messages.read_extent(answer), messages.read_revision(answer), began)

    @contextlib.contextmanager
    def _call(self, seconds: float) -> Iterator[CancelScope]:
        scope = CancelScope(time.monotonic() + seconds)
        with self._lock:
            if self._closed:
                raise self._gateway.closed()
            self._calls.add(scope)
        try:
            with scope:
                yield scope
        finally:
            with self._lock:
                self._calls.discard(scope)
