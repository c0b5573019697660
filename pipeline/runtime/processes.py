"""What a process may do, by how it was started: share work with others, compute a network, outlive its parent."""

import functools
import multiprocessing
import os
import threading
import time

from pneumoseg.data_io.console import log
from pneumoseg.data_io.errors import InputError

CHECK_EVERY_S = 0.5


@functools.cache
def may_start_processes() -> bool:
    """Whether this process may start others that it shares work with; where not, warns of it once.

    A daemonic process, such as a worker of `multiprocessing.Pool`, may have no children. Without semaphores, as where
    /dev/shm is missing or cannot be written, processes cannot share work.
    """
    if multiprocessing.current_process().daemon:
        reason = "this is a daemonic process, as of multiprocessing.Pool, which may start no others"
    else:
        try:
            multiprocessing.Lock()
            return True
        except (ImportError, OSError) as error:
            reason = f"the system has no semaphores ({error}); mount /dev/shm so that it can be written"
    log.warning("running in a single process, which is slower: %s", reason)
    return False


def begin_to_compute() -> None:
    """To be called before a network is computed. Raises InputError in a process that was forked from one that has
    computed a network: the threads of TensorFlow, JAX and OpenVINO are missing in it, so that it would wait forever."""
    if _computing_process() != os.getpid():
        raise InputError(
            "networks cannot run in a process that was forked from one that has run a network; start processes with "
            'multiprocessing.get_context("spawn"), or run networks in the child processes only'
        )


@functools.cache
def _computing_process() -> int:
    """The process that was the first to compute a network; in a process forked from it, that one's number."""
    return os.getpid()


def end_with_parent(parent: int) -> None:
    """Ends this process soon after the process `parent`, which started it, is gone; to be called first of all.

    The initializer of every pool of processes: without it the workers of a killed process wait for its next order.
    """

    def watch() -> None:
        while os.getppid() == parent:  # an orphan has another parent
            time.sleep(CHECK_EVERY_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
