"""Decoders: what many threads read for the first time at once."""

from __future__ import annotations

import subprocess
import sys

PROCESSES = 12
PROGRAM = """
import sys, threading
sys.setswitchinterval(1e-6)
from rdzv_core.abc import RendezvousBackend
from rdzv_core._fallback.record import Record
from rdzv_core._fallback.roll import Directory, Slot
from rdzv_core._handler.head import Announcement, Head, Seat, RoundId, Terms
from rdzv_core._handler.head import decode_announcement, decode_head, encode_announcement, encode_head
head = encode_head(Head("e", Terms(1, 2, 3.0, 4.0, 5.0), roster=(Seat("m", "n", "a"),), departed={"left": "1"}))
says = encode_announcement(Announcement("n", "a", RoundId("e", 1)))
start = threading.Barrier(48)
def read():
    start.wait()
    decode_head(head)
    decode_announcement(says)
    Record(None, Slot, "a slot")._decode(b'{"id": "x"}')
    entries = b'[{"slot": 0, "id": "y", "ttl": 1.0}]'
    Record(None, Directory, "a directory")._decode(b'{"incarnation": "x", "order": ' + entries + b"}")
threads = [threading.Thread(target=read) for _ in range(48)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_many_threads_may_read_a_type_for_the_first_time_at_once() -> None:
    """A process with many handlers reads heads on all their threads: msgspec alone crashes one in five of those."""
    for _ in range(PROCESSES):
        done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
