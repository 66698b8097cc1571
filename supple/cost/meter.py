"""Measure members of a family on a target during a search, each next to the full network as the reference."""

from collections.abc import Sequence

from supple.cost.latency import Effort, Latency, Run, time_against_reference
from supple.runtime import OnnxSession, OnnxTemplate, Target, parse_target
from supple.space import Config


class LatencyMeter:
    """Measures members that a template cuts; no member is measured twice.

    A search takes minutes, in which a machine grows slower and faster. So the full network runs in the rounds of every
    measurement, and all latencies are given as if it always took the same time: as in the first measurement, or
    `reference_ms` (what `Latency.reference_ms` says of those that an earlier process took).
    """

    def __init__(
        self,
        template: OnnxTemplate,
        target: str | Target = "onnxruntime:cpu?threads=1",
        seconds_per_member: float = 1.0,
        reference_ms: float | None = None,
    ) -> None:
        """Open the reference. Raises `SuppleError` for an unknown target."""
        self.target = target if isinstance(target, Target) else parse_target(target)
        self.reference_ms = reference_ms
        self._template = template
        self._seconds = seconds_per_member
        self._measured: dict[Config, Latency] = {}
        self._reference = self._opened(template.family.space.max())

    def measure(self, config: Config) -> Latency:
        """Return how long a member takes for one batch."""
        return self.measure_together([config])[0]

    def measure_together(self, configs: Sequence[Config]) -> list[Latency]:
        """Return how long each member takes; those not known yet are measured in the same interleaved rounds."""
        new = [config for config in dict.fromkeys(configs) if config not in self._measured]
        if new:
            effort = Effort(max_seconds=self._seconds * len(new))
            runs = [self._opened(config) for config in new]
            found = time_against_reference(self._reference, runs, effort, self.reference_ms)
            self.reference_ms = found[0].reference_ms
            self._measured.update(zip(new, found, strict=True))
        return [self._measured[config] for config in configs]

    def _opened(self, config: Config) -> Run:
        session = OnnxSession(self._template.cut(config), self.target.threads)
        return session.prepared(*session.random_inputs(self.target.batch))
