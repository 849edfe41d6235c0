"""In which page a node looks for a slot."""

from __future__ import annotations

from rdzv_core._fallback.page_choice import PageChoice
from rdzv_core._fallback.roll import SLOTS, Directory, Entry


def directory_of(*slots: int) -> Directory:
    return Directory("x", tuple(Entry(slot, f"member{slot}") for slot in slots))


def drawn(choice: PageChoice) -> set[int]:
    return {choice.draw() for _ in range(2000)}


def test_where_all_begin_at_once_each_tries_one_of_the_pages_that_they_will_fill() -> None:
    """64 that are needed fill eight pages, so few meet in one."""
    assert drawn(PageChoice(None, 64, 64)) == set(range(8))
    assert drawn(PageChoice(None, 1, 64)) == {0}


def test_as_many_pages_are_tried_as_those_who_are_missing_will_fill() -> None:
    """Pages that are full are left out, and slots that are free are used."""
    there = [*range(3 * SLOTS), *range(4 * SLOTS, 7 * SLOTS)]
    assert drawn(PageChoice(directory_of(*there), 64, 64)) == {3, 7}
    assert drawn(PageChoice(directory_of(*there), 50, 64)) == {3}


def test_where_enough_are_there_the_lowest_page_with_a_free_slot_comes_first() -> None:
    """So that a look at all members reads few pages."""
    assert drawn(PageChoice(directory_of(*range(8), 9), 2, 64)) == {1}


def test_each_page_that_turns_out_to_be_full_makes_it_draw_from_twice_as_many() -> None:
    """There are more that enter than could be known: they part."""
    choice = PageChoice(None, 2, 64)
    choice.was_full(0)
    assert drawn(choice) == {1, 2}
    choice.was_full(2)
    assert drawn(choice) == {1, 3, 4, 5}


def test_no_more_pages_are_begun_than_the_members_of_a_run_fill_before_these_are_full() -> None:
    """Each may be a connection to the store."""
    choice = PageChoice(None, 20, 20)
    for page in (0, 2):
        assert drawn(choice) <= {0, 1, 2}
        choice.was_full(page)
    assert drawn(choice) == {1}
    choice.was_full(1)
    assert drawn(choice) == {3}


def test_the_pages_of_a_run_whose_nodes_all_begin_at_once_hold_them() -> None:
    """However they meet: 256 members are in 32 pages."""
    full = dict.fromkeys(range(32), 0)
    for _ in range(256):
        choice = PageChoice(None, 256, 256)
        while full[page := choice.draw()] == SLOTS:
            choice.was_full(page)
        full[page] += 1
    assert set(full.values()) == {SLOTS}
