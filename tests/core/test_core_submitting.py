"""A `done` that raises is logged, and the thread that tells goes on; Ctrl-C goes on."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest

from rdzv_core.submitting import guarded


def _raising(error: BaseException):
    def done(result, failed):
        raise error

    return done


@pytest.mark.parametrize("error", [ZeroDivisionError(), SystemExit(3), asyncio.CancelledError()], ids=repr)
def test_what_done_raises_is_logged_with_its_traceback_and_goes_no_further(error, caplog):
    with caplog.at_level(logging.ERROR, "rdzv"):
        guarded(_raising(error), "toy")(None, None)
    (record,) = caplog.records
    assert record.message == "done of a call submitted on a toy store raised an error"
    assert record.exc_info[1] is error


def test_done_is_told_the_end_of_the_call():
    ends, error = [], OSError("lost")
    done = guarded(lambda *end: ends.append(end), "toy")
    done(b"result", None)
    done(None, error)
    assert ends == [(b"result", None), (None, error)]


def test_ctrl_c_goes_on_in_the_main_thread_alone(caplog):
    done = guarded(_raising(KeyboardInterrupt()), "toy")
    with pytest.raises(KeyboardInterrupt):
        done(None, None)
    other = threading.Thread(target=done, args=(None, None))
    other.start()
    other.join()
    assert [record.exc_info[0] for record in caplog.records] == [KeyboardInterrupt]
