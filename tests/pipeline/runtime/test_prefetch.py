import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pneumoseg.pipeline.runtime.executors import SerialExecutor, background_threads
from pneumoseg.pipeline.runtime.prefetch import one_ahead, results_ahead


@pytest.mark.parametrize("ahead", [1, 3, 10])
@pytest.mark.parametrize("executor", [SerialExecutor, lambda: ThreadPoolExecutor(3)])
def test_results_come_in_the_order_of_their_items(executor, ahead):
    with executor() as pool:
        assert list(results_ahead(pool, abs, [-3, 2, -1, 0], ahead=ahead)) == [3, 2, 1, 0]
        assert list(results_ahead(pool, abs, [], ahead=ahead)) == []


def test_so_many_calls_are_done_ahead_and_no_more():
    called = []
    results = results_ahead(SerialExecutor(), called.append, range(10), ahead=2)
    next(results)
    assert called == [0, 1, 2]
    next(results)
    assert called == [0, 1, 2, 3]


def test_an_exception_is_raised_where_its_result_would_come():
    results = results_ahead(SerialExecutor(), lambda number: 1 // number, [1, 0], ahead=1)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_what_has_not_begun_is_cancelled_when_the_caller_stops():
    begun, go_on = [], threading.Event()

    def call(number):
        begun.append(number)
        go_on.wait(timeout=10 if number else 0)

    with background_threads() as thread:
        results = results_ahead(thread, call, range(5), ahead=4)
        next(results)
        results.close()
        go_on.set()
    assert len(begun) <= 2


def test_items_come_in_order_one_ahead():
    made = []

    def maker():
        for number in range(4):
            made.append(number)
            yield number

    with background_threads() as thread:
        assert list(one_ahead(maker(), thread)) == [0, 1, 2, 3]
        assert list(one_ahead([], thread)) == []
    assert made == [0, 1, 2, 3]


def test_the_next_item_is_made_meanwhile():
    second_begun = threading.Event()

    def maker():
        yield 1
        second_begun.set()
        yield 2

    with background_threads() as thread:
        items = one_ahead(maker(), thread)
        assert next(items) == 1
        assert second_begun.wait(timeout=10)
        assert list(items) == [2]


def test_errors_come_where_their_item_would():
    def maker():
        yield 1
        raise ValueError("broken")

    with background_threads() as thread:
        items = one_ahead(maker(), thread)
        assert next(items) == 1
        with pytest.raises(ValueError, match="broken"):
            next(items)


def test_the_thread_ends_with_the_context_even_when_the_caller_fails():
    before = set(threading.enumerate())
    with pytest.raises(ValueError, match="mine"), background_threads() as thread:
        next(one_ahead(iter(range(10)), thread))
        raise ValueError("mine")
    assert set(threading.enumerate()) <= before
