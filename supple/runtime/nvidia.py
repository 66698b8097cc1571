"""Whether the machine has an NVIDIA GPU, without a library of NVIDIA's."""

import shutil
from pathlib import Path

# The driver makes the first on Linux, and the second below Windows' WSL.
_DEVICE_FILES = ("/dev/nvidiactl", "/dev/dxg")


def missing_gpu() -> str | None:
    """Return what to say where there is no NVIDIA GPU with a driver; None where there is one."""
    if any(Path(file).exists() for file in _DEVICE_FILES) or shutil.which("nvidia-smi"):
        return None
    return "it needs an NVIDIA GPU with its driver, and this machine shows none."
