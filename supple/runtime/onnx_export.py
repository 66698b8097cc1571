"""Export ordinary modules to ONNX, whole or open for the template to cut members from."""

import onnx
import torch
from torch import nn

from supple.errors import SuppleError, class_and_first_line
from supple.family.quantized.quantizers import precisions_of, without_precision
from supple.runtime.onnx_graph import simplified
from supple.runtime.onnx_quantizing import quantized
from supple.trace import Inputs, ModelInputs
from supple.trace.modes import evaluating
from supple.trace.silence import silenced

ONNX_OPSET = 20
BATCH_AXIS = "batch"


def exported_model(module: nn.Module, example_inputs: Inputs, optimize: bool) -> onnx.ModelProto:
    """Return a module in eval mode as an ONNX model whose first axis of every input and output is free.

    With `optimize`, constants are folded and batch norm is fused into convolutions. Without, initializers keep their
    state-dict names, and each node says in its metadata which modules it comes from. Raises `SuppleError` where the
    exporter fails.
    """
    # A batch of one sample would be taken for a constant.
    inputs = ModelInputs.of(example_inputs).map(lambda tensor: tensor.repeat_interleave(1 + (len(tensor) == 1), dim=0))
    batch = torch.export.Dim(BATCH_AXIS)
    shapes = torch.export.ShapesCollection()  # type: ignore[no-untyped-call]
    for tensor in inputs.tensors:
        shapes[tensor] = {0: batch}
    try:
        with silenced(), evaluating(module):
            program = torch.onnx.export(
                module,
                inputs.args,
                kwargs=dict(inputs.kwargs),
                dynamo=True,
                dynamic_shapes=shapes.dynamic_shapes(  # type: ignore[no-untyped-call]
                    module, inputs.args, dict(inputs.kwargs)
                ),
                opset_version=ONNX_OPSET,
                optimize=optimize,
                verbose=False,
            )
            if program is None:
                raise RuntimeError("the exporter returned nothing")
            model = program.model_proto
    except Exception as error:  # whatever the user's forward or the exporter raises
        raise SuppleError(
            f"{type(module).__name__} cannot be exported to ONNX with inputs of shape "
            f"{inputs.shapes}: {class_and_first_line(_root_cause(error))}"
        ) from error
    _check_batch_is_free(model, module)
    return model


def onnx_model(module: nn.Module, example_inputs: Inputs) -> onnx.ModelProto:
    """Return a module, exported by itself, as a model without the exporter's notes; a quantized member as integers.

    Raises `SuppleError` where the exporter fails, or ONNX has no form of a layer's precision.
    """
    precisions = precisions_of(module)
    if precisions:
        plain = without_precision(module)
        model = simplified(exported_model(plain, example_inputs, optimize=False), plain.state_dict())
        model = quantized(model, precisions)
    else:
        model = exported_model(module, example_inputs, optimize=True)
    remove_notes(model)
    return model


def _check_batch_is_free(model: onnx.ModelProto, module: nn.Module) -> None:
    for value in (*model.graph.input, model.graph.output[0]):
        axes = value.type.tensor_type.shape.dim
        if not axes or not axes[0].dim_param:
            raise SuppleError(
                f'{type(module).__name__} fixes the batch size: the first axis of "{value.name}" is '
                f"{axes[0].dim_value if axes else 'not there'} whatever the inputs are. Take the batch size from the "
                "input in forward."
            )


def remove_notes(model: onnx.ModelProto) -> None:
    """Remove what the exporter notes on nodes and values: stack traces with the paths of this machine, above all."""
    graph = model.graph
    for entry in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        entry.ClearField("metadata_props")
        entry.ClearField("doc_string")


def file_content(model: onnx.ModelProto) -> bytes:
    """Return a model as the content of its file; the same model always gives the same bytes."""
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _root_cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error
