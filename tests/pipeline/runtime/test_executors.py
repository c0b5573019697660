import pytest

from pneumoseg.pipeline.runtime.executors import SerialExecutor


def test_work_is_done_when_submit_returns():
    done = []
    with SerialExecutor() as executor:
        future = executor.submit(done.append, 1)
        assert done == [1]
        assert future.done()
        assert list(executor.map(abs, [-1, 2])) == [1, 2]


def test_an_exception_is_raised_by_the_future():
    with SerialExecutor() as executor, pytest.raises(ZeroDivisionError):
        executor.submit(divmod, 1, 0).result()
