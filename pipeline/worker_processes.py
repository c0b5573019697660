"""Worker processes that end when the process that started them does, even where that was killed."""

import os
import threading
import time

CHECK_EVERY_S = 0.5


def end_with_parent(parent: int) -> None:
    """Ends this process soon after the process `parent`, which started it, is gone; to be called first of all.

    The initializer of every pool: `ProcessPoolExecutor(initializer=end_with_parent, initargs=(os.getpid(),))`. Without
    it the workers of a killed process wait for its next order.
    """

    def watch() -> None:
        while os.getppid() == parent:  # an orphan has another parent
            time.sleep(CHECK_EVERY_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
