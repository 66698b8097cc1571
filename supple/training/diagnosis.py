"""Finding the layer that is to blame: where a model does not take its inputs, or loses the gradient."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.utils._pytree import tree_leaves
from torch.utils.hooks import RemovableHandle

from supple.errors import SuppleError, first_line
from supple.trace import Inputs, ModelInputs

_Call = tuple[str, nn.Module, list[Tensor]]


def run_or_tell(model: nn.Module, inputs: ModelInputs) -> Any:
    """Run a model on a batch. Raises `SuppleError` with the layer to blame where it cannot take that."""
    try:
        return inputs.run(model)
    except (SuppleError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # whatever the user's forward raises
        raise wrong_input(model, inputs, error) from error


def wrong_input(model: nn.Module, inputs: Inputs, error: Exception) -> SuppleError:
    """Return the error to raise where a model's forward has raised `error` on a batch: it names the layer.

    The model runs once more, in its present mode; batch norm's statistics are then as they were.
    """
    read = ModelInputs.of(inputs)
    beginning = f"The model cannot take a batch of shape {read.shapes}"
    running: list[_Call] = []

    def enter(path: str, module: nn.Module, arguments: Any) -> None:
        running.append((path, module, _tensors(arguments)))

    def leave(path: str, module: nn.Module, outputs: Any) -> None:
        running.pop()

    try:
        with _buffers_kept(model), torch.no_grad(), _hooked(model, enter, leave):
            read.run(model)
    except Exception as again:  # whatever the user's forward raises
        error = again
    else:
        running.clear()  # It does not fail a second time.
    if not running or not running[-1][0]:
        return SuppleError(f"{beginning}: {first_line(error)}")
    path, module, tensors = running[-1]
    expected = _expected(module)
    got = ", ".join(_described(tensor, module) for tensor in tensors) or "no tensor"
    return SuppleError(
        f'{beginning}: its layer "{path}" ({type(module).__name__}) got {got}'
        f"{f', but expects {expected}' if expected else ''} ({first_line(error)})."
    )


def check_trainable(model: nn.Module) -> None:
    """Raise `SuppleError` where no parameter of a model trains."""
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise SuppleError("The model has no parameter to train: requires_grad is False for all of them.")


def no_gradient(model: nn.Module, inputs: Inputs) -> SuppleError:
    """Return the error to raise where a model's outputs do not require a gradient: it names the layer that loses it.

    The model runs once more, in its present mode; batch norm's statistics are then as they were. Raises `SuppleError`
    where no parameter trains.
    """
    if not torch.is_grad_enabled():
        return SuppleError("Gradients are off: training is called under torch.no_grad() or torch.inference_mode().")
    check_trainable(model)
    losing: list[tuple[str, nn.Module]] = []
    entered: list[bool] = []

    def enter(path: str, module: nn.Module, arguments: Any) -> None:
        brings_gradient = any(tensor.requires_grad for tensor in (*_tensors(arguments), *module.parameters()))
        # What runs under no_grad() loses nothing: the module around it does.
        entered.append(torch.is_grad_enabled() and brings_gradient)

    def leave(path: str, module: nn.Module, outputs: Any) -> None:
        if entered.pop() and not any(tensor.requires_grad for tensor in _tensors(outputs)):
            losing.append((path, module))

    with _buffers_kept(model), _hooked(model, enter, leave):
        ModelInputs.of(inputs).run(model)
    around = {path for path, _ in losing if any(_is_inside(other, path) for other, _ in losing)}
    path, module = next((entry for entry in reversed(losing) if entry[0] not in around), ("", model))
    where = f'in its layer "{path}" ({type(module).__name__})' if path else "in its own forward"
    return SuppleError(
        f"The model's outputs have no gradient, it is lost {where}: look there for torch.no_grad(), detach(), .data, "
        "argmax or a conversion to NumPy."
    )


def _is_inside(path: str, other: str) -> bool:
    return path != other and (not other or path.startswith(f"{other}."))


@contextmanager
def _hooked(
    model: nn.Module, enter: Callable[[str, nn.Module, Any], None], leave: Callable[[str, nn.Module, Any], None]
) -> Iterator[None]:
    """Call `enter(path, module, arguments)` before each forward and `leave(path, module, outputs)` after it."""
    handles: list[RemovableHandle] = []
    for path, module in model.named_modules():

        def before(module: nn.Module, args: Any, kwargs: Any, path: str = path) -> None:
            enter(path, module, (args, kwargs))

        def after(module: nn.Module, args: Any, kwargs: Any, outputs: Any, path: str = path) -> None:
            leave(path, module, outputs)

        handles.append(module.register_forward_pre_hook(before, with_kwargs=True))
        handles.append(module.register_forward_hook(after, with_kwargs=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _buffers_kept(model: nn.Module) -> Iterator[None]:
    """Put a model's buffers and the CPU's random numbers back at the end."""
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            with torch.no_grad():
                for buffer, before in buffers:
                    buffer.copy_(before)


def _tensors(values: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def _described(tensor: Tensor, module: nn.Module) -> str:
    kind = str(tensor.dtype).removeprefix("torch.")
    if isinstance(module, nn.Embedding | nn.EmbeddingBag) and tensor.numel() and not tensor.is_floating_point():
        lowest, highest = (int(value) for value in torch.aminmax(tensor))
        return f"{list(tensor.shape)} of {kind} from {lowest} to {highest}"
    return f"{list(tensor.shape)} of {kind}"


# What a layer takes, read off its weights where there are some: while a member is active they are its own.
_EXPECTED: tuple[tuple[type[nn.Module] | tuple[type[nn.Module], ...], Callable[[Any], str]], ...] = (
    (nn.Linear, lambda layer: f"{layer.weight.shape[1]} features in the last axis"),
    (_ConvTransposeNd, lambda layer: _channels(layer.weight.shape[0], layer.weight.dim())),
    (_ConvNd, lambda layer: _channels(layer.weight.shape[1] * layer.groups, layer.weight.dim())),
    (_NormBase, lambda layer: f"{layer.num_features} channels in the second axis"),
    (nn.GroupNorm, lambda layer: f"{layer.num_channels} channels in the second axis"),
    ((nn.LayerNorm, nn.RMSNorm), lambda layer: f"{list(layer.normalized_shape)} as the last axes"),
    ((nn.Embedding, nn.EmbeddingBag), lambda layer: f"whole numbers from 0 to {layer.weight.shape[0] - 1}"),
    (nn.RNNBase, lambda layer: f"{layer.input_size} features in the last axis"),
    (nn.MultiheadAttention, lambda layer: f"{layer.embed_dim} features in the last axis"),
)


def _expected(module: nn.Module) -> str:
    return next((tell(module) for kinds, tell in _EXPECTED if isinstance(module, kinds)), "")


def _channels(channels: int, axes: int) -> str:
    return f"{channels} channels in the second of {axes} axes"
