import threading
import time

import pytest

from pneumoseg.pipeline.runtime.timing import timed, timed_calls


def pause(seconds: float, *, result: int = 0) -> int:
    time.sleep(seconds)
    return result


def test_result_and_seconds_of_a_call():
    result, seconds = timed(pause, 0.05, result=7)
    assert result == 7
    assert 0.05 <= seconds < 5


def test_seconds_of_all_calls_in_whatever_thread():
    call, seconds = timed_calls(pause)
    assert seconds() == 0
    assert call(0.03, result=1) == 1
    thread = threading.Thread(target=call, args=(0.03,))
    thread.start()
    thread.join()
    assert 0.06 <= seconds() < 5


def test_an_exception_comes_through():
    with pytest.raises(ZeroDivisionError):
        timed(divmod, 1, 0)
