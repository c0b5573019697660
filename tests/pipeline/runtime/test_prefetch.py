import threading

import pytest

from pneumoseg.pipeline.runtime.prefetch import ahead


def test_items_come_in_order_one_ahead():
    made = []

    def maker():
        for number in range(4):
            made.append(number)
            yield number

    with ahead(maker()) as items:
        assert list(items) == [0, 1, 2, 3]
    with ahead([]) as items:
        assert list(items) == []
    assert made == [0, 1, 2, 3]


def test_the_next_item_is_made_meanwhile():
    second_begun = threading.Event()

    def maker():
        yield 1
        second_begun.set()
        yield 2

    with ahead(maker()) as items:
        assert next(items) == 1
        assert second_begun.wait(timeout=10)
        assert list(items) == [2]


def test_errors_come_where_their_item_would():
    def maker():
        yield 1
        raise ValueError("broken")

    with ahead(maker()) as items:
        assert next(items) == 1
        with pytest.raises(ValueError, match="broken"):
            next(items)


def test_the_thread_ends_with_the_context_even_when_the_caller_fails():
    before = set(threading.enumerate())
    with pytest.raises(ValueError, match="mine"), ahead(iter(range(10))) as items:
        next(items)
        raise ValueError("mine")
    assert set(threading.enumerate()) <= before
