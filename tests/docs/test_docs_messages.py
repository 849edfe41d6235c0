"""Every message that rdzv prints when something is wrong is in docs/troubleshooting.md, with what to do."""

from __future__ import annotations

import re

import pytest

from tests.docs.messages import ANY, Source, covers
from tests.docs.pages import DOCS

PAGE = (DOCS / "troubleshooting.md").read_text("utf-8")
ITEM = re.compile(r"^- (`+) ?(.+?) ?\1$")
MESSAGES = Source().messages()


def _entries() -> dict[str, tuple[list[str], str]]:
    """Return the messages and the advice under each heading."""
    found: dict[str, tuple[list[str], str]] = {}
    for section in re.split(r"^#{2,3} ", PAGE, flags=re.MULTILINE)[1:]:
        heading, *lines = section.splitlines()
        listed = [item[2] for line in lines if (item := ITEM.match(line))]
        found[heading] = (listed, " ".join(line for line in lines if not ITEM.match(line)).strip())
    return found


ENTRIES = _entries()
LISTED = [pattern for listed, _ in ENTRIES.values() for pattern in listed]


def test_every_message_in_the_source_is_on_the_page() -> None:
    """Whoever adds or changes one gets to know here: list it under a heading of the page, `…` for each value."""
    unlisted = [f"{each.where}: {each.text}" for each in MESSAGES if not any(covers(p, each.text) for p in LISTED)]
    assert [] == unlisted


def test_every_message_on_the_page_is_in_the_source() -> None:
    """One that is printed no longer leaves the page."""
    assert [] == [pattern for pattern in LISTED if not any(covers(pattern, each.text) for each in MESSAGES)]


def test_every_entry_says_what_to_do() -> None:
    """A list of messages alone helps nobody."""
    assert [] == [heading for heading, (listed, advice) in ENTRIES.items() if listed and len(advice.split()) < 6]


def test_no_two_entries_have_one_anchor() -> None:
    """A link to an entry leads to that entry."""
    headings = re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)
    assert len(headings) == len({heading.lower() for heading in headings})


@pytest.mark.parametrize(
    "text",
    [
        "run …: only … came …: …",
        "run …: the store could not be reached within … s (…)",
        "no backend … is installed…: … (installed: …)",
        "nobody listens: …",
        "the server's certificate is not of the authority in tls_ca=… (…)",
        "the run is closed: the command goes on to its end and is not restarted",
    ],
)
def test_a_message_is_found_however_it_is_made(text: str) -> None:
    """Through a variable, a parameter, a function that returns it, or both branches of a condition."""
    assert text in {each.text for each in MESSAGES}


def test_a_message_on_the_page_covers_what_it_says_and_not_more() -> None:
    """The beginning of a message does not stand for all messages that begin so."""
    text = "tcp backend at '…': cannot host the store: …; give is_host=false where another process hosts it"
    assert covers(f"{ANY}cannot host the store: {ANY}; give is_host=false where another process hosts it", text)
    assert not covers("tcp backend at", text)
    assert not covers("give is_host=false … cannot host the store", text)


def test_where_a_message_stands_is_a_line_of_a_file() -> None:
    """The list of what is missing leads to the source."""
    assert all(re.fullmatch(r"[\w/]+\.py:\d+", each.where) for each in MESSAGES)
