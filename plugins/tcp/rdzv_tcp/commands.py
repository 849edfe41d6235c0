"""The command `rdzv serve`. The only module here that needs click, which comes with `rdzv-core[cli]`."""

from __future__ import annotations

import asyncio
import signal

import click

from rdzv_tcp._endpoint import read_endpoint
from rdzv_tcp._server import TcpServer


@click.command()
@click.option(
    "--endpoint",
    default="localhost",
    show_default=True,
    metavar="HOST[:PORT]",
    help="Where to listen; the port is 29400 if not given, 0 takes a free one.",
)
def serve(endpoint: str) -> None:
    """Serve a tcp store that outlives the nodes, until SIGTERM or Ctrl-C.

    Prints the address to give to the nodes on one line. What it holds is kept in memory and gone when it ends.
    """
    try:
        server = TcpServer(read_endpoint(endpoint))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise click.ClickException(
            f"can not serve at {endpoint!r}: {error.strerror or error}; give an address of this machine and a port "
            "that is free, or port 0"
        ) from error
    with server:
        asyncio.run(server.run(lambda stopping: _announce(server, stopping)))


def _announce(server: TcpServer, stopping: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    open_to_all = [str(address) for address in server.addresses if not address.is_loopback()]
    if open_to_all:
        click.echo(
            f"warning: whoever reaches {', '.join(open_to_all)} can read and change every run: "
            "there is no authentication; listen on a network that you trust",
            err=True,
        )
    click.echo(str(server.endpoint))
