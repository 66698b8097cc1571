"""Another machine as a device: a worker there measures, and is asked over HTTP."""

from collections.abc import Callable, Generator
from functools import cached_property

from supple.cost.channel import Message
from supple.cost.device import MeasuringDevice, ProgramRefused
from supple.cost.patience import DEFAULT_LIMITS, Limits, Patience, TryError
from supple.cost.request import Request
from supple.cost.worker.token_file import token_of_environment
from supple.cost.worker_client import Lacking, WorkerClient
from supple.errors import SuppleError
from supple.machine import Machine
from supple.runtime.target import Target

_MOST_UPLOADS = 3


class RemoteDevice(MeasuringDevice):
    """Measures on the machine where the target's worker listens."""

    def __init__(self, target: Target, limits: Limits = DEFAULT_LIMITS) -> None:
        """Take the worker's token; the worker is asked when something is to be measured.

        Raises `SuppleError` where the target has no worker or there is no token.
        """
        if target.worker is None:
            raise ValueError(f'"{target}" names no worker')
        self.target = target
        self._limits = limits
        self._client = WorkerClient(target.worker, token_of_environment(target.worker), limits)

    @cached_property
    def machine(self) -> Machine:
        """The worker's machine."""
        return self._description[0]

    @cached_property
    def runtime_version(self) -> str:
        """The version of the runtime there."""
        return self._description[1]

    @cached_property
    def _description(self) -> tuple[Machine, str]:
        return self.tried(self._describe, "say what it is")

    def _describe(self) -> tuple[Machine, str]:
        said = self._client.describe(str(self.target.local))
        version = said.get("runtime_version")
        if not isinstance(version, str) or not 0 < len(version) <= 100:
            raise TryError("did not say which version its runtime has")
        try:
            return Machine.from_json(said.get("machine")), version
        except SuppleError as error:
            raise TryError(f"did not describe its machine ({error})") from error

    def messages(self, request: Request, content_of: Callable[[str], bytes]) -> Generator[Message]:
        """Yield what the worker says to a request, after it has the programs. Raises `TryError`."""
        for _ in range(_MOST_UPLOADS):
            lacking: Lacking | None = None
            for message in self._client.messages(request, Patience(request, self._limits)):
                if isinstance(message, Lacking):
                    lacking = message
                else:
                    yield message
            if lacking is None:
                return
            for digest in lacking.digests:
                self._upload(digest, content_of(digest), lacking.largest_bytes)
        raise TryError("forgot programs that it had just been sent")

    def _upload(self, digest: str, content: bytes, largest_bytes: int) -> None:
        if len(content) > largest_bytes:
            reason = (
                f"it has {len(content)} bytes, and the worker takes {largest_bytes} (supple worker --largest-program)"
            )
            raise ProgramRefused(f'A program cannot be measured on "{self.target}": {reason}.', reason, digest)
        self._client.upload(digest, content)

    def reset(self) -> None:
        """Do nothing: every try has a connection of its own."""

    def close(self) -> None:
        """Do nothing: nothing is held between measurements."""
