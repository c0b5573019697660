import threading
from concurrent.futures import Executor, Future

import pytest

from pneumoseg.pipeline.runtime.executors import ElasticExecutor, SerialExecutor, background_threads
from pneumoseg.pipeline.runtime.spreading import finished, result_of
from pneumoseg.pipeline.runtime.worker_checks import WorkerLost


class Crowded(ElasticExecutor):
    """Does the work that has gathered, and loses each piece that shares it with a deadly one."""

    def __init__(self, room: int, deadly: set[int]) -> None:
        self.room, self.deadly, self.most = room, deadly, 0
        self.waiting: list[tuple[Future, int]] = []
        self.lock = threading.Lock()

    def at_once(self) -> int:
        return self.room

    def submit(self, function, item):
        future: Future = Future()
        with self.lock:
            self.waiting.append((future, item))
            self.most = max(self.most, len(self.waiting))
            if len(self.waiting) == 1:
                threading.Timer(0.02, self.do).start()
        return future

    def do(self) -> None:
        with self.lock:
            taken, self.waiting = self.waiting, []
        lost = any(item in self.deadly for _, item in taken)
        for future, item in taken:
            if lost:
                future.set_exception(WorkerLost("ended"))
            else:
                future.set_result(item)


def results(executor: Executor, items) -> dict:
    return {item: future.exception() or future.result() for item, future in finished(executor, abs, items)}


def test_all_work_is_done_by_any_executor():
    with background_threads(2) as threads:
        for executor in (SerialExecutor(), threads):
            assert results(executor, range(-5, 1)) == {item: -item for item in range(-5, 1)}
    assert results(SerialExecutor(), []) == {}


def test_a_serial_executor_begins_nothing_more_after_an_error_that_the_caller_raises():
    begun = []

    def fail(item):
        begun.append(item)
        raise ValueError(item)

    for item, future in finished(SerialExecutor(), fail, range(5)):
        with pytest.raises(ValueError, match=f"{item}"):
            future.result()
        break
    assert begun == [0]


def test_no_more_pieces_are_under_way_than_the_executor_asks_for():
    executor = Crowded(3, set())
    assert results(executor, range(10)) == {item: item for item in range(10)}
    assert executor.most == 3


def test_pieces_beside_a_deadly_one_are_done_alone():
    found = results(Crowded(3, {4}), range(9))
    assert {item: found[item] for item in found if item != 4} == {item: item for item in range(9) if item != 4}
    assert isinstance(found[4], WorkerLost)


def test_a_single_lost_piece_is_not_done_again():
    executor = Crowded(1, {2})
    found = results(executor, range(4))
    assert isinstance(found.pop(2), WorkerLost)
    assert found == {0: 0, 1: 1, 3: 3}


def test_what_has_not_begun_is_cancelled_when_the_caller_stops():
    held: list[Future] = []

    class Never(ElasticExecutor):
        def at_once(self) -> int:
            return 4

        def submit(self, function, item):
            held.append(Future())
            if item == 0:
                held[-1].set_result(0)
            return held[-1]

    spread = finished(Never(), abs, range(9))
    assert next(spread)[0] == 0
    spread.close()
    assert [future.cancelled() for future in held] == [False, True, True, True]


def test_lost_workers_are_told_by_the_name_of_their_work():
    lost: Future = Future()
    lost.set_exception(WorkerLost("4 workers ended while they had it"))
    with pytest.raises(WorkerLost, match="fold 2: 4 workers ended"):
        result_of(lost, "fold 2")
    done: Future = Future()
    done.set_result(3)
    assert result_of(done, "fold 2") == 3
