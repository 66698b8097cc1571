"""The curves of the training benchmark: accuracy of the largest and the smallest member over compute."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy

from supple.bench.train_parts import Trained


def draw_curves(families: Mapping[str, Sequence[Trained]], path: Path) -> None:
    """Draw, for each scheme, the median over seeds of the validation accuracy after each epoch, as an SVG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5), layout="constrained")
    for axes, column, member in zip(figure.subplots(1, 2), (1, 2), ("largest", "smallest"), strict=True):
        for number, (scheme, results) in enumerate(families.items()):
            curves = numpy.median([result.curve for result in results], axis=0)
            axes.plot(
                curves[:, 0] / 1e12,
                100 * curves[:, column],
                marker="o",
                label=scheme,
                color=f"C{number % 10}",
                linestyle="-" if number < 10 else "--",
            )
        axes.set(xlabel="compute, 10^12 multiply-accumulates forward", ylabel="validation accuracy, %")
        axes.set_title(f"The {member} member, after each quarter of the images")
        axes.grid(alpha=0.3)
    figure.axes[1].legend(fontsize=7, handlelength=4)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
