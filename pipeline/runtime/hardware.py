"""What this machine offers: processor cores and their instruction sets, GPU, memory."""

import hashlib
import os
import platform
from pathlib import Path
from typing import Literal

from pneumoseg.data_io.errors import InputError

CONTROL_GROUPS = Path("/sys/fs/cgroup")
INSTRUCTIONS = ("amx_bf16", "amx_int8", "avx512_bf16", "avx512_vnni", "avx_vnni", "avx512f", "avx2")
"""Instruction sets that decide which precisions are possible, and how fast."""
LARGEST_GPU_GB = 300.0
Policy = Literal["float32", "mixed_bfloat16", "mixed_float16"]
"""Keras's names of precisions."""
PROCESS_GROUP = Path("/proc/self/cgroup")


def gpu_present() -> bool:
    """Whether there may be an NVIDIA GPU, without loading a framework."""
    return os.environ.get("CUDA_VISIBLE_DEVICES") != "-1" and Path("/dev/nvidiactl").exists()


def gpu_available() -> bool:
    """Whether Keras's backend sees a GPU."""
    from pneumoseg.pipeline.runtime.keras_backend import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        from pneumoseg.pipeline.runtime import tensorflow_backend

        return tensorflow_backend.gpu_count() > 0
    return any("gpu" in device or "cuda" in device for device in keras.distribution.list_devices())


def out_of_memory() -> tuple[type[Exception], ...]:
    """What Keras's backend raises where a GPU's memory is insufficient, for an except clause; nothing of JAX, whose
    error is a RuntimeError like any other."""
    from pneumoseg.pipeline.runtime.keras_backend import keras

    if keras.backend.backend() != "tensorflow":
        return ()
    from pneumoseg.pipeline.runtime import tensorflow_backend

    return (tensorflow_backend.OutOfMemory,)


def cpu_flags() -> frozenset[str]:
    """The processor's instruction sets as Linux names them; empty on other systems."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return frozenset()
    flags = next((line.partition(":")[2] for line in text.splitlines() if line.startswith("flags")), "")
    return frozenset(flags.split())


def usable_cores() -> int:
    """How many cores this process may use: those it is bound to, or fewer where OMP_NUM_THREADS says."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, requested_threads() or cores)


def requested_threads() -> int | None:
    """How many threads OMP_NUM_THREADS asks for; None where it says nothing."""
    threads = os.environ.get("OMP_NUM_THREADS", "")
    return int(threads) or None if threads.isdecimal() else None


def share_of_cores(processes: int) -> int:
    """How many cores each of so many processes may use, one at least."""
    return max(1, usable_cores() // processes)


def memory_gb() -> float:
    """The memory that this process may use: the machine's, or less where its control group, or one that this lies in,
    is limited."""
    limits = [float("inf")]
    if hasattr(os, "sysconf"):
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for path in _memory_limits():
        try:
            limits.append(float(path.read_text(encoding="ascii")))
        except (OSError, ValueError):  # no such group, or "max"
            continue
    return min(limits) / 1e9


def require_memory(work: str, needed_gb: float, *, remedy: str, available_gb: float | None = None) -> None:
    """Raises InputError, with `remedy`, where `work` would take more memory than `available_gb`, by default what this
    process may use."""
    available_gb = memory_gb() if available_gb is None else available_gb
    if needed_gb > available_gb:
        raise InputError(
            f"{work} would take about {needed_gb:.3g} GB of memory, this process may use {available_gb:.1f}; {remedy}"
        )


def training_memory_gb() -> float:
    """The memory that training may surely not exceed: this process's, or with a GPU what the largest have at least."""
    return max(memory_gb(), LARGEST_GPU_GB) if gpu_available() else memory_gb()


def _memory_limits() -> list[Path]:
    """The files with the limits of this process's control group and of those it lies in, as of a batch system's job."""
    try:
        lines = PROCESS_GROUP.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        lines = []
    group = next((line.removeprefix("0::") for line in lines if line.startswith("0::")), "")  # 0: version 2
    parts = group.strip("/").split("/")
    groups = [CONTROL_GROUPS.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)]
    return [group / "memory.max" for group in groups] + [CONTROL_GROUPS / "memory" / "memory.limit_in_bytes"]


def gpu_precision() -> Policy:
    """The Keras dtype policy for a GPU: bfloat16 where it has units for that (NVIDIA's compute capability 8 and above),
    else float16."""
    return "mixed_bfloat16" if _gpu_generation() >= 8 else "mixed_float16"


def compute_deterministically() -> None:
    """From now on, the same computation gives the same bits."""
    from pneumoseg.pipeline.runtime.keras_backend import keras

    if keras.backend.backend() == "tensorflow":
        from pneumoseg.pipeline.runtime import tensorflow_backend

        tensorflow_backend.compute_deterministically()


def has_bfloat16() -> bool:
    """Whether the processor can multiply in bfloat16 at all."""
    return bool(cpu_flags() & {"amx_bf16", "avx512_bf16"})


def has_int8() -> bool:
    """Whether the processor can multiply 8-bit integers without overflow of the sums (VNNI, AMX)."""
    return bool(cpu_flags() & {"avx512_vnni", "avx_vnni", "amx_int8"})


def processor_key() -> str:
    """A word for the kind of processor: the same on processors of one model with the same instruction sets and as many
    usable cores."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = [platform.processor(), platform.machine()]
    kinds = sorted({line for line in lines if line.startswith(("model", "vendor_id", "flags", "Features"))} or lines)
    return f"{hashlib.sha256(repr(kinds).encode()).hexdigest()[:12]}-{usable_cores()}"


def _gpu_generation() -> int:
    """The major number of the GPU's compute capability; 0 where it is unknown."""
    from pneumoseg.pipeline.runtime.keras_backend import keras

    if keras.backend.backend() == "tensorflow":
        from pneumoseg.pipeline.runtime import tensorflow_backend

        return tensorflow_backend.gpu_generation()
    if keras.backend.backend() == "jax":
        import jax

        return int(float(getattr(jax.devices()[0], "compute_capability", None) or 0))
    return 0


def description() -> dict:
    """The class of hardware, without anything that names the machine or its user."""
    flags = cpu_flags()
    units = [name for name in INSTRUCTIONS if name in flags]
    from pneumoseg.pipeline.runtime.keras_backend import keras

    return {
        "cores": os.cpu_count(),
        "instructions": units,
        "gpu": gpu_available(),
        "backend": keras.backend.backend(),
    }
