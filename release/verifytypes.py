"""Hold the types of the built wheels against what a user's type checker sees: all must be stated, none inferred.

`python -m release.verifytypes`; `make verifytypes` runs it. pyright, with a Node.js of its own, is installed into an
empty venv that is deleted afterwards. The base class of rdzv-torchrun is torch's: it is checked where PEER_PYTHON names
a Python that has torch, and the table says so where it is not.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from release.building import ReleaseError, build, install
from release.projects import PROJECTS

PYRIGHT = "pyright[nodejs]>=1.1.390"
PEER = "PEER_PYTHON"
NEEDS_TORCH = ("rdzv-torchrun",)
_SHOWN = 40
_FOLLOWS = "partially unknown"


def purelib(python: str) -> str:
    """Return the directory in which a Python has its packages."""
    command = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def completeness(home: Path, package: str) -> dict[str, Any]:
    """Return what pyright says of a package that is installed in the venv `home`."""
    # pyright finds the packages by the `python` that is first on PATH.
    found = {
        **os.environ,
        "PATH": f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1",
    }
    command = [str(home / "bin" / "pyright"), "--ignoreexternal", "--verifytypes", package, "--outputjson"]
    done = subprocess.run(command, cwd=home, env=found, capture_output=True, text=True, check=False)
    try:
        told: dict[str, Any] = json.loads(done.stdout)["typeCompleteness"]
    except (ValueError, KeyError) as error:
        raise ReleaseError(f"pyright --verifytypes {package} failed:\n{done.stdout}\n{done.stderr}") from error
    return told


def unknown(told: dict[str, Any]) -> list[str]:
    """Return a line for each symbol, exported or reached through one, whose type is not stated.

    What is unknown only because something else is, is left out as long as there are others.
    """
    if not told["symbols"]:
        return ["nothing was found: the package is not installed, or has no py.typed"]
    found = [
        (symbol["name"], " ".join(each["message"].split()))
        for symbol in told["symbols"]
        if not symbol["isTypeKnown"]
        for each in symbol["diagnostics"] or [{"message": _FOLLOWS}]
    ]
    causes = [(name, message) for name, message in found if _FOLLOWS not in message]
    return [f"{name}: {message}" for name, message in causes or found]


def verify(wheels: list[Path]) -> Table:
    """Return a table of the packages. Raises `ReleaseError` if a type is not stated: it names up to 40 of them."""
    table = Table("package", "symbols", "types known", box=None)
    missing: list[str] = []
    with tempfile.TemporaryDirectory(prefix="rdzv-types-") as name:
        home, peer = Path(name), os.environ.get(PEER)
        install(home, wheels, PYRIGHT, extras="cli,metrics,otel")
        if peer:
            Path(purelib(str(home / "bin" / "python")), "lent.pth").write_text(purelib(peer))
        for distribution in PROJECTS:
            package = distribution.replace("-", "_")
            if distribution in NEEDS_TORCH and not peer:
                table.add_row(package, "-", f"not checked: {PEER} names no Python that has torch")
                continue
            told = completeness(home, package)
            missing += unknown(told)
            table.add_row(package, str(len(told["symbols"])), f"{told['completenessScore']:.1%}")
    if missing:
        shown = [*missing[:_SHOWN], f"… and {len(missing) - _SHOWN} more"] if len(missing) > _SHOWN else missing
        raise ReleaseError("\n".join(["these types are not stated; annotate where each is first assigned:", *shown]))
    return table


def main() -> None:
    """Build, verify, print."""
    with tempfile.TemporaryDirectory(prefix="rdzv-wheels-") as out:
        try:
            Console().print(verify(build(Path(out))))
        except ReleaseError as error:
            raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
