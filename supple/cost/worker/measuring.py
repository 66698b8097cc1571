"""A worker's measurements: one at a time, each in the process of its target, which is kept for the next."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable

from fastapi.concurrency import run_in_threadpool

from supple.cost.channel import Message
from supple.cost.local_device import LocalDevice
from supple.cost.patience import Limits, TryError
from supple.cost.request import Kind, Request
from supple.errors import SuppleError
from supple.runtime.target import Target

_MOST_PROCESSES = 2
_WAITING_SECONDS = 1.0


class Measurer:
    """Measures for everybody who asks, in the order in which they ask; nothing else may run meanwhile.

    `turn` is the lock that whoever computes on this machine holds, an upload too: it would disturb a measurement.
    """

    def __init__(self, limits: Limits) -> None:
        self.turn = asyncio.Lock()
        self._limits = limits
        self._devices: OrderedDict[Target, LocalDevice] = OrderedDict()

    async def runtime_version(self, target: Target) -> str:
        """Return the version of a target's runtime. Raises `SuppleError` where it is not here or does not start."""
        async with self.turn:
            return await run_in_threadpool(lambda: self._device(target).runtime_version)

    async def messages(self, request: Request, content_of: Callable[[str], bytes]) -> AsyncIterator[Message]:
        """Yield what the measuring process says, up to the message that ends the request; tries once.

        Where the iterator is closed before, as when nobody listens any more, the measurement ends.
        """
        while True:
            try:
                await asyncio.wait_for(self.turn.acquire(), _WAITING_SECONDS)
                break
            except TimeoutError:
                yield {"kind": Kind.WAITING}
        try:
            messages = self._device(request.target).messages(request, content_of)
            try:
                while (message := await run_in_threadpool(next, messages, None)) is not None:
                    yield message
            finally:
                messages.close()
        except (TryError, SuppleError, OSError) as error:
            yield {"kind": Kind.FAILED, "reason": str(error)}
        finally:
            self.turn.release()

    def close(self) -> None:
        """End every process."""
        for device in self._devices.values():
            device.close()
        self._devices.clear()

    def _device(self, target: Target) -> LocalDevice:
        if target not in self._devices:
            self._devices[target] = LocalDevice(target, self._limits)
            while len(self._devices) > _MOST_PROCESSES:
                _, oldest = self._devices.popitem(last=False)
                oldest.close()
        self._devices.move_to_end(target)
        return self._devices[target]
