"""Of a process that died the report says why: the crash and the author's code, not the last line of a long dump."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from rdzv_conformance.harness.last_words import last_words

CRASH = """
import faulthandler, threading
faulthandler.enable()
threading.Thread(target=threading.Event().wait, daemon=True).start()
def innermost():
    faulthandler._sigabrt()
def outer():
    innermost()
outer()
"""


def test_a_crash_is_told_by_its_first_line_and_the_authors_frames(tmp_path: Path) -> None:
    """A real dump, of several threads: what it was, and the innermost frames with file and line."""
    program = tmp_path / "author.py"
    program.write_text(CRASH, encoding="utf-8")
    ran = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=60, check=False)
    told = last_words(ran.stderr.splitlines())
    assert told.startswith(f"Fatal Python error: Aborted, in innermost ({program}:6), called in outer ({program}:8)")


def test_frames_of_python_and_of_the_suite_are_left_out() -> None:
    """The author looks for his own code; where none is to be seen the innermost frames are told."""
    dump = [
        "Fatal Python error: Segmentation fault",
        "",
        "Thread 0x1 (most recent call first):",
        '  File "/elsewhere/other.py", line 1 in other',
        "Current thread 0x2 (most recent call first):",
        f'  File "{subprocess.__file__}", line 5 in read',
        '  File "/site/mine/client.py", line 7 in ask',
        '  File "/site/rdzv_core/x.py", line 9 in get_state',
        "",
        "Extension modules: one, two (total: 2)",
    ]
    assert last_words(dump) == "Fatal Python error: Segmentation fault, in ask (/site/mine/client.py:7)"
    assert last_words([*dump[:6], *dump[8:]]).endswith(f"in read ({subprocess.__file__}:5)")


def test_another_end_is_told_by_its_last_line() -> None:
    """An exception's own line; nothing where nothing was said."""
    assert last_words(["Traceback …", "ValueError: no", "\n"]) == "ValueError: no"
    assert last_words([]) == ""
