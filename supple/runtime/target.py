"""Targets: the runtime, device and settings that a cost is measured with, as a short address.

`onnxruntime:cpu?threads=1&batch=1` is ONNX Runtime on the processor, with one thread and one sample at a time;
`remote+onnxruntime:cpu@HOST:PORT` is that on another machine, where `supple worker` listens.
"""

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from supple.errors import SuppleError, nearest


class Runtime(StrEnum):
    """What runs a member."""

    TORCH = "torch"
    TORCH_COMPILE = "torch-compile"
    ONNXRUNTIME = "onnxruntime"
    OPENVINO = "openvino"
    EXECUTORCH = "executorch"


class Device(StrEnum):
    """Where, or with which of its libraries, the runtime runs it."""

    CPU = "cpu"
    CUDA = "cuda"
    TENSORRT = "tensorrt"
    XNNPACK = "xnnpack"


@dataclass(frozen=True)
class Target:
    """A runtime on a device with its settings.

    `threads` is the number of threads, `batch` that of the samples in one batch; `resolution` is the height in pixels
    that images are measured at (None: that of the member). `worker` is the HOST:PORT of the machine that measures
    (None: this one).
    """

    runtime: Runtime = Runtime.ONNXRUNTIME
    device: Device = Device.CPU
    threads: int = 1
    batch: int = 1
    resolution: int | None = None
    worker: str | None = None

    @property
    def place(self) -> str:
        """The runtime and the device, without settings."""
        return f"{self.runtime}:{self.device}"

    @property
    def local(self) -> "Target":
        """The same target for the machine itself that measures."""
        return replace(self, worker=None)

    def __str__(self) -> str:
        place = self.place if self.worker is None else f"{_REMOTE}{self.place}@{self.worker}"
        resolution = "" if self.resolution is None else f"&resolution={self.resolution}"
        return f"{place}?threads={self.threads}&batch={self.batch}{resolution}"


PLACES = {
    f"{runtime}:{device}": (runtime, device)
    for runtime, devices in {
        Runtime.ONNXRUNTIME: (Device.CPU, Device.CUDA, Device.TENSORRT),
        Runtime.OPENVINO: (Device.CPU,),
        Runtime.EXECUTORCH: (Device.XNNPACK,),
        Runtime.TORCH: (Device.CPU, Device.CUDA),
        Runtime.TORCH_COMPILE: (Device.CPU, Device.CUDA),
    }.items()
    for device in devices
}
"""The runtime and the device of every address, without settings."""

_SETTINGS = ("threads", "batch", "resolution")
_REMOTE = "remote+"
_WORKER = re.compile(r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})")


def parse_target(address: str) -> Target:
    """Return the target with this address; threads and batch, where they are left out, are 1.

    Raises `SuppleError` for an unknown runtime, device or setting, with the nearest that there is.
    """
    whole, _, query = address.partition("?")
    place, worker = whole, None
    if whole.startswith(_REMOTE):
        place, _, worker = whole.removeprefix(_REMOTE).partition("@")
        _check_worker(worker, address)
    if place not in PLACES:
        known = ", ".join(PLACES)
        raise SuppleError(f'"{address}" names no target that there is ({known}){nearest(place, PLACES)}')
    settings: dict[str, int] = {}
    for part in query.split("&") if query else ():
        name, _, value = part.partition("=")
        if name not in _SETTINGS:
            raise SuppleError(
                f'Target "{address}" has no setting "{name}" ({", ".join(_SETTINGS)}){nearest(name, _SETTINGS)}'
            )
        if name in settings:
            raise SuppleError(f'Target "{address}" gives "{name}" twice.')
        if not (value.isascii() and value.isdecimal() and len(value) <= 9 and int(value) >= 1):
            raise SuppleError(f'Target "{address}": "{name}" must be a whole number from 1 on, not "{value}".')
        settings[name] = int(value)
    runtime, device = PLACES[place]
    return Target(
        runtime, device, settings.get("threads", 1), settings.get("batch", 1), settings.get("resolution"), worker
    )


def _check_worker(worker: str, address: str) -> None:
    match = _WORKER.fullmatch(worker)
    if match is None or not 0 < int(match[1]) < 65536:
        raise SuppleError(
            f'Target "{address}" names no worker: write remote+RUNTIME:DEVICE@HOST:PORT, '
            "as remote+onnxruntime:cpu@192.168.1.20:8765."
        )
