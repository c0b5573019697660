"""A server without HTTP: the supervisor of a folder until it is killed, for tests."""

import sys
import time
from pathlib import Path

from pneumoseg.evaluation.jobs.supervisor import Supervisor

STUB = (sys.executable, f"{Path(__file__).with_name('stub_worker.py')}")

if __name__ == "__main__":
    Supervisor(sys.argv[1], command=STUB).start()
    print("started", flush=True)
    while True:
        time.sleep(1)
