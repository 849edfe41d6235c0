"""A server's health as Prometheus metrics, served over HTTP. Needs the package prometheus-client."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rdzv_core.endpoint import HostPort, parse_endpoint
from rdzv_tcp._server.server import TcpServer

DEFAULT_PORT = 29401


class ServerMetrics(Collector):
    """Asks a server when it is asked itself; tells nothing but `rdzv_tcp_up 0` while the server does not answer."""

    def __init__(self, server: TcpServer) -> None:
        self._server = server

    def collect(self) -> Iterable[Metric]:
        """Return the metrics. Thread-safe; not to be called on the server's loop."""
        report = self._server.health()
        yield GaugeMetricFamily("rdzv_tcp_up", "1 if the server answers, else 0", report is not None)
        if report is None:
            return
        yield GaugeMetricFamily("rdzv_tcp_uptime_seconds", "since when the server has run", report.uptime)
        yield GaugeMetricFamily("rdzv_tcp_connections", "clients that are connected", report.connections)
        yield GaugeMetricFamily("rdzv_tcp_registers", "registers that hold a state", report.registers)
        yield GaugeMetricFamily("rdzv_tcp_runs", "runs that have members", report.runs)
        yield GaugeMetricFamily("rdzv_tcp_members", "members of all runs", report.members)
        yield GaugeMetricFamily("rdzv_tcp_durable", "1 if it keeps on disk what it acknowledged", report.durable)
        yield GaugeMetricFamily("rdzv_tcp_guarded", "1 if clients must authenticate", report.guarded)


@contextmanager
def serving_metrics(server: TcpServer, address: str) -> Iterator[HostPort]:
    """Serve `/metrics` at an address, beside the server; port 0 takes a free one.

    Raises `ValueError` if the address is malformed, `OSError` if it cannot be bound.
    """
    host, port = parse_endpoint(address, DEFAULT_PORT)
    registry = CollectorRegistry()
    registry.register(ServerMetrics(server))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    web, thread = start_http_server(port, host, registry)
    try:
        yield HostPort(host, int(web.server_port))
    finally:
        web.shutdown()
        web.server_close()
        thread.join()
