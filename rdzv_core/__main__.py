"""The command `rdzv`, also `python -m rdzv_core`."""

from __future__ import annotations

import sys

from rdzv_core._init_process import divide

_CLI_PACKAGES = ("click", "rich")


def main() -> int:
    """Run the command line and return its exit status."""
    divide()
    try:
        from rdzv_core._cli import run_command_line
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _CLI_PACKAGES:
            raise
        print(f"rdzv: the command line needs {error.name}: run `pip install 'rdzv-core[cli]'`", file=sys.stderr)
        return 2
    return run_command_line(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
