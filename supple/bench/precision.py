"""What choosing shape and precision together is worth: on families of our own, on pretrained networks, by operators.

`--models` takes the parts by name: `joint` (families on Fashion-MNIST, every strategy at the same evaluations),
`efficientnet` and `minilm` (pretrained, next to what other tools make of them). What is finished of the first is kept
in `--folder`. `operators` shows what int8 is worth on this machine, layer by layer.
"""

from collections.abc import Mapping

from supple.bench import precision_joint, precision_operators, precision_pretrained, precision_sentences
from supple.bench.form import Benchmark, Options, Outcome
from supple.bench.parts import run_parts
from supple.progress import Progress

PARTS: Mapping[str, Benchmark] = {
    "joint": precision_joint.run,
    "efficientnet": precision_pretrained.run,
    "minilm": precision_sentences.run,
    "operators": precision_operators.run,
}


def run(options: Options, progress: Progress) -> Outcome:
    """Run the chosen parts, or all; raises as `run_parts` does."""
    return run_parts(PARTS, "strategy", options, progress)
