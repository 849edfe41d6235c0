"""Build every distribution into dist/, check it as an index would, install it into an empty venv, and use it there.

`python -m release.dist [--out DIR]`; `make dist` runs it. Prints a table of the wheels. Publishes nothing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import zipfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from release.building import ReleaseError, build, install, run
from release.projects import ROOT

USES = (
    "rdzv backends",
    "rdzv run --backend tcp --endpoint 127.0.0.1:0 --run-id dist --nodes 1 -- true",
    "rdzv simulate --rounds 200 --jobs 1",
    "rdzv certify memory --endpoint dist",
)
"""What is run in the empty venv."""


def check(out: Path, wheels: list[Path]) -> None:
    """Check the metadata (README included) of all files and the contents of the wheels."""
    files = [str(file) for file in sorted(out.iterdir())]
    run("twine check", [sys.executable, "-m", "twine", "check", "--strict", *files])
    bin_directory = Path(sys.executable).parent
    run("check-wheel-contents", [str(bin_directory / "check-wheel-contents"), *map(str, wheels)])


def use(wheels: list[Path]) -> None:
    """Install the wheels into an empty venv and run the commands there."""
    with tempfile.TemporaryDirectory(prefix="rdzv-dist-") as home:
        install(Path(home), wheels)
        for line in USES:
            run(line, [f"{home}/bin/{word}" if word == "rdzv" else word for word in line.split()], Path(home))


def table(wheels: list[Path]) -> Table:
    """Return the wheels with their sizes and what they hold."""
    found = Table("wheel", "size", "modules", "data", box=None)
    found.columns[0].no_wrap = True
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if ".dist-info/" not in name]
        modules = [name for name in names if name.endswith(".py")]
        data = sorted(Path(name).name for name in names if not name.endswith(".py"))
        found.add_row(wheel.name, f"{wheel.stat().st_size / 1000:,.0f} kB", str(len(modules)), ", ".join(data))
    return found


def main() -> None:
    """Build, check, use, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="where the files go; emptied first")
    given = parser.parse_args()
    console = Console()
    try:
        wheels = build(given.out)
        check(given.out, wheels)
        use(wheels)
    except ReleaseError as error:
        raise SystemExit(str(error)) from error
    console.print(table(wheels))
    console.print("twine check and check-wheel-contents passed; in an empty venv these passed:", *USES, sep="\n  ")


if __name__ == "__main__":
    main()
