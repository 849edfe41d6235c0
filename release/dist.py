"""Build every distribution into dist/, check it as an index would, install it into an empty venv, and use it there.

`python -m release.dist [--out DIR]`; `make dist` runs it. Prints a table of the wheels. Publishes nothing.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.table import Table

from release.projects import PROJECTS, ROOT, version

USES = (
    "rdzv backends",
    "rdzv run --backend tcp --endpoint 127.0.0.1:0 --run-id dist --nodes 1 -- true",
    "rdzv simulate --rounds 200 --jobs 1",
    "rdzv certify memory --endpoint dist",
)
"""What is run in the empty venv."""


class ReleaseError(Exception):
    """A step failed; the message says which, and holds what it printed."""


def run(what: str, command: list[str], cwd: Path = ROOT) -> str:
    """Run a command and return its output. Raises `ReleaseError` with the output if it fails."""
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise ReleaseError(f"{what} failed with status {done.returncode}:\n{done.stdout}")
    return done.stdout


def build(out: Path) -> list[Path]:
    """Build sdist and wheel of every distribution, the wheel from the sdist; return the wheels."""
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out)]
    with ThreadPoolExecutor(max_workers=2) as pool:
        for _ in pool.map(lambda name: run(f"building {name}", [*command, str(PROJECTS[name])]), PROJECTS):
            pass
    wheels = sorted(out.glob("*.whl"))
    expected = {f"{name.replace('-', '_')}-{version()}" for name in PROJECTS}
    if expected != {wheel.name.partition("-py3")[0] for wheel in wheels}:
        raise ReleaseError(f"expected wheels of {sorted(expected)}, built {[wheel.name for wheel in wheels]}")
    return wheels


def check(out: Path, wheels: list[Path]) -> None:
    """Check the metadata (README included) of all files and the contents of the wheels."""
    files = [str(file) for file in sorted(out.iterdir())]
    run("twine check", [sys.executable, "-m", "twine", "check", "--strict", *files])
    bin_directory = Path(sys.executable).parent
    run("check-wheel-contents", [str(bin_directory / "check-wheel-contents"), *map(str, wheels)])


def use(out: Path, wheels: list[Path]) -> None:
    """Install the wheels into an empty venv and run the commands there."""
    with tempfile.TemporaryDirectory(prefix="rdzv-dist-") as home:
        run("making a venv", [sys.executable, "-m", "venv", home])
        # By file: nothing of an earlier release that is on the index may stand in for what was built.
        names = [f"{wheel}[cli]" if wheel.name.startswith("rdzv_core") else str(wheel) for wheel in wheels]
        pip = [f"{home}/bin/python", "-m", "pip", "install", "--disable-pip-version-check", "-q"]
        run("installing the wheels", [*pip, "--find-links", str(out), *names])
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
        use(given.out, wheels)
    except ReleaseError as error:
        raise SystemExit(str(error)) from error
    console.print(table(wheels))
    console.print("twine check and check-wheel-contents passed; in an empty venv these passed:", *USES, sep="\n  ")


if __name__ == "__main__":
    main()
