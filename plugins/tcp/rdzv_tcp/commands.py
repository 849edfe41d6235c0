"""The command `rdzv serve`. The only module here that needs click, which comes with `rdzv-core[cli]`."""

from __future__ import annotations

import asyncio
import resource
import signal
from collections.abc import Callable

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
def serve(
    endpoint: str,
    data_dir: str | None,
    fsync: bool,
    auth_token_file: str | None,
    tls_cert: str | None,
    tls_key: str | None,
    tls_ca: str | None,
    max_connections: int | None,
) -> None:
    """Serve a tcp store that outlives the nodes, until SIGTERM, SIGHUP or Ctrl-C.

    Prints the address to give to the nodes on one line. Without --data-dir the contents are lost when it ends.
    """
    server = open_server(endpoint, data_dir, fsync, auth_token_file, tls_cert, tls_key, tls_ca, max_connections)
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
