"""What a measuring process is asked, and the kinds of messages about it, in this machine and between machines."""

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from supple.cost.latency import Effort
from supple.runtime.target import Target

PROTOCOL = 1
"""The version of the messages, and of the figures of a latency; both ends must speak the same."""

PROTOCOL_HEADER = "Supple-Protocol"
"""The header of each request to a worker that holds the version."""


class Kind(StrEnum):
    """What a message is about; it stands under `kind`."""

    HELLO = "hello"
    """From the process: it is ready, and says what it is."""
    MEASURE = "measure"
    """To the process: a request."""
    WAITING = "waiting"
    """From a worker: another measurement goes first."""
    WANTED = "wanted"
    """From the process: the digests of the programs that it lacks."""
    PROGRAM = "program"
    """To the process: one of them."""
    LOADED = "loaded"
    """From the process: it is loaded and has run once."""
    ALIVE = "alive"
    """From the process: measuring goes on."""
    ANSWER = "answer"
    """From the process: the latencies. Ends the request."""
    REFUSED = "refused"
    """From the process: one program cannot be measured there, and why. Ends the request."""
    FAILED = "failed"
    """From a worker: its measuring process failed, and why. Ends the request."""


class Quantity(StrEnum):
    """What is measured."""

    LATENCY = "latency"
    ENERGY = "energy"


@dataclass(frozen=True)
class Request:
    """One measurement: programs, by the digests of their contents, in rounds with a reference if there is one.

    Of energy there are no rounds: reference and effort say nothing then. `identity` is drawn anew for each try: an
    answer must repeat it, so that a late one is not taken for the next.
    """

    target: Target
    reference: str | None
    programs: Sequence[str]
    effort: Effort
    reference_ms: float | None
    identity: str = ""
    quantity: Quantity = Quantity.LATENCY

    def renewed(self) -> "Request":
        """Return the same request for another try."""
        return replace(self, identity=secrets.token_hex(8))

    @property
    def digests(self) -> tuple[str, ...]:
        """Every digest once, that of the reference first."""
        return tuple(dict.fromkeys(self.programs if self.reference is None else (self.reference, *self.programs)))

    def to_json(self) -> dict[str, object]:
        """Return the request as JSON content, with the target as its machine itself calls it."""
        return {
            "kind": Kind.MEASURE,
            "protocol": PROTOCOL,
            "identity": self.identity,
            "target": str(self.target.local),
            "reference": self.reference,
            "programs": list(self.programs),
            "effort": asdict(self.effort),
            "reference_ms": self.reference_ms,
            "quantity": self.quantity,
        }
