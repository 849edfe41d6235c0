"""The command `rdzv serve`. The only module here that needs click, which comes with `rdzv-core[cli]`."""

from __future__ import annotations

import asyncio
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import click

from rdzv_core import RendezvousError
from rdzv_core.options import read_secret_file
from rdzv_tcp._net.endpoint import read_endpoint
from rdzv_tcp._net.security import read_secret, serving_tls
from rdzv_tcp._net.settings import Settings
from rdzv_tcp._server.server import TcpServer


@click.command()
@click.option(
    "--endpoint",
    default="localhost",
    show_default=True,
    metavar="HOST[:PORT]",
    help="Where to listen; the port is 29400 if not given, 0 takes a free one.",
)
@click.option("--data-dir", metavar="DIR", help="Keep registers in this directory, so that they outlive this process.")
@click.option(
    "--fsync/--no-fsync",
    default=True,
    show_default=True,
    help="With --data-dir: answer a write only when it is on disk; without it a power cut can lose the last writes.",
)
@click.option("--auth-token-file", metavar="FILE", help="A file with the secret that clients must know.")
@click.option("--tls-cert", metavar="FILE", help="Speak TLS, with this certificate (PEM).")
@click.option("--tls-key", metavar="FILE", help="The key of that certificate (PEM), if it is not in the same file.")
@click.option("--tls-ca", metavar="FILE", help="Accept only clients with a certificate of these authorities (PEM).")
@click.option("--max-connections", type=click.IntRange(min=1), help="Maximum number of clients served at once.")
@click.option(
    "--metrics",
    metavar="HOST[:PORT]",
    help="Serve Prometheus metrics of the server at this address, as /metrics; the port is 29401 if not given.",
)
def serve(
    endpoint: str,
    data_dir: str | None,
    fsync: bool,
    auth_token_file: str | None,
    tls_cert: str | None,
    tls_key: str | None,
    tls_ca: str | None,
    max_connections: int | None,
    metrics: str | None,
) -> None:
    """Serve a tcp store that outlives the nodes, until SIGTERM, SIGHUP or Ctrl-C.

    Prints the address to give to the nodes on one line. Without --data-dir the contents are lost when it ends.
    """
    server = open_server(endpoint, data_dir, fsync, auth_token_file, tls_cert, tls_key, tls_ca, max_connections)
    with server, _metrics(server, metrics):
        serve_until_stopped(server)


def open_server(
    endpoint: str,
    data_dir: str | None,
    fsync: bool,
    auth_token_file: str | None,
    tls_cert: str | None,
    tls_key: str | None,
    tls_ca: str | None,
    max_connections: int | None,
) -> TcpServer:
    """Return the server that these options of `rdzv serve` describe, bound. Raises `click.ClickException`."""
    _allow_many_connections()
    try:
        token = None if auth_token_file is None else read_secret_file("auth_token_file", auth_token_file)
        secret, tls = read_secret(token), serving_tls(tls_cert, tls_key, tls_ca)
        return TcpServer(read_endpoint(endpoint), Settings(secret, tls, data_dir, fsync, max_connections))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise click.ClickException(
            f"cannot serve at {endpoint!r}: {error.strerror or error}; give an address of this machine and a port "
            "that is free, or port 0"
            if data_dir is None
            else f"cannot serve at {endpoint!r} with the data directory {data_dir!r}: {error.strerror or error}"
        ) from error
    except RendezvousError as error:
        raise click.ClickException(f"cannot serve at {endpoint!r}: {error}") from error


@contextmanager
def _metrics(server: TcpServer, address: str | None) -> Iterator[None]:
    """Serve metrics where that is wanted. Raises `click.ClickException`."""
    if address is None:
        yield
        return
    try:
        from rdzv_tcp._server.metrics import serving_metrics
    except ImportError as error:
        raise click.ClickException(
            "--metrics needs prometheus-client, which cannot be imported: run `pip install 'rdzv-tcp[metrics]'`"
        ) from error
    with ExitStack() as stack:
        try:
            where = stack.enter_context(serving_metrics(server, address))
        except ValueError as error:
            raise click.UsageError(f"--metrics: {error}") from error
        except OSError as error:
            raise click.ClickException(
                f"cannot serve metrics at {address!r}: {error.strerror or error}; give an address of this machine and "
                "a port that is free, or port 0"
            ) from error
        click.echo(f"rdzv: metrics at http://{where}/metrics", err=True)
        yield


def serve_until_stopped(server: TcpServer, on_serving: Callable[[], object] = lambda: None) -> None:
    """Serve until SIGTERM, SIGHUP or Ctrl-C; `on_serving` is called in the loop before the endpoint is announced."""
    ended_by: list[signal.Signals] = []
    kept: list[object] = []

    def begin(stopping: asyncio.Event) -> None:
        kept.append(on_serving())
        _announce(server, stopping, ended_by)

    with server:
        asyncio.run(server.run(begin))
    click.echo(f"rdzv: got {ended_by[0].name}: stopped serving at {server.endpoint}", err=True)


def _allow_many_connections() -> None:
    """Use all the descriptors that the system lets this process have, as each connection takes one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):  # macOS calls the hard limit infinite and then refuses it
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _announce(server: TcpServer, stopping: asyncio.Event, ended_by: list[signal.Signals]) -> None:
    def stop(number: signal.Signals) -> None:
        ended_by.append(number)
        stopping.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # under nohup, say
            loop.add_signal_handler(number, stop, number)
    if exposed := server.exposure():
        click.echo(f"warning: {exposed}", err=True)
    click.echo(str(server.endpoint))
