"""Turn what the changelog calls unreleased into the version of the tree: `python -m release.changelog [--check]`.

`make changelog` runs it, on the day of a release. With `--check` nothing is written: the status is 1 if the version of
the tree has no dated section, or the form is not that of Keep a Changelog; the release workflow runs that.
"""

from __future__ import annotations

import argparse
import datetime
import re

from release.projects import ROOT, stated, version

FILE = ROOT / "CHANGELOG.md"
GROUPS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
_SECTION = re.compile(r"^## (.*)$", re.MULTILINE)
_VERSION = re.compile(r"\[(Unreleased|\d+\.\d+\.\d+\S*)\](?: - (\d{4}-\d\d-\d\d))?")
_LINK = re.compile(r"^\[(\S+)\]: \S+$", re.MULTILINE)


def source() -> str:
    """Return the address of the repository."""
    found: str = stated(ROOT)["urls"]["Source"]
    return found


def versions(text: str) -> dict[str, str]:
    """Return each version, newest first, with its date; an empty one for what is unreleased."""
    return {match[1]: match[2] or "" for match in map(_VERSION.fullmatch, _SECTION.findall(text)) if match}


def faults(text: str) -> list[str]:
    """Return what is not in the form of Keep a Changelog."""
    found = [
        f"'## {head}' is not '[Unreleased]' or '[VERSION] - DATE'"
        for head in _SECTION.findall(text)
        if not (match := _VERSION.fullmatch(head)) or (match[1] == "Unreleased") == bool(match[2])
    ]
    found += [
        f"'### {group}' is not one of {', '.join(GROUPS)}"
        for group in re.findall(r"^### (.*)$", text, re.MULTILINE)
        if group not in GROUPS
    ]
    if next(iter(versions(text)), None) != "Unreleased":
        found.append("the first section is not '## [Unreleased]'")
    if missing := versions(text).keys() - set(_LINK.findall(text)):
        found.append(f"no link for {', '.join(sorted(missing))}")
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        groups = re.findall(r"^### (.*)$", section, re.MULTILINE)
        if groups != sorted(groups, key=lambda name: GROUPS.index(name) if name in GROUPS else 0):
            found.append(f"the order of {', '.join(groups)} is not that of {', '.join(GROUPS)}")
        if len(groups) != len(set(groups)):
            found.append(f"twice among {', '.join(groups)}")
    return found


def released(text: str, new: str, date: str) -> str:
    """Return the changelog with what was unreleased as version `new`. Raises `ValueError` if it has that already."""
    if wrong := faults(text):
        raise ValueError(f"{FILE.name}: {'; '.join(wrong)}")
    if new in versions(text):
        raise ValueError(f"{FILE.name} has {new} already: set the next version first (make version SET=…)")
    before = next((name for name in versions(text) if name != "Unreleased"), None)
    page = f"{source()}/compare/v{before}...v{new}" if before else f"{source()}/releases/tag/v{new}"
    links = f"[Unreleased]: {source()}/compare/v{new}...HEAD\n[{new}]: {page}"
    text = re.sub(r"^\[Unreleased\]: .*$", links, text, flags=re.MULTILINE)
    return text.replace("## [Unreleased]\n", f"## [Unreleased]\n\n## [{new}] - {date}\n", 1)


def main() -> None:
    """Write, or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only check that the version of the tree is there")
    text, new = FILE.read_text("utf-8"), version()
    if parser.parse_args().check:
        wrong = faults(text) or ([] if new in versions(text) else [f"no section for {new}: run make changelog"])
        raise SystemExit("\n".join(wrong))
    try:
        FILE.write_text(released(text, new, datetime.datetime.now(datetime.timezone.utc).date().isoformat()), "utf-8")
    except ValueError as error:
        raise SystemExit(str(error)) from error
    print(f"{FILE.name}: {new}")


if __name__ == "__main__":
    main()
