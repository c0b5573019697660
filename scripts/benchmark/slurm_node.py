"""A SLURM cluster of this machine alone, for tests and measurements: munged, slurmctld and slurmd of Debian's
slurm-wlm and munge, as root, in a folder of their own."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
CONFIGURATION = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
SchedulerParameters=sched_interval=1
ReturnToService=2
MpiDefault=none
SwitchType=switch/none
KillWait=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory_mb} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
START_S, END_S = 60.0, 10.0


def missing() -> str:
    """Why no cluster can be started here; "" where one can."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"{', '.join(absent)} not installed (Debian: slurm-wlm, munge)"
    return "" if os.geteuid() == 0 else "slurmd needs root"


@contextmanager
def one_node(*, cpus: int = 2, memory_mb: int = 8000) -> Iterator[dict[str, str]]:
    """Starts the cluster and yields the environment in which its commands find it; ends its jobs and daemons."""
    # A short path: that of a socket has at most 107 bytes.
    with (
        tempfile.TemporaryDirectory(prefix="slurm", dir="/tmp", ignore_cleanup_errors=True) as place,
        ExitStack() as stack,
    ):
        folder = Path(place)
        for name in ("state", "spool"):
            (folder / name).mkdir()
        (folder / "munge.key").write_bytes(os.urandom(1024))
        (folder / "munge.key").chmod(0o400)
        controller_port, node_port = _free_ports(2)
        configuration = CONFIGURATION.format(
            host=socket.gethostname().partition(".")[0],
            folder=folder,
            controller_port=controller_port,
            node_port=node_port,
            cpus=cpus,
            memory_mb=memory_mb,
        )
        (folder / "slurm.conf").write_text(configuration)
        environment = {"SLURM_CONF": str(folder / "slurm.conf")}
        files = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        munge = [f"--{flag}={folder / f'munge.{ending}'}" for flag, ending in files.items()]
        stack.enter_context(_daemon(["munged", "--foreground", "--force", *munge], folder, environment))
        wait_until((folder / "munge.socket").exists)
        for name in ("slurmctld", "slurmd"):
            stack.enter_context(_daemon([name, "-D"], folder, environment))
        wait_until(lambda: "idle" in called(["sinfo", "--noheader", "--format=%T"], environment))
        try:
            yield environment
        finally:
            called(["scancel", "--user=root"], environment)
            wait_until(lambda: not called(["squeue", "--noheader"], environment))


def called(words: list[str], environment: dict[str, str]) -> str:
    """What a command prints in the environment of the cluster."""
    done = subprocess.run(words, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    return done.stdout


def wait_until(holds: Callable[[], bool], seconds: float = START_S) -> None:
    """Waits until the condition holds. Raises TimeoutError where it does not in time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:g} s")
        time.sleep(0.1)


@contextmanager
def _daemon(words: list[str], folder: Path, environment: dict[str, str]) -> Iterator[None]:
    with (folder / f"{words[0]}.out").open("wb") as log:
        process = subprocess.Popen(
            words, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
