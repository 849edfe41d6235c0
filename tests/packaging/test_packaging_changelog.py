"""The changelog is in the form of Keep a Changelog, and becomes a version's by one command."""

from __future__ import annotations

import pytest

from release.changelog import FILE, faults, released, source, versions

TEXT = """# Changelog

## [Unreleased]

### Added

- A thing.

### Fixed

- Another.

[Unreleased]: https://example.org/commits
"""


def test_the_changelog_has_the_form() -> None:
    """Unreleased first, versions with dates, the six groups in their order, a link for each version."""
    assert faults(FILE.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("## [Unreleased]", "## 0.1.0 (unreleased)", "'## 0.1.0 (unreleased)' is not"),
        ("## [Unreleased]", "## [0.1.0]", "'## [0.1.0]' is not"),
        ("## [Unreleased]", "## [0.1.0] - 2026-01-02", "the first section is not"),
        ("### Fixed", "### For strangers", "'### For strangers' is not one of Added"),
        ("### Added", "### Security", "the order of Security, Fixed"),
        ("### Fixed", "### Added", "twice among Added, Added"),
        ("[Unreleased]: https", "https", "no link for Unreleased"),
    ],
)
def test_another_form_is_refused(old: str, new: str, fault: str) -> None:
    """What a reader, or a tool that reads the changelog, would stumble over."""
    (found,) = [each for each in faults(TEXT.replace(old, new, 1)) if fault in each]
    assert found


def test_what_is_unreleased_becomes_a_version() -> None:
    """With its date, an empty section above it, and links that compare the tags."""
    first = released(TEXT, "0.1.0", "2026-01-02")
    assert faults(first) == []
    assert versions(first) == {"Unreleased": "", "0.1.0": "2026-01-02"}
    assert f"[Unreleased]: {source()}/compare/v0.1.0...HEAD\n[0.1.0]: {source()}/releases/tag/v0.1.0\n" in first
    second = released(first, "0.2.0", "2026-02-03")
    assert list(versions(second)) == ["Unreleased", "0.2.0", "0.1.0"]
    assert f"[0.2.0]: {source()}/compare/v0.1.0...v0.2.0\n" in second
    assert second.index("- A thing.") > second.index("## [0.1.0]")


def test_a_version_is_released_once() -> None:
    """A second section of one version would hide the first."""
    with pytest.raises(ValueError, match=r"has 0\.1\.0 already"):
        released(released(TEXT, "0.1.0", "2026-01-02"), "0.1.0", "2026-01-03")
