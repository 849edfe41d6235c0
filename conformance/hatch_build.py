"""Put the contract page into the sdist and the wheel: its text is kept once in the tree, as `spec/contract.md`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PAGE = "rdzv_conformance/contract/contract.md"


class ContractPage(BuildHookInterface):  # type: ignore[type-arg]
    """`force-include` as a hook: a wheel that is built from an sdist finds the page inside the package already."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the page, unless this is an editable install, which reads the tree's own."""
        page = Path(self.root).parent / "spec" / "contract.md"
        if page.exists() and version != "editable":
            build_data["force_include"][str(page)] = PAGE
        elif not page.exists() and not Path(self.root, PAGE).exists():
            raise FileNotFoundError(f"neither {page} nor {PAGE} exists: build from the repository or from an sdist")
