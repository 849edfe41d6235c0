"""The command: checks the name and the place, and says what to do next."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click

from rdzv_core._backend_names import KNOWN_DISTRIBUTIONS, normalize
from rdzv_core._cli.new_backend.package import Package
from rdzv_core.compat import ALIASES
from rdzv_core.registry import default_registry

_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
LONGEST_NAME = 40
_OWN = ("core", "conformance", "simulation", "torchrun")
"""What comes after `rdzv-` in the names of rdzv's distributions that are no backends."""


@click.command("new-backend")
@click.argument("name")
@click.option(
    "--directory",
    type=click.Path(path_type=Path),
    help="Where to write it, a directory that does not exist yet (default: rdzv-NAME, in this directory).",
)
def new_backend(name: str, directory: Path | None) -> None:
    """Write the package of a new backend called NAME: it installs, is found, and its tests certify it.

    It keeps its registers in files, so that all of it works from the start. Replace the three methods that read, write
    and delete a file by those of your store, and run its tests again.
    """
    package = Package(_checked(name))
    place = directory or Path(package.distribution)
    if place.exists() or place.is_symlink():
        raise click.UsageError(f"{place} exists already: nothing was written; give another --directory, or remove it")
    try:
        package.write(place)
    except OSError as error:
        reason = error.strerror or str(error)
        raise click.UsageError(f"{place} cannot be written: {reason}; give another --directory") from error
    there = shlex.quote(str(place))
    click.echo(
        f"wrote {package.distribution} to {place}: {', '.join(package.files)}\n"
        f"\n"
        f"pip install rdzv-conformance pytest -e {there}\n"
        f"rdzv backends {package.name}\n"
        f"pytest {there}\n"
        f"\n"
        f"then replace read, write_if and delete_if in {place / package.module / '__init__.py'}"
    )


def _checked(name: str) -> str:
    """Return the name if a backend can have it and no other has; `click.UsageError` if not."""
    bare = name.removeprefix("rdzv-").removeprefix("rdzv_")
    if bare != name:
        raise click.UsageError(f"leave out 'rdzv-' of {name!r}: the distribution gets it by itself; give {bare!r}")
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise click.UsageError(
            f"{name!r} is not a name for a backend: use lower-case letters and digits, a letter first, with single - "
            f"or _ between them, {LONGEST_NAME} characters at most"
        )
    wanted = normalize(name)
    if wanted in ALIASES or wanted in KNOWN_DISTRIBUTIONS or wanted in _OWN:
        raise click.UsageError(f"the name {name!r} is one of rdzv's own: choose another one")
    for info in default_registry().list():
        if info.name == wanted:
            raise click.UsageError(
                f"the name {name!r} is that of an installed backend, of {info.distribution}: choose another one"
            )
    return name
