"""What this machine computes fastest in."""

import os
from pathlib import Path


def gpu_present() -> bool:
    """Whether there may be an NVIDIA GPU, told without loading a framework."""
    return os.environ.get("CUDA_VISIBLE_DEVICES") != "-1" and Path("/dev/nvidiactl").exists()


def gpu_available() -> bool:
    """Whether Keras's backend sees a GPU."""
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        from pipeline import tensorflow_backend

        return tensorflow_backend.gpu_count() > 0
    return any("gpu" in device or "cuda" in device for device in keras.distribution.list_devices())


def cpu_flags() -> frozenset[str]:
    """The processor's instruction sets as Linux names them; empty on other systems."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return frozenset()
    flags = next((line.partition(":")[2] for line in text.splitlines() if line.startswith("flags")), "")
    return frozenset(flags.split())


def choose_precision(wanted: str = "auto") -> str:
    """The Keras dtype policy for training: the wanted one, or for "auto" the fastest one that is safe.

    See `bfloat16_pays` for processors; on a GPU it always does.
    """
    if wanted != "auto":
        return wanted
    return "mixed_bfloat16" if gpu_available() or bfloat16_pays() else "float32"


def has_bfloat16() -> bool:
    """Whether the processor can multiply in bfloat16 at all."""
    return bool(cpu_flags() & {"amx_bf16", "avx512_bf16"})


def bfloat16_pays() -> bool:
    """Whether the processor has matrix units (AMX) for bfloat16.

    With AVX512-BF16 alone everything takes longer than in float32 (measured on two cores: a training step 4.2 s against
    3.2 s, a tile through OpenVINO 0.37 s against 0.30 s).
    """
    return "amx_bf16" in cpu_flags()


def description() -> dict:
    """The class of hardware, without anything that names the machine or its user."""
    flags = cpu_flags()
    units = [name for name in ("amx_bf16", "avx512_bf16", "avx512f", "avx2") if name in flags]
    return {"cores": os.cpu_count(), "instructions": units, "gpu": gpu_available()}
