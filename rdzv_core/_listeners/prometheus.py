"""What a node has lived through as Prometheus metrics, served over HTTP. Needs the package prometheus-client."""

from __future__ import annotations

import logging

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from rdzv_core.endpoint import HostPort, parse_endpoint
from rdzv_core.events import (
    Changed,
    CommandEnded,
    CommandStarted,
    Departed,
    Event,
    Joined,
    JoiningFailed,
    StoreBack,
    StoreFailing,
)
from rdzv_core.hooks import hookimpl

DEFAULT_PORT = 29464

log = logging.getLogger("rdzv")

_LABELS = ("run_id", "node_id")
_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class PrometheusListener:
    """Serves `/metrics` at an address until it is closed; port 0 takes a free one, see `where`.

    Raises `ValueError` for an address that is malformed or cannot be bound.
    """

    def __init__(self, address: str) -> None:
        host, port = parse_endpoint(address, DEFAULT_PORT)
        self._registry = CollectorRegistry()
        self._metrics = _Metrics(self._registry)
        try:
            self._server, self._thread = start_http_server(port, host, self._registry)
        except OSError as error:
            raise ValueError(
                f"metrics cannot be served at {address!r}: {error.strerror or error}; give an address of this machine "
                "and a port that is free, or port 0"
            ) from error
        self.where = HostPort(host, int(self._server.server_port))
        """The address that is served."""
        log.info("metrics at http://%s/metrics", self.where)

    def __repr__(self) -> str:
        return f"<PrometheusListener at {self.where}>"

    @hookimpl
    def rdzv_event(self, event: Event) -> None:
        """Take note of an event."""
        self._metrics.note(event)

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Metrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"rdzv_{name}", text, _LABELS, registry=registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"rdzv_{name}", text, (*_LABELS, *labels), registry=registry)

        self._in_round = gauge("in_round", "1 while this node is in a round, else 0")
        self._round = gauge("round", "the number of the last round that this node was in")
        self._rank = gauge("rank", "this node's rank in that round")
        self._size = gauge("world_size", "how many nodes that round had")
        self._store_up = gauge("store_up", "0 while calls on the store fail, else 1")
        self._rounds = counter("rounds", "rounds that this node was in")
        self._failed = counter("rendezvous_failures", "times that no round formed for this node")
        self._changes = counter("round_changes", "why this node's rounds ended", "reason")
        self._store_failures = counter("store_failures", "times that calls on the store began to fail")
        self._starts = counter("command_starts", "times that the command was started")
        self._command_failures = counter("command_failures", "times that the command failed by itself")
        self._seconds = Histogram(
            "rdzv_rendezvous_seconds", "from asking to being in a round", _LABELS, registry=registry, buckets=_SECONDS
        )

    def note(self, event: Event) -> None:
        where = (event.run_id, event.node_id)
        match event:
            case Joined():
                self._joined(event)
            case JoiningFailed():
                self._failed.labels(*where).inc()
            case Changed():
                self._changes.labels(*where, event.reason).inc()
                self._in_round.labels(*where).set(0)
            case StoreFailing():
                self._store_failures.labels(*where).inc()
                self._store_up.labels(*where).set(0)
            case StoreBack():
                self._store_up.labels(*where).set(1)
            case CommandStarted():
                self._starts.labels(*where).inc()
            case CommandEnded() if event.status > 0:
                self._command_failures.labels(*where).inc()
            case Departed():
                self._in_round.labels(*where).set(0)

    def _joined(self, event: Joined) -> None:
        where = (event.run_id, event.node_id)
        self._rounds.labels(*where).inc()
        self._seconds.labels(*where).observe(event.phases.total)
        self._store_up.labels(*where).set(1)
        self._in_round.labels(*where).set(1)
        self._round.labels(*where).set(event.round)
        self._rank.labels(*where).set(event.rank)
        self._size.labels(*where).set(event.world_size)
