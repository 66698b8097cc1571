"""Targets: the runtime, device and settings that a cost is measured with, as a short address.

`onnxruntime:cpu?threads=1&batch=1` is ONNX Runtime on the processor, with one thread and one sample at a time.
"""

from dataclasses import dataclass
from enum import StrEnum

from supple.errors import SuppleError, nearest


class Runtime(StrEnum):
    """What runs an exported member."""

    ONNXRUNTIME = "onnxruntime"


class Device(StrEnum):
    """Where the runtime runs it."""

    CPU = "cpu"


@dataclass(frozen=True)
class Target:
    """A runtime on a device with its settings: the number of threads, and of samples in one batch."""

    runtime: Runtime = Runtime.ONNXRUNTIME
    device: Device = Device.CPU
    threads: int = 1
    batch: int = 1

    def __str__(self) -> str:
        return f"{self.runtime}:{self.device}?threads={self.threads}&batch={self.batch}"


_PLACES = {f"{runtime}:{device}": (runtime, device) for runtime, device in ((Runtime.ONNXRUNTIME, Device.CPU),)}
_SETTINGS = ("threads", "batch")


def parse_target(address: str) -> Target:
    """Return the target with this address; settings left out are 1.

    Raises `SuppleError` for an unknown runtime, device or setting, with the nearest that there is.
    """
    place, _, query = address.partition("?")
    if place not in _PLACES:
        known = ", ".join(_PLACES)
        raise SuppleError(f'"{address}" names no target that there is ({known}){nearest(place, _PLACES)}')
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
    runtime, device = _PLACES[place]
    return Target(runtime, device, settings.get("threads", 1), settings.get("batch", 1))
