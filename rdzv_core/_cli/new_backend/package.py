"""What is written: the files of the template, with the name in the places that are left for it."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

_FILES = {
    "pyproject.toml": "pyproject.toml.txt",
    "README.md": "readme.md.txt",
    "{module}/__init__.py": "backend.py.txt",
    "{module}/conformance.py": "conformance.py.txt",
    "{module}/py.typed": "",
    "tests/test_{module}_conformance.py": "conformance_class.py.txt",
    ".github/workflows/tests.yml": "tests.yml.txt",
    ".gitignore": "gitignore.txt",
}


class Package:
    """A distribution of a backend called `name`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.distribution = f"rdzv-{name.replace('_', '-')}"
        self.module = f"rdzv_{name.replace('-', '_')}"
        words = name.replace("_", "-").split("-")
        self.class_name = "".join(word.capitalize() for word in words) + "Backend"

    @property
    def files(self) -> list[str]:
        """The paths of its files, in its directory."""
        return [path.format(module=self.module) for path in _FILES]

    def write(self, directory: Path) -> None:
        """Write all files; the directory must not exist yet (`FileExistsError`). Raises `OSError`."""
        directory.mkdir(parents=True)
        for path, source in zip(self.files, _FILES.values(), strict=True):
            target = directory / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(self._text(source) if source else "", encoding="utf-8")

    def _text(self, source: str) -> str:
        text = (files(__package__) / "template" / source).read_text(encoding="utf-8")
        places = {"NAME": self.name, "DISTRIBUTION": self.distribution, "MODULE": self.module, "CLASS": self.class_name}
        for place, value in places.items():
            text = text.replace(f"<<{place}>>", value)
        return text
