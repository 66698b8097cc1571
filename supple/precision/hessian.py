"""The loss's Hessian over a member's weights: its products with directions, and the traces of its diagonal blocks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from supple.errors import SuppleError, first_line

Direction = Mapping[str, torch.Tensor]
"""What changes of the weights, by the module paths of their layers; other weights stay."""


class LossHessian:
    """The Hessian of the mean loss of several batches over the weights of some layers of a module.

    `member` is in eval mode, and its own: what requires a gradient in it is changed. Each of `batch_losses` runs the
    member on one batch and returns its mean loss, with the batch's share of all terms.
    """

    def __init__(
        self, member: nn.Module, paths: Sequence[str], batch_losses: Sequence[tuple[Callable[[], torch.Tensor], float]]
    ) -> None:
        member.requires_grad_(False)
        self.weights = {path: self._weight(member, path) for path in paths}
        self._batch_losses = batch_losses

    @staticmethod
    def _weight(member: nn.Module, path: str) -> torch.Tensor:
        weight = member.get_submodule(path).weight
        assert isinstance(weight, torch.Tensor)
        return weight.requires_grad_(True)

    def traces(self, probes: int, seed: int) -> tuple[dict[str, float], float]:
        """Return the trace of each layer's block of the Hessian, by Hutchinson's estimator, and the mean loss.

        With v of independent signs, the mean of v^T H v is the trace of H; parts of v that belong to different layers
        are independent, so that one product with H serves all layers. Source: Hutchinson, A Stochastic Estimator of the
        Trace of the Influence Matrix, 1989. Each batch has `probes` directions of its own.
        """
        generator = torch.Generator().manual_seed(seed)
        traces = dict.fromkeys(self.weights, 0.0)
        total = 0.0
        with _twice_differentiable():
            for gradients, loss, share in self._gradients():
                total += share * loss
                for _ in range(probes):
                    signs = {path: _signs(weight, generator) for path, weight in self.weights.items()}
                    product = self._product(gradients, signs)
                    for path, sign in signs.items():
                        traces[path] += share * _dot(sign, product[path]) / probes
        return traces, total

    def forms(self, directions: Sequence[Direction]) -> tuple[list[list[float]], float]:
        """Return d_i^T H d_j for every two of the directions, and the mean loss; one product with H for each d_j."""
        found = [[0.0] * len(directions) for _ in directions]
        total = 0.0
        with _twice_differentiable():
            for gradients, loss, share in self._gradients():
                total += share * loss
                for column, direction in enumerate(directions):
                    product = self._product(gradients, direction)
                    for row, other in enumerate(directions):
                        found[row][column] += share * sum(_dot(part, product[path]) for path, part in other.items())
        return found, total

    def _gradients(self) -> Iterator[tuple[dict[str, torch.Tensor], float, float]]:
        """Yield the gradients of each batch, ready to be differentiated again, its loss and its share."""
        weights = list(self.weights.values())
        for loss_of, share in self._batch_losses:
            loss = loss_of()
            found = torch.autograd.grad(loss, weights, create_graph=True, materialize_grads=True)
            _check_not_cut(found)
            yield dict(zip(self.weights, found, strict=True)), float(loss.detach()), share

    def _product(self, gradients: Direction, direction: Direction) -> dict[str, torch.Tensor]:
        """Return H v as the gradient of g^T v."""
        slope = sum((gradients[path] * part).sum() for path, part in direction.items())
        assert isinstance(slope, torch.Tensor)
        if not slope.requires_grad:  # the loss does not bend at all
            return {path: torch.zeros_like(weight) for path, weight in self.weights.items()}
        found = torch.autograd.grad(
            slope, list(self.weights.values()), retain_graph=True, allow_unused=True, materialize_grads=True
        )
        return dict(zip(self.weights, found, strict=True))


@contextmanager
def _twice_differentiable() -> Iterator[None]:
    """Let attention take the form that can be differentiated twice; tell where something else cannot."""
    try:
        # The fused forms of attention have no second derivative.
        with sdpa_kernel(SDPBackend.MATH):
            yield
    except (RuntimeError, NotImplementedError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise SuppleError(
            f"The model's loss cannot be differentiated twice, as its Hessian takes ({first_line(error)}): measure its "
            "distortion or its loss instead."
        ) from error


def _check_not_cut(gradients: Sequence[torch.Tensor]) -> None:
    """Raise `RuntimeError` where a gradient has no gradient of its own.

    PyTorch takes what a function marked `once_differentiable` gives for a constant, without a word.
    """
    waiting = [gradient.grad_fn for gradient in gradients if gradient.grad_fn is not None]
    seen = set(waiting)
    while waiting:
        node = waiting.pop()
        if node.name().endswith("::Error"):
            raise RuntimeError("one of its functions is marked once_differentiable")
        before = {earlier for earlier, _ in node.next_functions if earlier is not None} - seen
        seen |= before
        waiting.extend(before)


def _signs(weight: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    drawn = torch.randint(0, 2, weight.shape, generator=generator).to(weight.device, weight.dtype)
    return drawn * 2 - 1


def _dot(first: torch.Tensor, second: torch.Tensor) -> float:
    return float((first * second).sum(dtype=torch.float64))
